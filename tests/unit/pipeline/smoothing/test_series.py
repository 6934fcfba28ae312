"""The derived series as a whole: what it keeps, what it mends, what it flags."""

import json
import time
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.spec.errors import ArrayError
from model.spec.sequence import FILLED, OUTLIER, SWAPPED, Rows
from model.spec.skeleton import load_skeleton
from tests.tracks import FILMS, facts_of, rows_of, sample_rows
from workers.pipeline.errors import CutoffError, SmoothingError
from workers.pipeline.smoothing.body_frame import usual_trunk_px
from workers.pipeline.smoothing.series import (
    SmoothingSettings,
    highest_cutoff_hz,
    smooth,
    upper_rate,
)

INFANT = load_skeleton("infant21")
SETTINGS = SmoothingSettings()
LANDSCAPE = sample_rows("landscape")


def _with(rows: Rows, points_xy: NDArray[np.float32]) -> Rows:
    return replace(rows, keypoints_xy=np.asarray(points_xy, np.float32))


def _noisy(rows: Rows, sigma_px: float, seed: int = 0) -> Rows:
    noise = np.random.default_rng(seed).normal(0, sigma_px, rows.keypoints_xy.shape)
    return _with(rows, rows.keypoints_xy + noise.astype(np.float32))


def _damaged(rows: Rows) -> Rows:
    """Noise, gaps of every length, outliers and a swap: something for every step."""
    noisy = _noisy(rows, 1.0).keypoints_xy.copy()
    rng = np.random.default_rng(1)
    noisy[rng.random(noisy.shape[:2]) < 0.05] = np.nan
    noisy[rng.random(noisy.shape[:2]) < 0.01] += 50
    noisy[60:80] = np.nan
    noisy[120:140, [7, 16]] = noisy[120:140, [16, 7]]
    return _with(rows, noisy)


@pytest.mark.parametrize("film", FILMS)
def test_true_movement_passes_almost_unchanged_and_unflagged(film: str) -> None:
    rows = sample_rows(film)
    smoothed = smooth(rows, INFANT, SETTINGS)
    assert not smoothed.flags.any()
    trunk_px = usual_trunk_px(rows.keypoints_xy, INFANT)
    assert trunk_px is not None
    moved = np.linalg.norm(smoothed.rows.keypoints_xy - rows.keypoints_xy, axis=-1)
    assert moved.max() < 0.01 * trunk_px
    assert np.median(moved) > 0  # it was filtered


@pytest.mark.parametrize("film", FILMS)
def test_noise_is_weakened_on_every_keypoint(film: str) -> None:
    truth = sample_rows(film)
    noisy = _noisy(truth, 2.0)
    smoothed = smooth(noisy, INFANT, SETTINGS)
    before = (noisy.keypoints_xy - truth.keypoints_xy).std((0, 2))
    after = (smoothed.rows.keypoints_xy - truth.keypoints_xy).std((0, 2))
    # A low-pass at 6 of 12.5 Hz leaves about sqrt(6 / 12.5) of white noise.
    assert (after < 0.8 * before).all()


def test_raw_rows_are_not_touched_and_the_other_columns_stay() -> None:
    rows = _damaged(LANDSCAPE)
    before = {name: column.tobytes() for name, column in vars(rows).items()}
    smoothed = smooth(rows, INFANT, replace(SETTINGS, min_score=0.1))
    assert {name: column.tobytes() for name, column in vars(rows).items()} == before
    for name, column in vars(smoothed.rows).items():
        assert (column.tobytes() == before[name]) == (name != "keypoints_xy"), name


def test_two_runs_give_the_same_bytes() -> None:
    one, other = (smooth(_damaged(LANDSCAPE), INFANT, SETTINGS) for _ in range(2))
    assert one.rows.keypoints_xy.tobytes() == other.rows.keypoints_xy.tobytes()
    assert one.flags.tobytes() == other.flags.tobytes()


