"""Every frame of a film in the order of display, damaged ones with them, in the child.

A frame counts as damaged where the decoder refuses its packet, flags its picture as faulty, or the
demuxer flags its packet. Threads make decoding fast, but what they make of a damaged film varies
from run to run, and they notice less. So a film is decoded with threads until the first damage,
and from there on anew with one thread: the same rows every time.

What no decoder notices is not seen here either: most flipped bits inside a picture of HEVC or VP9,
drop-outs of DV, and what frames inherit that refer to a damaged one, until the next key frame.
"""

import heapq
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from typing import NamedTuple

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from workers.pipeline.decoding.container import Recording, open_container, packets
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.sandbox import check_room

_MOST_THREADS = 8
_THREADED = ("h264", "hevc", "vp9", "av1", "mjpeg")
_ONE_EACH = ("h264", "hevc")
"""Of these each packet gives one frame, in progressive films."""
_TAIL = 64
"""Packets, more than any decoder holds back."""
_TICK_S = 0.5


class Event(NamedTuple):
    """A frame; `frame` is None where it is damaged, `packet` counts the packet that it came in.

    The ratio is what the codec said of the pixels when it gave the frame (frames themselves do not
    tell): it may be that of a frame that is displayed a few later.
    """

    packet: object
    pts: int | None
    frame: VideoFrame | None
    pixel_aspect_ratio: Fraction = Fraction(1)


class _DamageError(Exception):
    """Something is wrong with the film."""


_Pass = Callable[..., Iterator[Event]]


def events(recording: Recording, limits: Limits, *, interlaced: bool) -> Iterator[Event | None]:
    """All frames; None is a sign of life while frames that were given before are passed over.

    Fields of interlaced films may lie in packets of their own: those give no frames, and that is
    no damage. One thread decodes them.
    """
    av.logging.set_level(None)
    last = None
    if not interlaced:
        try:
            for event in _decoded(recording, limits, _fast):
                yield event
                last = event.packet
        except _DamageError:
            pass
        else:
            return
    yield from _behind(last, _decoded(recording, limits, _careful))


def _decoded(recording: Recording, limits: Limits, decode: _Pass) -> Iterator[Event]:
    container, stream = open_container(recording)
    with container:
        coder = stream.codec_context
        name = coder.codec.canonical_name
        threaded = decode is _fast and name in _THREADED
        coder.thread_type = "AUTO" if threaded else "NONE"
        coder.thread_count = min(len(os.sched_getaffinity(0)), _MOST_THREADS) if threaded else 1
        coder.copy_opaque = True
        coder.options = {
            "max_pixels": str(limits.pixels),
            # A faulty JPEG is cut off without a word unless its decoder is told to complain.
            "err_detect": "explode" if name == "mjpeg" else "bitstream+buffer",
        }
        source = packets(recording, container, stream)
        if container.format.name == "avi" and name in ("h264", "hevc"):
            yield from _in_order(source, coder, partial(decode, stamped=False))
        else:
            yield from decode(source, coder)


class _Waiting:
    """The packets that have given no frame yet.

    Decoders of H.264 and HEVC leave frames out without a word where what they refer to is damaged.
    As they give frames in the order of display, a packet is known to be left out as soon as a later
    one's frame comes. Those before the first frame are no part of the film; and of interlaced films
    fields may be packets of their own.

    Args:
        coder: The film's.
        stamped: Whether packets have the time stamps of the display.
    """

    def __init__(self, coder: VideoCodecContext, *, stamped: bool) -> None:
        self._stamps: dict[object, int | None] = {}
        self._tells = stamped and coder.codec.canonical_name in _ONE_EACH
        self._begun = False

    def __len__(self) -> int:
        return len(self._stamps)

    def add(self, packet: "av.Packet[VideoStream]") -> None:
        """Note a packet that goes to the decoder."""
        if not packet.is_discard:
            self._stamps[packet.opaque] = packet.pts
            if len(self._stamps) > _TAIL:
                del self._stamps[next(iter(self._stamps))]

    def forget(self, packet: object) -> None:
        """A packet of which it is known by other means what became of it."""
        self._stamps.pop(packet, None)

    def left_out(self, frame: VideoFrame) -> dict[object, int | None]:
        """Note a frame; gives the packets that it shows to be left out, with their stamps."""
        self.forget(frame.opaque)
        self._tells = self._tells and not frame.interlaced_frame
        passed: dict[object, int | None] = {}
        if self._tells and frame.pts is not None:
            passed = {
                packet: stamp
                for packet, stamp in self._stamps.items()
                if stamp is not None and stamp < frame.pts
            }
            for packet in passed:
                del self._stamps[packet]
        begun, self._begun = self._begun, True
        return passed if begun else {}

    def left_at_end(self) -> dict[object, int | None]:
        """Those that are known to be left out behind the last frame."""
        return dict(self._stamps) if self._tells and self._begun else {}


