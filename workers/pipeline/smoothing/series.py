"""The derived series: raw keypoints made fit for measuring movement; the raw ones stay as they are.

In this order:
1. Swaps (`swaps`): where left and right look exchanged, points are flagged SWAPPED. For the steps
   below they are changed over, so that a leap to the other side is neither taken for an outlier
   nor smeared by the filter, and afterwards changed back: every value stands under the name that
   the model gave it.
2. Outliers (`outliers`): Hampel's identifier in a window of seconds; flagged OUTLIER, then missing.
3. Low scores: below `min_score`, where one is set, points are missing.
4. Gaps (`gaps`): short ones are interpolated at their true times and flagged FILLED; longer ones
   stay NaN, and so do the ends.
5. Filter (`lowpass`): zero-phase Butterworth on each contiguous stretch alone.

Time is the frames' own. Where it does not go on (repeated or running back time stamps), the series
is cut as by a long gap (`clock`).
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import check_array
from model.spec.sequence import FILLED, OUTLIER, SWAPPED, FilteredRows, Parameter, Rows
from model.spec.skeleton import Skeleton
from workers.pipeline.errors import CutoffError, SmoothingError
from workers.pipeline.smoothing.body_frame import usual_trunk_px
from workers.pipeline.smoothing.clock import ROUNDING_S, Clock
from workers.pipeline.smoothing.gaps import fill_gaps
from workers.pipeline.smoothing.lowpass import ORDER, low_pass
from workers.pipeline.smoothing.outliers import find_outliers
from workers.pipeline.smoothing.swaps import SwapSettings, exchanged, find_swaps
from workers.pipeline.video import VideoFacts

_USUAL_CUTOFF_HZ: Final = 6.0
_SAFE_SHARE: Final = 0.4
"""Of the frame rate: the highest cut-off. At half of it there is nothing left to be cut off."""
_CLAIMS_ARE_WITHIN: Final = 1.05
"""Containers' mean rates: a short film's may be off by a frame."""


@dataclass(frozen=True, kw_only=True)
class SmoothingSettings:
    """What the derived series is made with; lengths are in trunk lengths (the film's median).

    The usual cut-off, 6 Hz, is what human movement is mostly filtered with: in walking, harmonics
    above it are noise (Winter, Biomechanics and Motor Control of Human Movement). Infants' leg
    movements last 0.23 to 0.33 s on average from one turning point to the next (Trujillo-Priego and
    Smith, J Rehabil Assist Technol Eng 2017, 1 to 12 months), a fundamental of 1.5 to 2.2 Hz, of
    which 6 Hz leaves two harmonics and more; general movements are slower. Fine tremor of the
    newborn (over 6 Hz) is weakened: measure it in the raw series.

    Attributes:
        cutoff_hz: Where the filter, forwards and backwards together, weakens by 3 dB. None: 6 Hz,
            or the highest that the film's frame rate allows.
        max_gap_s: The longest gap that is filled: time between the known points beside it.
        outlier_window_s: Hampel's window, whole.
        outlier_sigmas: How far from the window's median is too far.
        outlier_least: Nothing nearer to the median than this is an outlier.
        min_score: Points with a lower score are missing; None takes them all.
        swap_gain: So much shorter must the ways of a pair be, if exchanged, to speak of a swap.
        swap_share: And no longer than this share of the ways as they are.
        swap_cost_per_s: How much gain a second of an exchanged pair needs to be believed.

    Raises:
        SmoothingError: A number that cannot be.
    """

    cutoff_hz: float | None = None
    max_gap_s: float = 0.5
    outlier_window_s: float = 0.4
    outlier_sigmas: float = 4.0
    outlier_least: float = 0.1
    min_score: float | None = None
    swap_gain: float = 0.25
    swap_share: float = 0.5
    swap_cost_per_s: float = 0.1

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is None and name in {"cutoff_hz", "min_score"}:
                continue
            if not (math.isfinite(value) and value > 0):
                raise SmoothingError(f"{name}: expected a finite number above 0, got {value!r}")

    def for_rate(self, frames_per_s: float | None) -> Self:
        """The same with the cut-off that a film of this (upper) rate is filtered with.

        Where the rate is None, or frames lie farther apart than gaps are filled, nothing is
        filtered, and there is no cut-off.

        Raises:
            CutoffError: The one that was asked for does not fit; the message names the highest.
        """
        if frames_per_s is None or 1 / frames_per_s > self.max_gap_s + ROUNDING_S:
            return replace(self, cutoff_hz=None)
        highest_hz = highest_cutoff_hz(frames_per_s)
        if self.cutoff_hz is None:
            return replace(self, cutoff_hz=min(_USUAL_CUTOFF_HZ, highest_hz))
        if self.cutoff_hz > highest_hz:
            raise CutoffError(
                f"expected a cut-off of at most {highest_hz:g} Hz at the film's "
                f"{frames_per_s:.4g} frames/s, got {self.cutoff_hz:g} Hz"
            )
        return self

    def check_claims(self, facts: VideoFacts, *, begins_with: float) -> None:
        """Refuse before anything is extracted what cannot fit by what the video says of itself.

        Where its rate varies or is not said, the frames' times tell, when all of them are known.

        Args:
            facts: What it says.
            begins_with: Frames/s at its beginning. They may be more than the mean that it claims:
                a camera that waits for movement leaves out minutes.

        Raises:
            CutoffError: As by `for_rate`.
        """
        if self.cutoff_hz is None or not facts.frame_rate_header or facts.variable_frame_rate:
            return
        claimed = max(facts.frame_rate_header, begins_with)
        if self.cutoff_hz > highest_cutoff_hz(claimed * _CLAIMS_ARE_WITHIN):
            self.for_rate(claimed)

    def as_parameters(self) -> dict[str, Parameter]:
        """What keypoints.json says of the series: flat, by name."""
        named = {f"smoothing_{name}": value for name, value in asdict(self).items()}
        return {
            "smoothing_filter": "butterworth, zero phase",
            "smoothing_filter_order": 2 * ORDER,
            "smoothing_swaps": "flagged, not changed",
            **named,
        }


def highest_cutoff_hz(frames_per_s: float) -> float:
    """The highest cut-off at a frame rate, to three digits, so that it can be named and given."""
    return float(f"{_SAFE_SHARE * frames_per_s:.3g}")


def upper_rate(rows: Rows) -> float | None:
    """Frames/s where the film's frames lie dense, which bounds the cut-off (by half of it).

    None where no two frames are less than a second apart.
    """
    step_s = Clock.of(rows.time_s, pause_s=1.0).step_s
    return None if step_s is None else 1 / step_s


def smooth(rows: Rows, skeleton: Skeleton, settings: SmoothingSettings) -> FilteredRows:
    """Make the derived series of a film.

    Boxes, scores and statuses stay those of the raw rows: a filled keypoint may have no score and
    stand in a row without a detection; its flag says so.

    Args:
        rows: The film's N raw rows, which are not changed.
        skeleton: The rows' K keypoints.
        settings: The parameters.

    Returns:
        N rows with filtered keypoints, and flags.

    Raises:
        ArrayError: The rows have another number of keypoints than the skeleton.
        CutoffError: The cut-off does not fit the film's (upper) frame rate.
    """
    shape = (len(rows), skeleton.num_keypoints, 2)
    check_array("keypoints_xy", rows.keypoints_xy, shape, np.float32)
    pause_s = 2 * max(settings.max_gap_s, settings.outlier_window_s)
    clock = Clock.of(rows.time_s, pause_s=pause_s)
    step_s = clock.step_s
    cutoff_hz = settings.for_rate(None if step_s is None else 1 / step_s).cutoff_hz
    points_xy = rows.keypoints_xy.astype(np.float64)
    points_xy[~np.isfinite(points_xy).all(-1)] = np.nan

    swapped, outlying = _judged(points_xy, clock.time_s, skeleton, settings)
    tracks_xy = exchanged(points_xy, swapped, skeleton.flip_pairs)
    tracks_xy[outlying] = np.nan
    if settings.min_score is not None:
        scores = exchanged(rows.scores, swapped, skeleton.flip_pairs)
        tracks_xy[scores < settings.min_score] = np.nan
    tracks_xy, filled = fill_gaps(tracks_xy, clock.time_s, longest_s=settings.max_gap_s)
    if step_s is not None and cutoff_hz is not None:
        tracks_xy = low_pass(
            tracks_xy, clock.time_s,
            cutoff_hz=cutoff_hz, step_s=step_s, longest_s=settings.max_gap_s,
        )  # fmt: skip

    smooth_xy = exchanged(tracks_xy, swapped, skeleton.flip_pairs)
    flags = (FILLED * filled + OUTLIER * outlying).astype(np.uint8)
    flags = exchanged(flags, swapped, skeleton.flip_pairs)
    seen = np.asarray((np.isfinite(points_xy) | np.isfinite(smooth_xy)).all(-1))
    for at, pair in zip(swapped.T, skeleton.flip_pairs, strict=True):
        flags[:, pair] |= np.where(at[:, None] & seen[:, pair], SWAPPED, 0).astype(np.uint8)
    return FilteredRows(replace(rows, keypoints_xy=smooth_xy.astype(np.float32)), flags)


def _judged(
    points_xy: NDArray[np.float64],
    time_s: NDArray[np.float64],
    skeleton: Skeleton,
    settings: SmoothingSettings,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pairs (N, P) are swapped and, changed over, which points (N, K) are outliers.

    Both are judged in trunk lengths: where no trunk is seen in the whole film, none is found.
    """
    trunk_px = usual_trunk_px(points_xy, skeleton)
    if trunk_px is None:
        pairs = np.zeros((len(points_xy), len(skeleton.flip_pairs)), np.bool_)
        return pairs, np.zeros(points_xy.shape[:2], np.bool_)
    points = points_xy / trunk_px
    swaps = SwapSettings(
        least_gain=settings.swap_gain, most_share=settings.swap_share,
        cost_per_s=settings.swap_cost_per_s, history_s=settings.max_gap_s,
    )  # fmt: skip
    swapped = find_swaps(points, time_s, skeleton.flip_pairs, swaps)
    outlying = find_outliers(
        exchanged(points, swapped, skeleton.flip_pairs), time_s,
        window_s=settings.outlier_window_s, sigmas=settings.outlier_sigmas,
        least=settings.outlier_least,
    )  # fmt: skip
    return swapped, outlying