def test_flags_say_what_happened() -> None:
    points = LANDSCAPE.keypoints_xy.copy()
    points[30:35, 3] = np.nan
    points[100, 7] += 80
    points[150:170] = np.nan
    smoothed = smooth(_with(LANDSCAPE, points), INFANT, SETTINGS)
    expected = np.zeros(points.shape[:2], np.uint8)
    expected[30:35, 3] = FILLED
    expected[100, 7] = FILLED | OUTLIER
    np.testing.assert_array_equal(smoothed.flags, expected)
    assert np.isnan(smoothed.rows.keypoints_xy[150:170]).all()
    filled = np.linalg.norm(smoothed.rows.keypoints_xy - LANDSCAPE.keypoints_xy, axis=-1)
    assert filled[30:35, 3].max() < 8
    assert filled[100, 7] < 2


def test_low_scores_are_missing_only_if_asked() -> None:
    scores = LANDSCAPE.scores.copy()
    scores[40:45, 2] = 0.05
    scores[80:120, 5] = 0.05
    rows = replace(LANDSCAPE, scores=scores)
    assert not smooth(rows, INFANT, SETTINGS).flags.any()
    smoothed = smooth(rows, INFANT, replace(SETTINGS, min_score=0.2))
    assert (smoothed.flags[40:45, 2] == FILLED).all()
    assert np.isnan(smoothed.rows.keypoints_xy[80:120, 5]).all()
    assert smoothed.flags.sum() == 5 * FILLED


def test_a_swapped_stretch_keeps_its_names_and_is_not_smeared() -> None:
    """Filtering, then exchanging is exchanging, then filtering: the leap is no movement."""
    points = LANDSCAPE.keypoints_xy.copy()
    points[90:110, [7, 16]] = points[90:110, [16, 7]]
    smoothed = smooth(_with(LANDSCAPE, points), INFANT, SETTINGS)
    expected = smooth(LANDSCAPE, INFANT, SETTINGS).rows.keypoints_xy
    expected[90:110, [7, 16]] = expected[90:110, [16, 7]]
    np.testing.assert_allclose(smoothed.rows.keypoints_xy, expected, atol=1e-3)
    flagged = np.zeros(points.shape[:2], np.uint8)
    flagged[90:110, [7, 16]] = SWAPPED
    np.testing.assert_array_equal(smoothed.flags, flagged)


@given(st.floats(-2000, 2000), st.floats(-2000, 2000))
@settings(max_examples=15)
def test_moving_the_picture_moves_the_series(x: float, y: float) -> None:
    rows = _damaged(LANDSCAPE)
    shift = np.array([x, y], np.float32)
    plain = smooth(rows, INFANT, SETTINGS)
    moved = smooth(_with(rows, rows.keypoints_xy + shift), INFANT, SETTINGS)
    np.testing.assert_array_equal(moved.flags, plain.flags)
    np.testing.assert_allclose(
        moved.rows.keypoints_xy, plain.rows.keypoints_xy + shift, rtol=0, atol=5e-3
    )


@given(st.floats(0.05, 20))
@settings(max_examples=15)
def test_scaling_the_picture_scales_the_series(scale: float) -> None:
    rows = _damaged(LANDSCAPE)
    plain = smooth(rows, INFANT, SETTINGS)
    scaled = smooth(_with(rows, rows.keypoints_xy * np.float32(scale)), INFANT, SETTINGS)
    np.testing.assert_array_equal(scaled.flags, plain.flags)
    np.testing.assert_allclose(
        scaled.rows.keypoints_xy, plain.rows.keypoints_xy * np.float32(scale), rtol=1e-4
    )


@given(st.floats(-1e5, 1e5), st.sampled_from(FILMS))
@settings(max_examples=15)
def test_the_film_may_begin_at_any_time(begins_s: float, film: str) -> None:
    rows = _damaged(sample_rows(film))
    plain = smooth(rows, INFANT, SETTINGS)
    later = smooth(replace(rows, time_s=rows.time_s + begins_s), INFANT, SETTINGS)
    np.testing.assert_array_equal(later.flags, plain.flags)
    np.testing.assert_allclose(later.rows.keypoints_xy, plain.rows.keypoints_xy, atol=1e-3)


def test_a_mirrored_infant_gives_the_mirrored_series() -> None:
    rows = _damaged(LANDSCAPE)
    mirrored = rows.keypoints_xy[:, INFANT.flip_order] * np.array([-1, 1], np.float32)
    plain, flipped = (smooth(one, INFANT, SETTINGS) for one in (rows, _with(rows, mirrored)))
    np.testing.assert_array_equal(flipped.flags, plain.flags[:, INFANT.flip_order])
    back = flipped.rows.keypoints_xy[:, INFANT.flip_order] * np.array([-1, 1], np.float32)
    np.testing.assert_allclose(back, plain.rows.keypoints_xy, atol=1e-3)


