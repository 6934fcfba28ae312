"""What the pipeline's rooms hand to each other about a video: facts, frames and windows."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.runtime.letterbox import Letterbox
from model.spec.geometry import CropFrame, Size


@dataclass(frozen=True)
class VideoFacts:
    """What a video says of itself, before it is decoded; names that end in `_header` are claims.

    Attributes:
        container: The demuxer that was used, e.g. `mov`, `matroska`, `mpegts`, `mpeg`.
        codec: e.g. `h264`.
        pixel_format: As coded, e.g. `yuv420p10le`.
        bit_depth: Bits a sample, as coded.
        coded_wh: Size of the coded picture in px.
        displayed_wh: Size in square px, after rotation: keypoints and boxes refer to this. The
            coded width is stretched by the pixels' aspect ratio first, and rounded.
        pixel_aspect_ratio: A coded pixel's width over its height; 1 where nothing is said of it.
        rotation_deg: Counter-clockwise turn that displays the picture upright: 0, 90, 180, 270.
        time_base: Seconds per unit of pts.
        frame_rate_header: Mean frames/s that the container claims; None where it claims none.
        duration_s_header: Seconds that the container claims; None where it claims none.
        num_frames_header: Frames that the container claims; None where it claims none.
        variable_frame_rate: Whether the time between packets varies, seen in the first few
            hundred packets.
        interlaced: Whether the codec says that pictures are made of fields.
        size_bytes: Of the file.
        cut_short: Whether the file ends before the video does: its container says that there is
            more, or what follows could not be read. None until the video was read to its end.
    """

    container: str
    codec: str
    pixel_format: str
    bit_depth: int
    coded_wh: Size
    displayed_wh: Size
    pixel_aspect_ratio: Fraction
    rotation_deg: int
    time_base: Fraction
    frame_rate_header: float | None
    duration_s_header: float | None
    num_frames_header: int | None
    variable_frame_rate: bool
    interlaced: bool
    size_bytes: int
    cut_short: bool | None = None

    @property
    def num_frames_claimed(self) -> int | None:
        """How many frames the container claims, if only by its length; None where it does not."""
        if self.num_frames_header:
            return self.num_frames_header
        if self.duration_s_header and self.frame_rate_header:
            return round(self.duration_s_header * self.frame_rate_header)
        return None


class Picture(Protocol):
    """A decoded frame's picture, upright and in square px as displayed, in the decoder's YUV."""

    @property
    def displayed_wh(self) -> Size:
        """Size in square px, after rotation."""

    def crop(self, frame: CropFrame) -> NDArray[np.uint8]:
        """Cut one crop: RGB uint8 (H, W, 3) of the frame's input size, black beyond the picture.

        Agrees with `model.spec.warp.warp_crop` of the converted picture but for rounding.
        """

    def letterboxed(self, box: Letterbox) -> NDArray[np.uint8]:
        """The whole picture as a detector takes it: RGB uint8 of the letterbox' input size."""

    def rgb(self, size_wh: Size | None = None) -> NDArray[np.uint8]:
        """The whole picture, RGB uint8 (H, W, 3); smaller (by area) where a size is given."""


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One decoded frame.

    Attributes:
        index: Counted from 0 over all frames, damaged ones with them.
        pts: In the stream's time base; NO_PTS where there is none.
        time_s: pts times the time base; where there is no pts, from the neighbours and the rate.
        picture: None where the frame is damaged: its row is a `decode_error`.
    """

    index: int
    pts: int
    time_s: float
    picture: Picture | None


class FrameWindow(Protocol):
    """Consecutive frames; their pictures live until the window is released."""

    @property
    def frames(self) -> tuple[VideoFrame, ...]:
        """In display order."""

    def release(self) -> None:
        """Give the memory back to the decoder; pictures must not be used any more."""


class FrameSource(Protocol):
    """A video that is being decoded."""

    @property
    def facts(self) -> VideoFacts:
        """What the video says of itself."""

    def __iter__(self) -> Iterator[FrameWindow]:
        """Windows of B frames in display order, the last one shorter."""
