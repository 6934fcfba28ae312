"""Single points that lie far from where their neighbours in time lie: Hampel's identifier."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.pipeline.smoothing.clock import ROUNDING_S

_LEAST_KNOWN: Final = 5
"""With fewer known points in its window a point is not judged."""
_MOST_SIDE: Final = 64
"""The farthest that a window reaches to each side, in frames (0.5 s at 128 frames/s)."""
_CHUNK: Final = 2**21
"""Numbers that are sorted at a time: the memory that it takes."""
_SIGMA_PER_MEDIAN: Final = 1 / 1.17741
"""Of distances from the centre of a round normal distribution: its sigma by their median."""


def find_outliers(
    points_xy: NDArray[np.float64],
    time_s: NDArray[np.float64],
    *,
    window_s: float,
    sigmas: float,
    least: float,
) -> NDArray[np.bool_]:
    """Points far from the median of the points around them in time.

    Hampel, "The influence curve and its role in robust estimation" (1974), in two dimensions: the
    distance of a point from the window's median (in x and in y) is held against the median of all
    such distances in the window. The first and the last point of a track are not judged: whether
    they leap or move, only the next would tell.

    Args:
        points_xy: float64 (N, K, 2), NaN where missing.
        time_s: float64 (N,), strictly increasing.
        window_s: The window's whole length; it holds what lies in it by time, not by count.
        sigmas: So many standard deviations, estimated from the medians, is too far.
        least: Never nearer than this, in the points' units: a limb at rest has no spread.

    Returns:
        bool (N, K).
    """
    num_frames, num_points = points_xy.shape[:2]
    half_s = window_s / 2 + ROUNDING_S
    first = np.searchsorted(time_s, time_s - half_s, "left")
    last = np.searchsorted(time_s, time_s + half_s, "right") - 1
    frames = np.arange(num_frames)
    side = min(_MOST_SIDE, int(np.maximum(frames - first, last - frames).max(initial=0)))
    found = np.zeros((num_frames, num_points), np.bool_)
    by_point = np.ascontiguousarray(points_xy.transpose(1, 2, 0))
    chunk = max(1, _CHUNK // (num_points * 2 * (2 * side + 1)))
    for start in range(0, num_frames, chunk):
        here = frames[start : start + chunk]
        at = here[:, None] + np.arange(-side, side + 1)
        beyond = (at < first[here, None]) | (at > last[here, None])
        windows = by_point[:, :, at.clip(0, num_frames - 1)]
        windows[:, :, beyond] = np.nan
        found[here] = _far(windows, sigmas, least).T
    return found


def _far(windows: NDArray[np.float64], sigmas: float, least: float) -> NDArray[np.bool_]:
    """Whether the middle of each window is an outlier: (K, 2, B, W) to (K, B)."""
    centre = _median(windows)
    point = windows[..., windows.shape[-1] // 2]
    far = np.hypot(*(point - centre).swapaxes(0, 1))
    suspects: NDArray[np.bool_] = far > least  # the few that are worth the second median
    around = windows.swapaxes(1, 2)[suspects] - centre.swapaxes(1, 2)[suspects][..., None]
    distances = np.hypot(around[:, 0], around[:, 1])
    known, middle = np.isfinite(distances), distances.shape[-1] // 2
    enough = (known.sum(-1) >= _LEAST_KNOWN) & known[:, :middle].any(-1)
    enough &= known[:, middle + 1 :].any(-1)
    sigma = _median(distances) * _SIGMA_PER_MEDIAN
    suspects[suspects] = enough & (far[suspects] > sigmas * sigma)
    return suspects


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median along the last axis over what is known; NaN where nothing is."""
    ordered = np.sort(values, axis=-1)  # NaN goes last
    count = np.isfinite(ordered).sum(-1)
    middle = np.stack([(count - 1).clip(0) // 2, count // 2], axis=-1)
    middle = middle.clip(0, values.shape[-1] - 1)
    pair: NDArray[np.float64] = np.take_along_axis(ordered, middle, axis=-1)
    return np.asarray(pair.mean(-1))
