"""A clock that always goes on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.pipeline.smoothing.clock import Clock


@given(st.lists(st.floats(width=64), max_size=40))
def test_it_always_goes_on_and_never_by_more_than_the_pause(times: list[float]) -> None:
    clock = Clock.of(np.array(times, np.float64), pause_s=1.0)
    steps = np.diff(clock.time_s)
    assert len(clock.time_s) == len(times)
    assert np.isfinite(clock.time_s).all()
    assert (steps >= 0).all()  # a step of 1e-300 s is lost in the sum, but never runs back
    assert (steps <= 1.0 + 1e-9).all()


def test_true_steps_are_kept_and_others_are_pauses() -> None:
    times = np.array([5.0, 5.04, 5.1, 5.1, 5.0, 5.04, np.nan, 5.1, 9.0])
    clock = Clock.of(times, pause_s=2.0)
    np.testing.assert_allclose(
        np.diff(clock.time_s), [0.04, 0.06, 2, 2, 0.04, 2, 2, 2], rtol=0, atol=1e-12
    )


def test_the_step_is_that_of_the_upper_rate() -> None:
    even = Clock.of(np.arange(100) / 25, pause_s=1.0)
    assert even.step_s == pytest.approx(0.04)
    half_slow = np.concatenate([np.arange(100) / 30, 100 / 30 + np.arange(150) / 15])
    assert Clock.of(half_slow, pause_s=1.0).step_s == pytest.approx(1 / 30)
    assert Clock.of(np.array([0.0, 5.0, 5.0]), pause_s=1.0).step_s is None
    assert Clock.of(np.zeros(0), pause_s=1.0).step_s is None


def test_a_grid_of_its_step_is_bounded_by_the_frames() -> None:
    """Steps of a millionth of a second would ask for a grid that no memory holds."""
    steps = np.tile([1e-6, 1e-6, 0.4], 100)
    clock = Clock.of(np.cumsum(steps), pause_s=1.0)
    assert clock.step_s is not None
    assert clock.time_s[-1] / clock.step_s <= 4 * len(clock.time_s)
