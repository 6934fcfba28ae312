"""A video file as windows of frames, decoded ahead in another process."""

import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from model.spec.sequence import NO_PTS
from workers.pipeline.decoding.colour import Colour
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.picture import Orientation, YuvPicture
from workers.pipeline.decoding.pixel_shape import is_plausible
from workers.pipeline.decoding.process import DecoderProcess
from workers.pipeline.decoding.protocol import Alive, End, Facts, Frame, Free, Lost, Start
from workers.pipeline.decoding.times import times_of
from workers.pipeline.errors import (
    DecoderCrashedError,
    VideoEmptyError,
    VideoError,
    VideoMissingError,
    VideoNotAFileError,
    VideoTooLargeError,
    WindowError,
)
from workers.pipeline.video import VideoFacts, VideoFrame

_START_S: Final = 30.0
"""Until the decoding process runs: on a busy machine it takes its time, whatever the file is."""
_LEAST_AHEAD = 4
"""Frames that are decoded while the caller holds all the windows that it may; at best a window."""


def probe(path: Path, limits: Limits | None = None) -> VideoFacts:
    """What a video says of itself; one frame of it is decoded.

    Raises:
        VideoError: The file cannot be used; the subclass says why.
    """
    with open_video(path, window=1, windows=1, limits=limits) as video:
        return video.facts


def open_video(
    path: Path, *, window: int, windows: int = 2, limits: Limits | None = None
) -> "VideoSource":
    """Open a video and read its facts; frames are decoded from when the first window is asked for.

    The decoding process ends with the thread that opens the video (and by `close`).

    Args:
        path: An ordinary file of this machine.
        window: Frames in a window.
        windows: Windows that may be unreleased at a time, with the one that is waited for.
        limits: The usual ones where None.

    Returns:
        The video; it is closed by `with` or by `close`.

    Raises:
        VideoError: The file cannot be used; the subclass says why.
        WindowError: No window, or an empty one, was asked for.
    """
    if min(window, windows) < 1:
        raise WindowError(f"expected at least one window of one frame, got {windows} of {window}")
    limits = limits or Limits()
    file = _open_file(path, limits)
    try:
        decoder = DecoderProcess(file)
    finally:
        os.close(file)
    try:
        facts = _facts_from(decoder, limits)
        return VideoSource(decoder, facts, limits, window=window, windows=windows)
    except BaseException:
        decoder.end()
        raise


class VideoSource:
    """A video that is being decoded; made by `open_video`.

    Attributes:
        facts: What the video says of itself; once the last frame was given, also whether it is
            cut short.
        num_slots: So many frames may lie decoded, those of held windows with them.
        decoder_cpu_s: Processor time of the decoding process, when it gave the newest frame.
    """

    def __init__(
        self,
        decoder: DecoderProcess,
        facts: Facts,
        limits: Limits,
        *,
        window: int,
        windows: int,
    ) -> None:
        self.facts = _facts_of(facts, limits)
        self.decoder_cpu_s = 0.0
        self._decoder = decoder
        self._limits = limits
        self._window, self._windows = window, windows
        least = windows * window + _LEAST_AHEAD
        fitting = limits.ring_bytes // decoder.frames.slot_bytes(self.facts.coded_wh)
        self.num_slots = max(least, min((windows + 1) * window, fitting))
        self._orientation = _orientation_of(facts, limits)
        self._step_s = facts.step_s
        self._held: set[DecodedWindow] = set()
        self._begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def begins_with_rate(self) -> float:
        """Frames/s that are usual in the first few hundred packets."""
        return 1 / self._step_s

    @property
    def decoder_pid(self) -> int:
        """Id of the decoding process."""
        return self._decoder.pid

    def __iter__(self) -> Iterator["DecodedWindow"]:
        """Windows of frames in display order, the last one shorter; once.

        Raises:
            VideoError: Decoding cannot go on, after the windows before; the subclass says why.
            WindowError: Too many windows are held, or the video was read before.
        """
        if self._begun:
            raise WindowError("expected a video that was not read yet")
        self._begun = True
        self._decoder.send(
            self._decoder.frames.lay_out(
                self.facts.coded_wh, self.num_slots, most_bytes=self._limits.ring_bytes
            )
        )
        messages = self._messages()
        index, before_s = 0, None
        while True:
            if len(self._held) == self._windows:  # the decoder would wait for ever, and we for it
                raise WindowError(f"expected windows to be released, {len(self._held)} are held")
            batch = list(islice(messages, self._window))
            if not batch:
                return
            window = self._window_of(batch, index, before_s)
            index, before_s = index + len(batch), window.frames[-1].time_s
            self._held.add(window)
            yield window

    def close(self) -> None:
        """End the decoding process and let go of the memory."""
        for window in tuple(self._held):
            window.release()
        self._decoder.end()

    def take_back(self, window: "DecodedWindow", slots: list[int]) -> None:
        """A window's places may be written again; called by its `release`."""
        self._held.discard(window)
        if slots:
            self._decoder.send(Free(slots))

    def _messages(self) -> Iterator[Frame | Lost]:
        while True:
            message = self._decoder.receive(self._limits.stall_s)
            if isinstance(message, Frame | End):
                self.decoder_cpu_s = message.cpu_s
            if isinstance(message, End):
                self.facts = replace(self.facts, cut_short=message.cut_short)
                return
            if isinstance(message, Frame | Lost):
                yield message
            elif not isinstance(message, Alive):
                raise DecoderCrashedError(f"expected a frame, got {type(message).__name__}")

    def _window_of(
        self, batch: list[Frame | Lost], index: int, before_s: float | None
    ) -> "DecodedWindow":
        stamps = [message.pts for message in batch]
        times = times_of(stamps, self.facts.time_base, step_s=self._step_s, before_s=before_s)
        frames = tuple(
            VideoFrame(
                index + place,
                NO_PTS if message.pts is None else message.pts,
                time_s,
                self._picture_of(message) if isinstance(message, Frame) else None,
            )
            for place, (message, time_s) in enumerate(zip(batch, times, strict=True))
        )
        slots = [message.slot for message in batch if isinstance(message, Frame)]
        return DecodedWindow(self, frames, slots)

    def _picture_of(self, frame: Frame) -> YuvPicture:
        return YuvPicture(
            self._decoder.frames.planes(frame),
            colour=Colour(frame.matrix, frame.full_range, frame.transfer),
            orientation=self._orientation,
            jpeg_chroma=self.facts.codec == "mjpeg",
        )