@pytest.mark.parametrize("times", ["repeated", "backwards", "all the same", "unknown", "restarted"])
def test_times_that_do_not_go_on_cut_the_series_and_lose_nothing(times: str) -> None:
    time_s = LANDSCAPE.time_s.copy()
    if times == "repeated":
        time_s[100] = time_s[99]
    elif times == "backwards":
        time_s = time_s[::-1].copy()
    elif times == "all the same":
        time_s[:] = 3.0
    elif times == "unknown":
        time_s[[0, 20, 21, 249]] = [np.nan, np.nan, np.inf, -np.inf]
    else:
        time_s[100:] -= time_s[100]
    rows = replace(_noisy(LANDSCAPE, 1.0), time_s=time_s)
    smoothed = smooth(rows, INFANT, SETTINGS)
    assert np.isfinite(smoothed.rows.keypoints_xy).all()
    off = np.linalg.norm(smoothed.rows.keypoints_xy - LANDSCAPE.keypoints_xy, axis=-1)
    assert np.median(off) < 2
    if times in {"backwards", "all the same"}:  # every frame stands alone
        np.testing.assert_array_equal(smoothed.rows.keypoints_xy, rows.keypoints_xy)
    else:
        alone = smooth(rows[:20], INFANT, SETTINGS)
        np.testing.assert_allclose(
            smoothed.rows.keypoints_xy[1:15], alone.rows.keypoints_xy[1:15], atol=0.1
        )


@pytest.mark.parametrize("num_frames", [0, 1, 2, 3, 5])
def test_very_short_films(num_frames: int) -> None:
    smoothed = smooth(LANDSCAPE[:num_frames], INFANT, SETTINGS)
    assert len(smoothed) == num_frames
    np.testing.assert_allclose(
        smoothed.rows.keypoints_xy, LANDSCAPE.keypoints_xy[:num_frames], atol=1.0
    )


def test_a_film_without_any_keypoint_stays_without() -> None:
    smoothed = smooth(rows_of(np.full((50, 21, 2), np.nan)), INFANT, SETTINGS)
    assert np.isnan(smoothed.rows.keypoints_xy).all()
    assert not smoothed.flags.any()


def test_without_a_trunk_points_are_filtered_and_nothing_is_judged() -> None:
    points = LANDSCAPE.keypoints_xy.copy()
    points[:, INFANT.index("chest")] = np.nan
    points[100, 3] += 100
    smoothed = smooth(_with(LANDSCAPE, points), INFANT, SETTINGS)
    assert not smoothed.flags.any()
    assert 0 < np.abs(smoothed.rows.keypoints_xy[50, 3] - points[50, 3]).max() < 1


def test_nobody_asked_so_the_rate_decides() -> None:
    slow = replace(LANDSCAPE, time_s=LANDSCAPE.time_s * 2.5)
    assert upper_rate(slow) == pytest.approx(10)
    assert SETTINGS.for_rate(upper_rate(slow)).cutoff_hz == 4
    assert SETTINGS.for_rate(25).cutoff_hz == 6
    for rows, cutoff_hz in ((slow, 4.0), (LANDSCAPE, 6.0)):
        chosen = smooth(rows, INFANT, replace(SETTINGS, cutoff_hz=cutoff_hz)).rows.keypoints_xy
        np.testing.assert_array_equal(smooth(rows, INFANT, SETTINGS).rows.keypoints_xy, chosen)


@given(st.floats(2, 250))
def test_the_highest_cut_off_can_be_named_given_and_used(frames_per_s: float) -> None:
    highest_hz = highest_cutoff_hz(frames_per_s)
    assert 0.39 * frames_per_s < highest_hz < 0.41 * frames_per_s
    given_hz = float(f"{highest_hz:g}")
    settings = replace(SETTINGS, cutoff_hz=given_hz)
    assert settings.for_rate(frames_per_s) == settings
    with pytest.raises(CutoffError, match=f"at most {highest_hz:g} Hz"):
        replace(SETTINGS, cutoff_hz=1.01 * given_hz).for_rate(frames_per_s)


