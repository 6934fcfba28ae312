"""A plan of what is covered in every frame of a video, and laying the cover over a picture."""

from dataclasses import dataclass
from enum import IntFlag

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import check_array
from model.spec.errors import ArrayError
from model.spec.geometry import Size
from model.spec.head_mask import (
    SMALLEST_CELL_PX,
    SOLID_GREY,
    Style,
    regions_mask,
)
from workers.pipeline.masking.mosaic import coarse

Polygon = NDArray[np.float32]
"""Corners (P, 2) in px of the displayed picture."""


class Reason(IntFlag):
    """What covers a frame; several may."""

    HEAD_BOX = 1
    """The infant's head as the detector saw it, here or in the frames looked at around."""
    KEYPOINTS = 2
    """The circle that the frame's own keypoints give."""
    NEIGHBOUR = 4
    """The circles of the frames before and after."""
    UPPER_BODY = 8
    """The upper body, because the frame's keypoints are not trusted."""
    WHOLE_FRAME = 16
    """Everything: no infant, no picture, or a head that cannot be placed."""
    OUTSIDE = 32
    """What lies outside of the infant's box."""
    OTHER_HEAD = 64
    """Another head or another infant that the detector saw."""


@dataclass(frozen=True, kw_only=True)
class MaskSettings:
    """How much is covered, and with what.

    Attributes:
        style: `mosaic`, or `solid` for flat grey.
        hold_s: Frames this near in time lend each other the circles around their heads.
        gap_s: A head that the detector saw stays covered this long when it is not seen again.
        head_margin: How much covers of heads grow, as a share of their radius.
        box_margin: How much the infant's box grows on each side, as a share of its longer side.
        cells_across_picture: Squares along the picture's longer side, at most: a face outside of
            the box may be of any size, and nobody says where.

    Raises:
        ArrayError: A value out of range.
    """

    style: Style = "mosaic"
    hold_s: float = 0.3
    gap_s: float = 2.0
    head_margin: float = 0.1
    box_margin: float = 0.08
    cells_across_picture: int = 20

    def __post_init__(self) -> None:
        if self.style not in ("mosaic", "solid"):
            raise ArrayError(f"style: expected mosaic or solid, got {self.style!r}")
        for name in ("hold_s", "gap_s", "head_margin", "box_margin"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ArrayError(f"{name}: expected 0 or more, got {getattr(self, name)}")
        if self.cells_across_picture < 1:
            raise ArrayError(f"expected 1 square or more, got {self.cells_across_picture}")


@dataclass(frozen=True, eq=False, repr=False)
class MaskPlan:
    """Where each of N frames is covered; in px of the displayed picture.

    Attributes:
        displayed_wh: Size of the displayed picture, px.
        style: Mosaic or solid.
        reasons: uint16 (N,), bits of `Reason`.
        cell_px: float32 (N,), side of the mosaic's squares.
        clear_corners: Of each frame the infant's grown box, outside of which all is covered; NaN
            where there is none, and the whole frame is covered.
        own: Of each frame the polygons that only it has.
        circles: Of each frame the polygon around its keypoints' head; None where there is none.
        neighbours: int64 (N, 2), the first and last frame whose circles cover this one too.
    """

    displayed_wh: Size
    style: Style
    reasons: NDArray[np.uint16]
    cell_px: NDArray[np.float32]
    clear_corners: tuple[Polygon, ...]
    own: tuple[tuple[Polygon, ...], ...]
    circles: tuple[Polygon | None, ...]
    neighbours: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.reasons)

    def __repr__(self) -> str:
        return f"MaskPlan({len(self)} frames)"

    def mask(self, i: int, size_wh: Size) -> NDArray[np.bool_]:
        """What of frame i is covered in a picture of this size, bool (H, W)."""
        if self.reasons[i] & Reason.WHOLE_FRAME:
            return np.ones((size_wh[1], size_wh[0]), np.bool_)
        first, last = self.neighbours[i]
        circles = [one for one in self.circles[first : last + 1] if one is not None]
        scale = np.divide(size_wh, self.displayed_wh)
        shift = (scale - 1) / 2  # pixel centres are at integers in both
        polygons = [np.asarray(one * scale + shift, np.float32) for one in (*self.own[i], *circles)]
        covered = regions_mask(polygons, size_wh)
        low, _, high, _ = self.clear_corners[i] * scale + shift
        left, top = np.maximum(np.ceil(low), 0).astype(int)
        right, bottom = np.maximum(np.floor(high) + 1, 0).astype(int)
        outside = np.ones_like(covered)
        outside[top:bottom, left:right] = False
        return covered | outside

    def apply(self, i: int, picture_rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cover frame i.

        Args:
            i: The frame.
            picture_rgb: uint8 (H, W, 3), the displayed picture at any size.

        Returns:
            uint8 (H, W, 3), a copy.

        Raises:
            ArrayError: Another shape or dtype.
        """
        sizes = check_array("picture_rgb", picture_rgb, ("H", "W", 3), np.uint8)
        return self.fill(i, picture_rgb, self.mask(i, (sizes["W"], sizes["H"])))

    def fill(
        self, i: int, picture_rgb: NDArray[np.uint8], covered: NDArray[np.bool_]
    ) -> NDArray[np.uint8]:
        """Lay frame i's cover over a mask's pixels: `apply` with `mask` at hand."""
        if self.style == "solid":
            under = np.full_like(picture_rgb, SOLID_GREY)
        else:
            scale = max(np.divide(picture_rgb.shape[1::-1], self.displayed_wh))
            cell_px = int(np.ceil(self.cell_px[i] * scale))
            under = coarse(picture_rgb, max(cell_px, SMALLEST_CELL_PX))
        filled = picture_rgb.copy()
        return np.asarray(cv2.copyTo(under, covered.view(np.uint8), filled), np.uint8)
