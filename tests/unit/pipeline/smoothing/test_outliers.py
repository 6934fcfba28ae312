"""Outliers: points that leap are found, movement is not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model.spec.skeleton import load_skeleton
from tests.tracks import FILMS, sample_rows
from workers.pipeline.smoothing.body_frame import usual_trunk_px
from workers.pipeline.smoothing.outliers import find_outliers

INFANT = load_skeleton("infant21")


def _find(
    points: NDArray[np.float64], times: NDArray[np.float64], least: float = 0.1
) -> NDArray[np.bool_]:
    return find_outliers(points, times, window_s=0.4, sigmas=4.0, least=least)


def _film(film: str, noise: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A sample film's keypoints in trunk lengths, with noise, and times."""
    rows = sample_rows(film)
    trunk_px = usual_trunk_px(rows.keypoints_xy, INFANT)
    assert trunk_px is not None
    shape = rows.keypoints_xy.shape
    return (
        rows.keypoints_xy / trunk_px + np.random.default_rng(0).normal(0, noise, shape),
        rows.time_s,
    )


@pytest.mark.parametrize("film", FILMS)
def test_true_movement_has_none(film: str) -> None:
    assert not _find(*_film(film)).any()
    assert _find(*_film(film, noise=0.015)).mean() < 1e-3


@pytest.mark.parametrize("film", FILMS)
def test_leaps_of_up_to_four_frames_are_found_and_their_neighbours_are_not(film: str) -> None:
    points, times = _film(film, noise=0.01)
    expected = np.zeros(points.shape[:2], np.bool_)
    for k, start in enumerate(range(10, 210, 10)):
        expected[start : start + 1 + k % 4, k] = True
    points[expected] += 0.8
    np.testing.assert_array_equal(_find(points, times), expected)


def test_a_step_to_a_new_place_is_no_outlier() -> None:
    points = np.zeros((60, 1, 2))
    points[30:] = 2
    assert not _find(points, np.arange(60) / 25).any()


def test_a_limb_at_rest_may_tremble_within_the_least() -> None:
    points = np.zeros((60, 1, 2))
    points[30] = 0.09
    assert _find(points, np.arange(60) / 25, least=0.1).sum() == 1  # 0.09 in x and y is 0.127
    assert not _find(points, np.arange(60) / 25, least=0.13).any()


def test_the_window_is_of_time_and_not_of_frames() -> None:
    """Six frames are most of a window of the slow film, and few of the fast one's."""
    points = np.zeros((61, 1, 2))
    points[28:34] = 1
    slow, fast = np.arange(61) / 25.0, np.arange(61) / 75.0
    assert not _find(points, slow).any()
    expected = points[..., 0] == 1
    np.testing.assert_array_equal(_find(points, fast), expected)
    uneven = np.concatenate([slow[:20], slow[20] + fast[:41]])
    np.testing.assert_array_equal(_find(points, uneven), expected)


def test_missing_points_are_not_judged_and_judge_nobody() -> None:
    points = np.zeros((60, 2, 2))
    points[20:40:2, 0] = np.nan
    points[31, 0] = 1
    points[30, 1] = 1
    found = _find(points, np.arange(60) / 25)
    assert found[31, 0]
    assert found.sum() == 2
    alone = np.full((60, 1, 2), np.nan)
    alone[[10, 12, 14, 16]] = [[[0, 0]], [[5, 5]], [[0, 0]], [[0, 0]]]
    assert not _find(alone, np.arange(60) / 25).any()  # four points are too few to judge


def test_first_and_last_points_are_not_judged() -> None:
    points = np.zeros((60, 1, 2))
    points[[0, 59]] = 1
    points[30:40] = np.nan
    points[[29, 40]] = 1
    assert not _find(points, np.arange(60) / 25).any()


def test_nothing_gives_nothing() -> None:
    assert _find(np.zeros((0, 21, 2)), np.zeros(0)).shape == (0, 21)
    assert not _find(np.full((30, 2, 2), np.nan), np.arange(30) / 25).any()


def test_windows_are_bounded_where_frames_lie_without_end() -> None:
    points = np.zeros((3000, 1, 2))
    points[1500] = 1
    found = _find(points, np.arange(3000.0) * 1e-5)
    assert found[1500]
    assert found.sum() == 1
