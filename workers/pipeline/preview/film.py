"""The preview's film: H.264 in mp4, with the video's time stamps and nothing else of the video."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Self

import av
import numpy as np
from av.codec.context import Flags
from numpy.typing import NDArray

from model.spec.errors import OutputError
from model.spec.geometry import Size
from model.spec.sequence import NO_PTS
from workers.pipeline.forward_time import going_forward

_LATEST_START_S: Final = 10
"""A first frame later than this (streams count from anywhere) would leave players waiting."""
_FINEST_SCALE: Final = 2**31 - 1
"""Of an mp4."""
_LONGEST_GAP: Final = 2**30
"""Ticks between two frames that every reader of mp4 understands."""
_USUAL_SCALE: Final = 90_000
_KEY_EVERY: Final = 50
"""Frames between those that players can jump to, at most."""


@dataclass(frozen=True, eq=False, repr=False)
class FilmClock:
    """When each of N frames is shown.

    Attributes:
        ticks: int64 (N,), rising strictly from 0 or later.
        scale: Ticks per second.
        shift_s: Seconds taken off all time stamps; 0 unless the video starts before 0 or late.
    """

    ticks: NDArray[np.int64]
    scale: int
    shift_s: float

    def __repr__(self) -> str:
        return f"FilmClock({len(self.ticks)} frames, 1/{self.scale} s)"

    @classmethod
    def of(cls, pts: NDArray[np.int64], time_s: NDArray[np.float64], time_base: Fraction) -> Self:
        """Carry time stamps over exactly, wherever an mp4 can say them.

        The scale is the denominator of the time base. A frame without a pts goes by its time_s. One
        that is not later than the frame before it is shown a tick after that, since frames are
        never left out; where time runs back by a second or more, recordings were joined, and the
        second one follows the first. A video that starts before 0 or later than 10 s starts at 0.
        A time base finer than mp4 knows is rounded to 1/90000 s, and a gap longer than it knows is
        cut.

        Args:
            pts: int64 (N,) in units of time_base; NO_PTS where none.
            time_s: float64 (N,) s.
            time_base: Seconds per unit of pts.
        """
        scale = time_base.denominator if time_base.denominator <= _FINEST_SCALE else _USUAL_SCALE
        stamps = [
            _ticks(int(stamp), float(seconds), time_base, scale)
            for stamp, seconds in zip(pts, time_s, strict=True)
        ]
        first = next((stamp for stamp in stamps if stamp is not None), 0)
        shift = 0 if 0 <= first <= _LATEST_START_S * scale else first
        shifted = [None if stamp is None else stamp - shift for stamp in stamps]
        ticks, last, cut = [], -1, 0
        for shown in going_forward(shifted, joined=scale, least=1):
            cut = max(cut, shown - last - _LONGEST_GAP)
            last = shown - cut
            ticks.append(last)
        return cls(np.array(ticks, np.int64), scale, shift / scale)

    @property
    def durations(self) -> NDArray[np.int64]:
        """int64 (N,) ticks that each frame is shown; the last as long as is usual."""
        steps = np.diff(self.ticks)
        usual = int(np.median(steps)) if len(steps) else max(self.scale // 25, 1)
        return np.append(steps, max(usual, 1)).astype(np.int64)[: len(self.ticks)]


def _ticks(pts: int, time_s: float, time_base: Fraction, scale: int) -> int | None:
    if pts != NO_PTS:
        return round(pts * time_base * scale)
    ticks = time_s * scale
    return round(ticks) if np.isfinite(ticks) else None


class FilmWriter:
    """Encodes pictures, which must be covered already, into an mp4 file; see `written_film`."""

    def __init__(self, path: Path, size_wh: Size, clock: FilmClock, quality: int) -> None:
        self._clock, self._durations, self._count = clock, clock.durations, 0
        self._waiting: dict[int, int] = {}
        # bitexact: nothing of the software and the hour.
        scale = str(clock.scale)
        self.container = av.open(
            str(path), "w", format="mp4",
            options={
                "movflags": "+faststart", "fflags": "+bitexact",
                "video_track_timescale": scale, "movie_timescale": scale,
            },
        )  # fmt: skip
        usual = float(np.median(self._durations)) if len(self._durations) else clock.scale / 25
        rate = Fraction(min(max(clock.scale / usual, 1.0), 240.0)).limit_denominator(1001)
        self._stream = self.container.add_stream("libx264", rate=rate)
        self._stream.width, self._stream.height = size_wh
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = Fraction(1, clock.scale)
        self._stream.options = {"preset": "veryfast", "crf": str(quality)}
        coder = self._stream.codec_context
        coder.time_base = Fraction(1, clock.scale)
        coder.thread_count = 1  # the same bytes on every machine
        coder.max_b_frames = 0  # else mp4 would need time stamps before 0
        coder.gop_size = _KEY_EVERY
        coder.flags |= Flags.bitexact

    def write(self, picture_rgb: NDArray[np.uint8]) -> None:
        """Encode the next frame, uint8 (H, W, 3) of the film's size.

        Raises:
            OutputError: It cannot be written.
        """
        frame = av.VideoFrame.from_ndarray(picture_rgb, format="rgb24")
        frame = frame.reformat(format="yuv420p", threads=1)
        frame.pts, frame.time_base = int(self._clock.ticks[self._count]), self._stream.time_base
        self._waiting[frame.pts] = int(self._durations[self._count])
        self._count += 1
        self._mux(frame)

    def finish(self) -> None:
        """Encode what still waits and close the file.

        Raises:
            OutputError: It cannot be written.
        """
        self._mux(None)
        self.container.close()

    def _mux(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            if packet.pts is not None:
                packet.duration = self._waiting.pop(packet.pts)
            self.container.mux(packet)


@contextmanager
def written_film(path: Path, size_wh: Size, clock: FilmClock, quality: int) -> Iterator[FilmWriter]:
    """A film to write to, which is finished when the block ends well.

    Args:
        path: The file.
        size_wh: Even numbers, px.
        clock: When each frame is shown.
        quality: The coder's constant rate factor; lower is finer.

    Raises:
        OutputError: The file cannot be written: no room, or no permission.
    """
    writer = None
    try:
        writer = FilmWriter(path, size_wh, clock, quality)
        yield writer
        writer.finish()
    except av.FFmpegError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        if writer is not None:
            with suppress(av.FFmpegError):  # after `finish` it does nothing
                writer.container.close()
