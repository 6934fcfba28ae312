"""A film's time: rate, holes, and what is said where time stamps are no use."""

from dataclasses import replace

import numpy as np
import pytest

from model.spec.sequence import NO_PTS
from tests.tracks import FILMS, rows_of, sample_rows
from workers.pipeline.quality.film_time import FilmTime, holds_s, lasts_s

POINTS = np.zeros((100, 21, 2))


def test_an_even_film() -> None:
    time = FilmTime.of(rows_of(POINTS, 7 + np.arange(100) / 25))
    assert time.duration_s == pytest.approx(4)
    assert time.frames_per_s == pytest.approx(25)
    assert time.usual_step_s == pytest.approx(0.04)
    assert time.step_jitter_s == pytest.approx(0, abs=1e-9)
    assert (time.dropped_frames, time.longest_hole_s) == (0, 0)
    assert (time.steps_not_forward, time.frames_without_pts) == (0, 0)


def test_holes_are_counted_in_usual_steps() -> None:
    kept = np.delete(np.arange(120), [10, 30, 31, 32, *range(60, 76)])
    rows = rows_of(POINTS, kept / 25)
    time = FilmTime.of(rows)
    assert time.dropped_frames == 20
    assert time.longest_hole_s == pytest.approx(17 / 25)
    assert time.duration_s == pytest.approx(120 / 25)
    assert time.frames_per_s == pytest.approx(99 / (119 / 25))
    assert time.usual_step_s == pytest.approx(0.04)
    assert lasts_s(rows).sum() == pytest.approx(120 / 25)
    assert holds_s(rows).max() == pytest.approx(0.06)


@pytest.mark.parametrize("film", FILMS)
def test_uneven_steps_are_no_holes_but_frames_left_out_are(film: str) -> None:
    """The phone's film has steps of 30 to 50 ms and leaves out three frames."""
    time = FilmTime.of(sample_rows(film))
    assert time.dropped_frames == (3 if film == "phone-portrait" else 0)
    assert time.step_jitter_s is not None
    assert (time.step_jitter_s > 1e-3) == (film == "phone-portrait")


def test_steps_that_do_not_go_forward_are_counted_and_last_a_usual_one() -> None:
    times = np.arange(100) / 25
    times[50:] -= 1.0  # restarts
    times[20] = times[19]
    times[21] = np.nan
    rows = rows_of(POINTS, times)
    time = FilmTime.of(rows)
    assert time.steps_not_forward == 4  # to 20, to and from 21, to 50
    assert time.frames_without_pts == 1
    assert lasts_s(rows)[[19, 20, 21, 49, 99]] == pytest.approx(0.04)
    assert time.duration_s == pytest.approx(4)


@pytest.mark.parametrize("num_frames", [0, 1, 5])
def test_without_a_step_forward_nothing_is_said(num_frames: int) -> None:
    rows = rows_of(POINTS[:num_frames], np.full(num_frames, 3.0))
    rows = replace(rows, pts=np.full(num_frames, NO_PTS))
    time = FilmTime.of(rows)
    assert time == FilmTime(steps_not_forward=max(0, num_frames - 1), frames_without_pts=num_frames)
    assert np.isnan(lasts_s(rows)).all()
    assert len(holds_s(rows)) == num_frames
