"""A film that lies in memory, for rooms of the pipeline that need frames and no decoder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from model.runtime.letterbox import Letterbox
from model.spec.geometry import CropFrame, Size
from model.spec.warp import warp_crop
from workers.pipeline.video import FrameWindow, VideoFacts, VideoFrame


@dataclass(frozen=True, eq=False)
class ArrayPicture:
    """A picture that is an array: uint8 (H, W, 3) RGB."""

    array: NDArray[np.uint8]

    @property
    def displayed_wh(self) -> Size:
        return self.array.shape[1], self.array.shape[0]

    def crop(self, frame: CropFrame) -> NDArray[np.uint8]:
        return warp_crop(self.array, frame)

    def letterboxed(self, box: Letterbox) -> NDArray[np.uint8]:
        return box.apply(self.array)

    def rgb(self, size_wh: Size | None = None) -> NDArray[np.uint8]:
        if size_wh is None:
            return self.array
        return np.asarray(cv2.resize(self.array, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


@dataclass(frozen=True, eq=False)
class ArrayWindow:
    """A window of such frames; nothing to give back."""

    frames: tuple[VideoFrame, ...]

    def release(self) -> None:
        """Nothing."""


@dataclass(eq=False)
class ArraySource:
    """Pictures as a film of `fps` frames/s; None stands for a damaged frame.

    Like a decoder it counts in a time base of 1/90000 s.
    """

    pictures: Sequence[NDArray[np.uint8] | None]
    window: int = 16
    fps: float = 25.0

    def __post_init__(self) -> None:
        first = next(one for one in self.pictures if one is not None)
        size = (first.shape[1], first.shape[0])
        self.facts = VideoFacts(
            container="mov", codec="h264", pixel_format="yuv420p", bit_depth=8, coded_wh=size,
            displayed_wh=size, pixel_aspect_ratio=Fraction(1), rotation_deg=0,
            time_base=Fraction(1, 90000),
            frame_rate_header=self.fps, duration_s_header=len(self.pictures) / self.fps,
            num_frames_header=len(self.pictures), variable_frame_rate=False, interlaced=False,
            size_bytes=1,
        )  # fmt: skip

    def __iter__(self) -> Iterator[FrameWindow]:
        frames = []
        for i, array in enumerate(self.pictures):
            pts = round(i * 90000 / self.fps)
            picture = None if array is None else ArrayPicture(array)
            frames.append(VideoFrame(i, pts, pts / 90000, picture))
        for start in range(0, len(frames), self.window):
            yield ArrayWindow(tuple(frames[start : start + self.window]))
