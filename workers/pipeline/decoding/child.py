"""The decoding process. `process` starts it; its arguments are its parent's id and descriptors."""

import mmap
import socket
import sys
import time
from collections import deque
from fractions import Fraction

from av.video.frame import VideoFrame

from workers.pipeline.decoding.container import Recording
from workers.pipeline.decoding.ending import ends_early
from workers.pipeline.decoding.facts import read_facts
from workers.pipeline.decoding.frames import Event, events
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.planes import write
from workers.pipeline.decoding.protocol import (
    Alive,
    Channel,
    End,
    Facts,
    Failed,
    Free,
    Lost,
    Ring,
    Start,
)
from workers.pipeline.decoding.sandbox import allow_memory, die_with_parent, restrict
from workers.pipeline.errors import (
    DecoderCrashedError,
    SizeChangedError,
    TooManyFramesError,
    VideoError,
    VideoMemoryError,
    VideoTooLongError,
)


def main(parent_pid: int, line: int, video: int, memory: int) -> None:
    """Do what the parent asks, and tell it what goes wrong."""
    die_with_parent(parent_pid)
    channel = Channel(socket.socket(fileno=line))
    try:
        channel.send(Alive())
        _serve(channel, video, memory)
    except VideoError as error:
        channel.send(Failed(error.code, str(error)))
    except (BrokenPipeError, ConnectionResetError):
        pass  # the parent has hung up
    except MemoryError:
        channel.send(Failed(VideoMemoryError.code, "decoding needs more memory than is allowed"))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent gets to know
        kind = type(error).__name__
        channel.send(Failed(DecoderCrashedError.code, f"the decoder failed with {kind}"))


def _serve(channel: Channel, video: int, memory: int) -> None:
    start = channel.receive()
    if not isinstance(start, Start):
        return
    limits = Limits.from_json(start.limits)
    restrict(
        memory_bytes=limits.decoder_bytes, later_bytes=limits.ring_bytes, cpu_s=limits.decoder_cpu_s
    )
    recording = Recording(video)
    facts = read_facts(recording, limits)
    channel.send(facts)
    ring = channel.receive()
    if isinstance(ring, Ring):
        allow_memory(ring.slots * ring.slot_bytes)
        with mmap.mmap(memory, ring.slots * ring.slot_bytes) as shared:
            _Film(channel, facts, limits, ring, shared).send_all(recording)


class _Film:
    """Writes a film's frames into the ring as places get free."""

    def __init__(
        self, channel: Channel, facts: Facts, limits: Limits, ring: Ring, shared: mmap.mmap
    ) -> None:
        self._channel = channel
        self._facts = facts
        self._limits = limits
        self._ring = ring
        self._shared = shared
        self._free = deque(range(ring.slots))
        self._first_s: float | None = None
        self._turn_and_ratio: tuple[int, Fraction] | None = None
        self._sent = 0

    def send_all(self, recording: Recording) -> None:
        """Every frame, then the end."""
        for event in events(recording, self._limits, interlaced=self._facts.interlaced):
            if event is None:
                self._channel.send(Alive())
                continue
            self._sent += 1
            self._check_length(event)
            if event.frame is None:
                self._channel.send(Lost(event.pts))
                continue
            self._check_shape(event.frame, event.pixel_aspect_ratio)
            slot, size = self._free_slot(), self._ring.slot_bytes
            placed = write(event.frame, self._shared, slot=slot, slot_bytes=size, pts=event.pts)
            self._channel.send(placed)
        cut_short = recording.ended_in_faults or ends_early(recording, self._facts.container)
        self._channel.send(End(time.process_time(), cut_short))

    def _free_slot(self) -> int:
        while not self._free:
            message = self._channel.receive()
            if not isinstance(message, Free):
                raise BrokenPipeError
            self._free.extend(message.slots)
        return self._free.popleft()

    def _check_length(self, event: Event) -> None:
        if self._sent > self._limits.frames:
            raise TooManyFramesError(f"expected at most {self._limits.frames} frames, got more")
        if event.pts is None:
            return
        time_s = event.pts * self._facts.time_base[0] / self._facts.time_base[1]
        if self._first_s is None:
            self._first_s = time_s
        if time_s - self._first_s > self._limits.duration_s:
            raise VideoTooLongError(f"expected at most {self._limits.duration_s:g} s, got more")

    def _check_shape(self, frame: VideoFrame, ratio: Fraction) -> None:
        # Not by `orientation_of`: asked for its side data, a frame holds on to itself until the
        # garbage is collected, hundreds of frames later. And the ratio is the codec's alone: where
        # the container says another one, that holds for all of the film.
        if self._turn_and_ratio is None:
            self._turn_and_ratio = frame.rotation, ratio
        expected = (*self._facts.coded_wh, *self._turn_and_ratio)
        found = (frame.width, frame.height, frame.rotation, ratio)
        if found != expected:
            raise SizeChangedError(
                "expected frames of {}x{} px turned by {} degrees with pixels of {} throughout, "
                "got one of {}x{} turned by {} with pixels of {}".format(*expected, *found)
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