def _fast(
    source: Iterator["av.Packet[VideoStream]"], coder: VideoCodecContext, *, stamped: bool = True
) -> Iterator[Event]:
    """All frames of a film without damage.

    As many frames are held back as the codec reorders: what a damaged one has spoilt before it is
    displayed itself is not given away.

    Raises:
        _DamageError: At the first sign of it.
    """
    held: deque[Event] = deque()
    waiting = _Waiting(coder, stamped=stamped)
    for packet in _and_end(source):
        if packet is not None and packet.is_corrupt:
            raise _DamageError
        if packet is not None:
            waiting.add(packet)
        try:
            frames = coder.decode(packet)
        except av.FFmpegError as error:
            raise _DamageError from error
        for frame in frames:
            if frame.is_corrupt or waiting.left_out(frame):
                raise _DamageError
            held.append(Event(frame.opaque, frame.pts, frame, _ratio(coder)))
        while len(held) > coder.reorder_depth:
            yield held.popleft()
    if waiting:  # PyAV stops at a fault among the last frames, and does not say so
        raise _DamageError
    yield from held


def _careful(
    source: Iterator["av.Packet[VideoStream]"], coder: VideoCodecContext, *, stamped: bool = True
) -> Iterator[Event]:
    """All frames of any film: one thread, so that each fault is known to be its packet's."""
    lost: dict[object, int | None] = {}
    waiting = _Waiting(coder, stamped=stamped)
    faulty: set[object] = set()
    for packet in _and_end(source):
        if packet is not None and packet.is_corrupt:
            faulty.add(packet.opaque)
        if packet is not None:
            waiting.add(packet)
        try:
            frames = coder.decode(packet)
        except av.FFmpegError:
            check_room((coder.width, coder.height))
            if packet is not None and not packet.is_discard:
                lost[packet.opaque] = packet.pts
                waiting.forget(packet.opaque)
            continue
        for frame in frames:
            lost |= waiting.left_out(frame)
            lost.pop(frame.opaque, None)
            yield from _due(lost, frame.pts)
            damaged = frame.is_corrupt or frame.opaque in faulty
            faulty.discard(frame.opaque)
            given = None if damaged else frame
            yield Event(frame.opaque, frame.pts, given, _ratio(coder))
    yield from _due(lost | waiting.left_at_end(), None)


def _ratio(coder: VideoCodecContext) -> Fraction:
    return coder.sample_aspect_ratio or Fraction(1)


def _due(lost: dict[object, int | None], pts: int | None) -> Iterator[Event]:
    """Lost frames that are displayed before one with this time stamp; all of them for None."""
    due = [
        Event(packet, stamp, None)
        for packet, stamp in lost.items()
        if stamp is None or pts is None or stamp <= pts
    ]
    for event in due:
        del lost[event.packet]
    yield from sorted(due, key=lambda event: (event.pts is not None, event.pts or 0))


def _and_end(
    source: Iterator["av.Packet[VideoStream]"],
) -> Iterator["av.Packet[VideoStream] | None"]:
    yield from source
    yield None


def _in_order(
    source: Iterator["av.Packet[VideoStream]"], coder: VideoCodecContext, decode: _Pass
) -> Iterator[Event]:
    """The same frames, with the packets' time stamps in order.

    AVI counts packets in the order of decoding. A decoder hands the counts on to the frames, which
    are displayed in another order.
    """
    stamps: list[int] = []

    def noted() -> Iterator["av.Packet[VideoStream]"]:
        for packet in source:
            if packet.pts is not None:
                heapq.heappush(stamps, packet.pts)
            yield packet

    for event in decode(noted(), coder):
        yield event._replace(pts=heapq.heappop(stamps) if stamps else None)


def _behind(last: object, all_events: Iterator[Event]) -> Iterator[Event | None]:
    """What comes after the frame of a certain packet; everything where that is None."""
    ticked = time.monotonic()
    found = last is None
    for event in all_events:
        if found:
            yield event
        elif event.packet == last:
            found = True
        elif time.monotonic() - ticked > _TICK_S:
            ticked = time.monotonic()
            yield None
