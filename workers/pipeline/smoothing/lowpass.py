"""A low-pass filter without phase shift for tracks with gaps and uneven time between frames."""

from collections import defaultdict
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.signal import butter, sosfiltfilt

from workers.pipeline.smoothing.clock import ROUNDING_S

ORDER: Final = 2
"""Of the filter that runs forwards and then backwards: 4 in effect."""
_TWO_PASSES: Final = (2**0.5 - 1) ** (1 / (2 * ORDER))
"""Both passes together weaken by 3 dB at this share of one pass' cut-off, both warped as the
bilinear transform does it."""
_PAD_PERIODS: Final = 3.0
"""What is added before and behind a stretch, point-mirrored, in periods of the cut-off."""
_EVEN: Final = 1e-3
"""A stretch is even if no frame is farther from the even grid than this share of a step."""


def low_pass(
    points_xy: NDArray[np.float64],
    time_s: NDArray[np.float64],
    *,
    cutoff_hz: float,
    step_s: float,
    longest_s: float,
) -> NDArray[np.float64]:
    """Filter each contiguous stretch of each track for itself.

    A stretch whose frames are not evenly spaced is interpolated onto a grid that is, filtered,
    and evaluated again at the true times. A stretch that is shorter than the filter's settling
    is padded by as much as it has; one of a single frame stays as it is.

    Args:
        points_xy: float64 (N, K, 2), NaN where missing.
        time_s: float64 (N,), strictly increasing.
        cutoff_hz: Where both passes together weaken by 3 dB; below half the grid's rate.
        step_s: The grid's.
        longest_s: Points farther apart than this are not of one stretch.

    Returns:
        float64 (N, K, 2), NaN where missing.
    """
    smooth_xy = points_xy.copy()
    pad = _PAD_PERIODS / cutoff_hz
    for (start, stop), which in _stretches(points_xy, time_s, longest_s).items():
        times, track = time_s[start:stop], points_xy[start:stop, which]
        if len(times) > 1:
            smooth_xy[start:stop, which] = _filtered(track, times, cutoff_hz, step_s, pad)
    return smooth_xy


def _stretches(
    points_xy: NDArray[np.float64], time_s: NDArray[np.float64], longest_s: float
) -> dict[tuple[int, int], list[int]]:
    """Contiguous stretches, start and stop frame, with the keypoints that share them."""
    known = np.asarray(np.isfinite(points_xy).all(-1))
    near = np.concatenate([[False], np.diff(time_s) <= longest_s + ROUNDING_S])
    stretches: dict[tuple[int, int], list[int]] = defaultdict(list)
    for k in range(known.shape[1]):
        joined = known[1:, k] & known[:-1, k] & near[1:]
        begins = known[:, k] & ~np.concatenate([[False], joined])
        ends = known[:, k] & ~np.concatenate([joined, [False]])
        for start, last in zip(np.flatnonzero(begins), np.flatnonzero(ends), strict=True):
            stretches[int(start), int(last) + 1].append(k)
    return stretches


def _filtered(
    track: NDArray[np.float64],
    times_s: NDArray[np.float64],
    cutoff_hz: float,
    step_s: float,
    pad_s: float,
) -> NDArray[np.float64]:
    """One stretch (n, ...) of two frames or more."""
    grid = times_s[0] + step_s * np.arange(len(times_s))
    even = bool((np.abs(times_s - grid) <= _EVEN * step_s).all())
    if not even:
        length = float(times_s[-1] - times_s[0])
        steps = max(1, int(np.ceil(length / step_s)))
        grid, step_s = np.linspace(times_s[0], times_s[-1], steps + 1), length / steps
        track = PchipInterpolator(times_s, track)(grid)
    one_pass = np.arctan(np.tan(np.pi * cutoff_hz * step_s) / _TWO_PASSES) * 2 / np.pi
    sos = butter(ORDER, one_pass, output="sos")  # as a share of half the rate
    pad = min(len(grid) - 1, int(np.ceil(pad_s / step_s)))
    smooth = sosfiltfilt(sos, track, axis=0, padtype="odd", padlen=pad)
    return np.asarray(smooth if even else CubicSpline(grid, smooth)(times_s))
