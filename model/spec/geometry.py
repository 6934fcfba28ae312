"""From picture to crop to heatmap and back: the one place where the convention is stated.

Pixel centres lie at integer coordinates. A box of w px spans w - 1 units from its first to its
last pixel centre, and a crop of W px spans W - 1; one scale, (w - 1) / (W - 1) taken from the
widths, serves both axes about the centres, so that circles stay circles:

    picture = centre + R(angle) (crop - crop_centre) (w - 1) / (W - 1)

The convention is that of the released AggPose code (unbiased data processing, Huang et al. 2020)
and is named `centre-aligned-isotropic` in every model manifest.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from model.spec.errors import GeometryError

PIXEL_CONVENTION: Final = "centre-aligned-isotropic"
BOX_PADDING = 1.25
"""A box grows by this factor before it is cut out (released code; best on real frames too)."""

Size = tuple[int, int]


def grid_scale(size_from_wh: Size, size_to_wh: Size) -> float:
    """Units of the second grid per unit of the first, from the widths (span W - 1)."""
    return (size_to_wh[0] - 1) / (size_from_wh[0] - 1)


def between_grids(
    points_xy: NDArray[np.floating], size_from_wh: Size, size_to_wh: Size
) -> NDArray[np.float64]:
    """Carry points (..., 2) from one grid to another about the centres, e.g. heatmap to crop.

    For 48x64 to 192x256 this is `(95.5, 127.5) + (p - (23.5, 31.5)) * 191 / 47`.
    """
    centre_from = (np.asarray(size_from_wh) - 1) / 2
    centre_to = (np.asarray(size_to_wh) - 1) / 2
    scale = grid_scale(size_from_wh, size_to_wh)
    return np.asarray(centre_to + (np.asarray(points_xy, np.float64) - centre_from) * scale)


@dataclass(frozen=True)
class CropFrame:
    """Where a crop lies in its picture.

    Attributes:
        center_xy: The crop's middle in picture px.
        width_px: Width of the padded box in picture px (it spans width_px - 1).
        angle_deg: How far the crop's axes are turned against the picture's, clockwise as
            displayed. With 90 the crop's "down" is the picture's "left".
        input_wh: Size of the crop in px.

    Raises:
        GeometryError: Nothing is left of the box, or a number is not finite.
    """

    center_xy: tuple[float, float]
    width_px: float
    angle_deg: float
    input_wh: Size

    def __post_init__(self) -> None:
        numbers = (*self.center_xy, self.width_px, self.angle_deg)
        if not all(math.isfinite(n) for n in numbers):
            raise GeometryError(f"expected finite centre, width and angle, got {numbers}")
        if self.width_px <= 1:
            raise GeometryError(f"expected a box wider than 1 px, got {self.width_px:g}")
        if min(self.input_wh) < 2:
            raise GeometryError(f"expected a crop of at least 2x2 px, got {self.input_wh}")

    @classmethod
    def from_box(
        cls,
        xyxy: NDArray[np.floating],
        input_wh: Size,
        *,
        angle_deg: float = 0.0,
        padding: float = BOX_PADDING,
    ) -> Self:
        """The frame that holds a box (4,) in the crop's aspect, padded.

        The box is that of the displayed picture; for a turned crop, give the box of the turned
        infant (its size along the crop's axes) or a generous one.
        """
        x1, y1, x2, y2 = (float(v) for v in xyxy)
        if not (x2 >= x1 and y2 >= y1):
            raise GeometryError(f"expected x1 <= x2 and y1 <= y2, got {(x1, y1, x2, y2)}")
        if not padding > 0:
            raise GeometryError(f"expected a padding above 0, got {padding:g}")
        aspect = input_wh[0] / input_wh[1]
        width = max(x2 - x1 + 1, (y2 - y1 + 1) * aspect) * padding
        return cls(((x1 + x2) / 2, (y1 + y2) / 2), width, angle_deg, input_wh)

    @property
    def scale(self) -> float:
        """Picture px per crop px."""
        return (self.width_px - 1) / (self.input_wh[0] - 1)

    def turned(self, angle_deg: float) -> Self:
        """The same frame with its axes turned to `angle_deg`."""
        return replace(self, angle_deg=angle_deg)

    @property
    def to_picture_matrix(self) -> NDArray[np.float64]:
        """float64 (2, 3): affine map from crop px to picture px."""
        angle = math.radians(self.angle_deg)
        cos, sin = self.scale * math.cos(angle), self.scale * math.sin(angle)
        turn = np.array([[cos, -sin], [sin, cos]])
        crop_center = (np.asarray(self.input_wh) - 1) / 2
        shift = np.asarray(self.center_xy) - turn @ crop_center
        return np.concatenate([turn, shift[:, None]], axis=1)

    @property
    def to_crop_matrix(self) -> NDArray[np.float64]:
        """float64 (2, 3): affine map from picture px to crop px."""
        forward = self.to_picture_matrix
        turn = np.linalg.inv(forward[:, :2])
        return np.concatenate([turn, -(turn @ forward[:, 2:])], axis=1)

    def to_picture(self, crop_xy: NDArray[np.floating]) -> NDArray[np.float64]:
        """Carry points (..., 2) from crop px to picture px."""
        return _apply(self.to_picture_matrix, crop_xy)

    def to_crop(self, picture_xy: NDArray[np.floating]) -> NDArray[np.float64]:
        """Carry points (..., 2) from picture px to crop px."""
        return _apply(self.to_crop_matrix, picture_xy)


def _apply(matrix: NDArray[np.float64], points_xy: NDArray[np.floating]) -> NDArray[np.float64]:
    points = np.asarray(points_xy, np.float64)
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])
