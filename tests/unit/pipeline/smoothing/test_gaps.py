"""Gaps: the short ones are filled at true times, nothing else changes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workers.pipeline.smoothing.gaps import fill_gaps

TIMES = np.arange(100) / 25
LINE = np.stack([10 * TIMES, 5 - TIMES], -1)[:, None].repeat(2, 1)


def test_a_gap_of_four_tenths_is_filled_and_one_of_six_is_not() -> None:
    points = LINE.copy()
    points[21:30, 0] = np.nan  # 0.4 s from frame 20 to frame 30
    points[51:65, 0] = np.nan  # 0.6 s
    filled_xy, filled = fill_gaps(points, TIMES, longest_s=0.5)
    expected = np.zeros((100, 2), np.bool_)
    expected[21:30, 0] = True
    np.testing.assert_array_equal(filled, expected)
    np.testing.assert_allclose(filled_xy[:50], LINE[:50], atol=1e-9)
    np.testing.assert_array_equal(np.isnan(filled_xy[..., 0]), np.isnan(points[..., 0]) & ~filled)


def test_a_gap_of_exactly_the_longest_is_filled_wherever_the_film_begins() -> None:
    for begins_s in (0.0, 0.1, 7777.7):
        points = LINE.copy()
        points[41:50] = np.nan
        _, filled = fill_gaps(points, begins_s + TIMES, longest_s=0.4)
        assert filled[41:50].all()


def test_values_are_those_of_the_true_times() -> None:
    """Halfway in frames is not halfway in time."""
    times = np.array([0, 0.1, 0.2, 0.25, 0.5, 0.6])
    line = np.stack([10 * times, -times], -1)[:, None]
    points = line.copy()
    points[3] = np.nan
    filled_xy, _ = fill_gaps(points, times, longest_s=0.5)
    np.testing.assert_allclose(filled_xy, line, atol=1e-9)


def test_ends_and_tracks_of_one_point_are_not_extended() -> None:
    points = LINE.copy()
    points[:8] = np.nan
    points[-3:] = np.nan
    points[:, 1] = np.nan
    points[50, 1] = 1.0
    filled_xy, filled = fill_gaps(points, TIMES, longest_s=0.5)
    assert not filled.any()
    np.testing.assert_array_equal(filled_xy, points)


def test_missing_frames_count_by_their_time() -> None:
    """Two rows beside a hole in the film: one missing row there may be a long gap."""
    times = TIMES + np.where(np.arange(100) > 50, 1.0, 0.0)
    points = LINE.copy()
    points[50] = np.nan
    _, filled = fill_gaps(points, times, longest_s=0.5)
    assert not filled.any()


@given(
    arrays(np.bool_, (40, 1)),
    arrays(np.float64, (40, 1, 2), elements=st.floats(-1e3, 1e3)),
    st.floats(0.05, 1),
)
@settings(max_examples=60)
def test_filled_points_lie_between_their_neighbours(
    missing: np.ndarray[tuple[int, int], np.dtype[np.bool_]],
    points: np.ndarray[tuple[int, int, int], np.dtype[np.float64]],
    longest_s: float,
) -> None:
    points[missing] = np.nan
    before = points.copy()
    filled_xy, filled = fill_gaps(points, TIMES[:40], longest_s=longest_s)
    np.testing.assert_array_equal(points, before)
    np.testing.assert_array_equal(filled_xy[~filled], points[~filled])
    known = np.flatnonzero(~missing[:, 0])
    for frame in np.flatnonzero(missing[:, 0]):
        left, right = known[known < frame], known[known > frame]
        short = len(left) > 0 < len(right) and TIMES[right[0]] - TIMES[left[-1]] <= longest_s + 1e-6
        assert filled[frame, 0] == short
        if short:
            beside = points[[left[-1], right[0]], 0]
            assert (filled_xy[frame, 0] >= beside.min(0) - 1e-6).all()
            assert (filled_xy[frame, 0] <= beside.max(0) + 1e-6).all()
