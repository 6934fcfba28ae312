"""Crops turned so that the trunk points down.

The network's input is upright and higher than wide; infants lie in every direction. The box of a
lying infant is wide, so that in an upright crop the infant is small. Turned, it fills the crop.
"""

import math
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from model.spec.geometry import CropFrame, Size
from model.spec.skeleton import Skeleton

Turn = Literal["none", "label", "two-pass", "four-way"]
"""`none`: as the picture lies. `label`: by the labelled trunk. `two-pass`: by the trunk found in a
crop as it lies. `four-way`: by the trunk found in the best scored of four crops, each a quarter
turned, for infants that are found badly unless they are upright."""

CROWN: Final = 0.85
"""Where the crown is: trunk lengths above the trunk's upper end, along the trunk, less MARGIN."""
MARGIN: Final = 0.1
"""How far the body reaches beyond its keypoints and crown, in trunk lengths (with CROWN the
medians of synthetic infants that lie upright)."""


def trunk_angle(points_xy: NDArray[np.floating], skeleton: Skeleton) -> float | None:
    """The angle in degrees of a crop in which the trunk points down.

    Args:
        points_xy: (K, 2) px, NaN where missing.
        skeleton: Gives the trunk's two ends.

    Returns:
        The angle, clockwise as displayed; None where an end is missing or both are one.
    """
    upper, lower = _trunk_ends(points_xy, skeleton)
    x, y = lower - upper
    if not math.hypot(x, y) >= 1:
        return None
    return math.degrees(math.atan2(-x, y))


def turned_frame(
    box_xyxy: NDArray[np.floating],
    points_xy: NDArray[np.floating],
    skeleton: Skeleton,
    input_wh: Size,
    *,
    angle_deg: float | None = None,
) -> CropFrame:
    """The frame of an infant with its trunk down, from what is known of it.

    The keypoints and the crown are boxed along the crop's axes, with a margin for the body around
    them, within what the displayed box allows.

    Args:
        box_xyxy: (4,) the infant's box as the picture lies.
        points_xy: (K, 2) labelled or found px, NaN where missing.
        skeleton: Gives the trunk.
        input_wh: Size of the crop in px.
        angle_deg: Of another crop than the one with the trunk down.

    Returns:
        The frame; where the trunk is not known, that of all of the box.
    """
    trunk_deg = trunk_angle(points_xy, skeleton)
    if angle_deg is None:
        angle_deg = trunk_deg or 0.0
    angle = math.radians(angle_deg)
    axes = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    x1, y1, x2, y2 = np.asarray(box_xyxy, np.float64)
    corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]) @ axes
    low, high = corners.min(0), corners.max(0)
    if trunk_deg is not None:
        upper, lower = _trunk_ends(points_xy, skeleton)
        margin = MARGIN * float(np.linalg.norm(lower - upper))
        known = points_xy[np.isfinite(points_xy).all(-1)].astype(np.float64)
        body = np.concatenate([known, [upper + CROWN * (upper - lower)]]) @ axes
        least = np.maximum(body.min(0) - margin, low)
        most = np.minimum(body.max(0) + margin, high)
        if (most - least >= 1).all():  # else the keypoints lie beside the box
            low, high = least, most
    center, half = axes @ ((low + high) / 2), (high - low) / 2
    box = np.concatenate([center - half, center + half])
    return CropFrame.from_box(box, input_wh, angle_deg=angle_deg)


def _trunk_ends(
    points_xy: NDArray[np.floating], skeleton: Skeleton
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    upper, lower = (points_xy[list(group)].astype(np.float64).mean(0) for group in skeleton.trunk)
    return upper, lower
