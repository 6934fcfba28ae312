"""Frames in which the infant is found again where it was not lost: it may be another one.

Whoever is out of sight for long enough is taken up wherever an infant is seen next, since a camera
may have been moved (`following.memory`). Nothing in a picture says that it is still the same one.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.spec.sequence import Rows

SAME_PLACE: Final = 0.25
"""From this IoU on, the boxes before and after a gap are of one place."""
HOLE_S: Final = 1.0
"""Frames so far apart in time have a gap between them, though none is missing: a pause."""


def taken_up_elsewhere(rows: Rows) -> NDArray[np.int64]:
    """The first frames, int64 (E,), behind gaps in which the infant changed its place."""
    seen = np.flatnonzero(np.isfinite(rows.box_xyxy).all(axis=1))
    steps_s = np.diff(rows.time_s[seen])
    pause = (steps_s >= HOLE_S) | (steps_s < 0)  # time runs back where recordings were joined
    behind_gap = np.flatnonzero((np.diff(seen) > 1) | pause)
    before, after = seen[behind_gap], seen[behind_gap + 1]
    overlap = _iou(rows.box_xyxy[before], rows.box_xyxy[after])
    return np.asarray(rows.frame_index[after[overlap < SAME_PLACE]])


def _iou(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of pairs of boxes (E, 4): float64 (E,)."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    inner = (high - low + 1).clip(0).prod(axis=1)
    ours, theirs = ((box[:, 2:] - box[:, :2] + 1).prod(axis=1) for box in (a, b))
    return np.asarray(inner / (ours + theirs - inner))