def test_a_cut_off_that_was_asked_for_and_does_not_fit_is_refused() -> None:
    slow = replace(LANDSCAPE, time_s=LANDSCAPE.time_s * 2.5)
    with pytest.raises(
        CutoffError, match=r"at most 4 Hz at the film's 10 frames/s, got 6 Hz"
    ) as no:
        smooth(slow, INFANT, replace(SETTINGS, cutoff_hz=6.0))
    assert no.value.code == "pipeline.cutoff"
    asked = replace(SETTINGS, cutoff_hz=6.0)
    assert asked.for_rate(15) == asked  # just fits


def test_where_frames_are_no_stretch_nothing_is_filtered_and_no_cut_off_named() -> None:
    sparse = replace(LANDSCAPE, time_s=LANDSCAPE.time_s * 25 / 1.9)
    assert upper_rate(sparse) == pytest.approx(1.9)
    assert SETTINGS.for_rate(1.9).cutoff_hz is None
    assert SETTINGS.for_rate(2).cutoff_hz == 0.8
    assert replace(SETTINGS, max_gap_s=1.0).for_rate(1.9).cutoff_hz == pytest.approx(0.76)


def test_where_no_frame_has_a_neighbour_nothing_is_filtered_and_no_cut_off_refused() -> None:
    lonely = replace(LANDSCAPE, time_s=LANDSCAPE.time_s * 50)
    assert upper_rate(lonely) is None
    assert upper_rate(LANDSCAPE[:1]) is None
    asked = replace(SETTINGS, cutoff_hz=6.0)
    assert asked.for_rate(None).cutoff_hz is None
    smoothed = smooth(lonely, INFANT, asked)
    np.testing.assert_array_equal(smoothed.rows.keypoints_xy, lonely.keypoints_xy)


@pytest.mark.parametrize(
    ("cutoff_hz", "claimed", "begins_with", "varies", "refused"),
    [
        (6.0, 10.0, 10.0, False, True), (6.0, 15.0, 15.0, False, False),
        (6.0, 14.8, 14.8, False, False), (6.0, 10.0, 10.0, True, False),
        (6.0, None, 10.0, False, False), (None, 10.0, 10.0, False, False),
        (6.0, 4.0, 25.0, False, False), (6.0, 4.0, 10.0, False, True),
    ],
)  # fmt: skip
def test_what_a_video_says_of_itself_refuses_early_only_where_it_is_sure(
    cutoff_hz: float | None, claimed: float | None, begins_with: float, *, varies: bool,
    refused: bool,
) -> None:  # fmt: skip
    facts = replace(facts_of(), frame_rate_header=claimed, variable_frame_rate=varies)
    refusal = pytest.raises(CutoffError, match="at most 4 Hz") if refused else nullcontext()
    with refusal:
        replace(SETTINGS, cutoff_hz=cutoff_hz).check_claims(facts, begins_with=begins_with)


@pytest.mark.parametrize(
    ("name", "value"),
    [("cutoff_hz", 0.0), ("max_gap_s", -1.0), ("outlier_sigmas", float("nan")), ("min_score", 0.0)],
)
def test_settings_that_cannot_be_are_refused(name: str, value: float) -> None:
    with pytest.raises(SmoothingError, match=f"{name}: expected a finite number above 0"):
        replace(SETTINGS, **{name: value})


def test_rows_of_another_skeleton_are_refused() -> None:
    with pytest.raises(ArrayError, match=r"keypoints_xy: expected float32 \(250, 17, 2\)"):
        smooth(LANDSCAPE, load_skeleton("coco17"), SETTINGS)


def test_parameters_are_flat_strict_json_and_name_every_setting() -> None:
    parameters = SETTINGS.as_parameters()
    assert json.loads(json.dumps(parameters, allow_nan=False)) == parameters
    assert all(isinstance(value, int | float | str | None) for value in parameters.values())
    for name in vars(SETTINGS):
        assert f"smoothing_{name}" in parameters
    assert parameters["smoothing_filter_order"] == 4


def test_ten_minutes_take_a_moment() -> None:
    many = np.tile(_damaged(LANDSCAPE).keypoints_xy, (60, 1, 1))
    started = time.process_time()
    smooth(rows_of(many), INFANT, SETTINGS)
    assert time.process_time() - started < 10  # measured: 0.4 s
