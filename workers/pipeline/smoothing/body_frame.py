"""The infant's own axes: where limbs are, seen from the trunk, whatever way the infant lies."""

import numpy as np
from numpy.typing import NDArray

from model.spec.skeleton import Skeleton


def trunk_ends_xy(
    points_xy: NDArray[np.floating], skeleton: Skeleton
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The trunk's upper and lower end, float64 (N, 2) px each; NaN where missing."""
    upper, lower = (
        points_xy[:, list(group)].astype(np.float64).mean(1) for group in skeleton.trunk
    )
    return upper, lower


def trunk_length_px(points_xy: NDArray[np.floating], skeleton: Skeleton) -> NDArray[np.float64]:
    """The trunk's length of each frame, float64 (N,) px; NaN where an end is missing."""
    upper, lower = trunk_ends_xy(points_xy, skeleton)
    return np.asarray(np.hypot(*(lower - upper).T))


def usual_trunk_px(points_xy: NDArray[np.floating], skeleton: Skeleton) -> float | None:
    """The median of all frames' trunk lengths in px; None where none is known or it is 0."""
    lengths = trunk_length_px(points_xy, skeleton)
    lengths = lengths[np.isfinite(lengths)]
    usual = float(np.median(lengths)) if len(lengths) else 0.0
    return usual or None


def in_body_frame(points_xy: NDArray[np.floating], skeleton: Skeleton) -> NDArray[np.float64]:
    """Carry keypoints (N, K, 2) px into the body's frame, in trunk lengths.

    The origin is the trunk's lower end (infant21: between the hips). The first axis points across
    the trunk, to the left side of an infant on its back; the second along it, to the head. The
    unit is the median trunk length of all frames, so that a trunk that is foreshortened for a
    while does not blow the limbs up.

    Returns:
        float64 (N, K, 2), NaN where the keypoint or the trunk is missing.
    """
    upper, lower = trunk_ends_xy(points_xy, skeleton)
    usual_px = usual_trunk_px(points_xy, skeleton)
    if usual_px is None:
        return np.full(points_xy.shape, np.nan)
    up = upper - lower
    length = np.hypot(*up.T)[:, None]
    up = np.divide(up, length, out=np.full(up.shape, np.nan), where=length > 0)
    across = np.stack([-up[:, 1], up[:, 0]], axis=-1)
    offset = points_xy - lower[:, None]
    axes = np.stack([across, up], axis=1)  # (N, 2, 2)
    return np.asarray(np.einsum("nkd,nad->nka", offset, axes) / usual_px)