class DecodedWindow:
    """Consecutive frames, whose pictures lie in shared memory until they are released."""

    def __init__(
        self, source: VideoSource, frames: tuple[VideoFrame, ...], slots: list[int]
    ) -> None:
        self._source = source
        self._slots = slots
        self.frames = frames

    def release(self) -> None:
        """Give the memory back to the decoder; pictures refuse to be used from then on."""
        slots, self._slots = self._slots, []
        for frame in self.frames:
            if isinstance(frame.picture, YuvPicture):
                frame.picture.release()
        self._source.take_back(self, slots)


def _facts_from(decoder: DecoderProcess, limits: Limits) -> Facts:
    started = decoder.receive(max(limits.stall_s, _START_S))
    if not isinstance(started, Alive):
        raise DecoderCrashedError(f"expected a sign of life, got {type(started).__name__}")
    decoder.send(Start(asdict(limits)))
    facts = decoder.receive(limits.stall_s)
    if not isinstance(facts, Facts):
        raise DecoderCrashedError(f"expected the video's facts, got {type(facts).__name__}")
    return facts


def _orientation_of(facts: Facts, limits: Limits) -> Orientation:
    ratio = Fraction(*facts.pixel_aspect_ratio)
    if not is_plausible(ratio, limits.pixel_aspect):
        raise ValueError(f"expected pixels that can be, got {ratio}")
    return Orientation(facts.rotation_deg, facts.mirrored, ratio)


def _facts_of(facts: Facts, limits: Limits) -> VideoFacts:
    try:
        (width, height), (numerator, denominator) = facts.coded_wh, facts.time_base
        orientation = _orientation_of(facts, limits)
        return VideoFacts(
            container=facts.container,
            codec=facts.codec,
            pixel_format=facts.pixel_format,
            bit_depth=facts.bit_depth,
            coded_wh=(width, height),
            displayed_wh=orientation.displayed_size((width, height)),
            pixel_aspect_ratio=orientation.pixel_aspect_ratio,
            rotation_deg=facts.rotation_deg,
            time_base=Fraction(numerator, denominator),
            frame_rate_header=facts.frame_rate_header,
            duration_s_header=facts.duration_s_header,
            num_frames_header=facts.num_frames_header,
            variable_frame_rate=facts.variable_frame_rate,
            interlaced=facts.interlaced,
            size_bytes=facts.size_bytes,
        )
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise DecoderCrashedError("what the decoder says of the video cannot be") from error


def _open_file(path: Path, limits: Limits) -> int:
    """A descriptor of an ordinary file; neither pipes nor devices keep us waiting."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise VideoMissingError(f"expected a file that can be read: {error.strerror}") from error
    try:
        _check_file(os.fstat(file), limits)
    except VideoError:
        os.close(file)
        raise
    return file


def _check_file(about: os.stat_result, limits: Limits) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise VideoNotAFileError("expected an ordinary file, got a folder, pipe or device")
    if not about.st_size:
        raise VideoEmptyError("expected a video, got an empty file")
    if about.st_size > limits.size_bytes:
        raise VideoTooLargeError(f"expected at most {limits.size_bytes} bytes, got {about.st_size}")
