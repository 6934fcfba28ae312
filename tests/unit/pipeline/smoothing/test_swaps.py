"""Swaps: planted ones are found, in the true tracks there are none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.spec.skeleton import load_skeleton
from tests.tracks import FILMS, sample_rows
from workers.pipeline.smoothing.body_frame import usual_trunk_px
from workers.pipeline.smoothing.swaps import SwapSettings, exchanged, find_swaps

INFANT = load_skeleton("infant21")
PAIRS = INFANT.flip_pairs
SETTINGS = SwapSettings(least_gain=0.25, most_share=0.5, cost_per_s=0.1, history_s=0.5)
NAMES = [INFANT.keypoints[one].removeprefix("right_") for one, _ in PAIRS]
WIDE = ["shoulder", "elbow", "wrist", "middle_finger", "hip", "knee", "ankle", "toe"]
"""The pairs that lie far apart; eyes lie near each other."""


def _film(film: str, noise: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = sample_rows(film)
    trunk_px = usual_trunk_px(rows.keypoints_xy, INFANT)
    assert trunk_px is not None
    points = rows.keypoints_xy / trunk_px
    return points + np.random.default_rng(0).normal(0, noise, points.shape), rows.time_s


def _find(points: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.bool_]:
    return find_swaps(points, times, PAIRS, SETTINGS)


def _planted(num_frames: int, which: list[str], *stretches: slice) -> NDArray[np.bool_]:
    swapped = np.zeros((num_frames, len(PAIRS)), np.bool_)
    for stretch in stretches:
        swapped[stretch, [NAMES.index(name) for name in which]] = True
    return swapped


@pytest.mark.parametrize("film", FILMS)
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_true_tracks_have_none(film: str, noise: float) -> None:
    assert not _find(*_film(film, noise)).any()


@pytest.mark.parametrize("film", FILMS)
@pytest.mark.parametrize("every", [2, 3, 5])
def test_true_tracks_of_slow_films_have_none(film: str, every: int) -> None:
    points, times = _film(film, 0.01)
    assert not _find(points[::every], times[::every]).any()


@pytest.mark.parametrize("film", FILMS)
@pytest.mark.parametrize("pair", ["wrist", "ankle", "knee", "hip", "shoulder"])
def test_a_pair_that_is_swapped_for_a_while_is_found(film: str, pair: str) -> None:
    points, times = _film(film, 0.01)
    planted = _planted(len(points), [pair], slice(40, 41), slice(80, 160))
    found = _find(exchanged(points, planted, PAIRS), times)
    np.testing.assert_array_equal(found, planted)


@pytest.mark.parametrize("film", FILMS)
def test_both_legs_are_found(film: str) -> None:
    points, times = _film(film, 0.01)
    planted = _planted(len(points), ["knee", "ankle", "toe", "hip"], slice(100, 130))
    np.testing.assert_array_equal(_find(exchanged(points, planted, PAIRS), times), planted)


@pytest.mark.parametrize("film", FILMS)
def test_a_body_that_is_turned_over_is_found_with_its_near_pairs(film: str) -> None:
    points, times = _film(film, 0.01)
    planted = _planted(len(points), NAMES, slice(100, 150))
    np.testing.assert_array_equal(_find(exchanged(points, planted, PAIRS), times), planted)


def test_a_pair_within_a_turned_body_is_right() -> None:
    points, times = _film("landscape", 0.01)
    planted = _planted(len(points), NAMES, slice(100, 150))
    planted[120:130, NAMES.index("ankle")] = False
    np.testing.assert_array_equal(_find(exchanged(points, planted, PAIRS), times), planted)


@pytest.mark.parametrize("stretch", [slice(0, 30), slice(200, None)])
def test_swaps_at_either_end_of_the_film(stretch: slice) -> None:
    points, times = _film("landscape", 0.01)
    planted = _planted(len(points), ["ankle"], stretch)
    np.testing.assert_array_equal(_find(exchanged(points, planted, PAIRS), times), planted)


def test_the_shorter_side_of_a_leap_is_blamed() -> None:
    points, times = _film("landscape")
    planted = _planted(len(points), ["ankle"], slice(100, None))
    found = _find(exchanged(points, planted, PAIRS), times)
    np.testing.assert_array_equal(found, _planted(len(points), ["ankle"], slice(0, 100)))


def test_a_gap_within_a_swap_is_part_of_it_and_a_long_one_may_end_it() -> None:
    points, times = _film("landscape", 0.01)
    planted = _planted(len(points), ["ankle"], slice(60, 90))
    swapped = exchanged(points, planted, PAIRS)
    short, long = swapped.copy(), swapped.copy()
    short[70:75, :] = np.nan
    np.testing.assert_array_equal(_find(short, times), planted)
    long[80:100] = np.nan  # it is seen to begin, and not to end
    found = _find(long, times)
    assert found[60:80, NAMES.index("ankle")].all()
    assert not found[100:].any()


def test_one_side_that_leaps_to_the_other_is_no_swap() -> None:
    """Both wrists on one hand is another fault."""
    points, times = _film("landscape")
    points[100:120, 3] = points[100:120, 12]
    assert not _find(points, times).any()


@given(
    st.integers(5, 200), st.integers(1, 60), st.lists(st.sampled_from(WIDE), min_size=1, max_size=3)
)  # fmt: skip
@settings(max_examples=25)
def test_exchanging_is_its_own_inverse_and_only_touches_its_pairs(
    start: int, length: int, which: list[str]
) -> None:
    points, _ = _film("landscape")
    planted = _planted(len(points), which, slice(start, start + length))
    changed = exchanged(points, planted, PAIRS)
    np.testing.assert_array_equal(exchanged(changed, planted, PAIRS), points)
    same = ~planted.any(1)
    np.testing.assert_array_equal(changed[same], points[same])
    midline = [INFANT.index(name) for name in ("chin", "chest", "navel")]
    np.testing.assert_array_equal(changed[:, midline], points[:, midline])


def test_nothing_gives_nothing() -> None:
    assert _find(np.zeros((0, 21, 2)), np.zeros(0)).shape == (0, 9)
    assert not _find(np.full((30, 21, 2), np.nan), np.arange(30) / 25).any()
    assert find_swaps(np.zeros((30, 2, 2)), np.arange(30) / 25, (), SETTINGS).shape == (30, 0)
