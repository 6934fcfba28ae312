"""Times that go forward stay as they are; all others are made to."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.pipeline.forward_time import going_forward

Times = list[int | None]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([5, 5, 5, 9], [5, 9, 13, 17]),
        ([0, 4, 8, 0, 4, 9], [0, 4, 8, 12, 16, 21]),
        ([100, 104, 90, 94, 95], [100, 104, 108, 112, 113]),
        ([0, None, 10, 20], [0, 10, 20, 30]),
        ([None, 3, 5], [0, 3, 5]),
        ([7, 7], [7, 10]),
        ([None, None], [0, 3]),
        ([], []),
    ],
)
def test_a_step_that_is_not_forward_is_a_usual_one(times: Times, expected: list[int]) -> None:
    assert going_forward(times, usual=3) == expected


@given(st.lists(st.floats(-1e9, 1e9), unique=True))
def test_what_goes_forward_stays_exactly(times: list[float]) -> None:
    assert going_forward(sorted(times), usual=0.04) == sorted(times)


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63))))
def test_whatever_the_times_they_rise(times: Times) -> None:
    shown = going_forward(times, usual=1)
    assert len(shown) == len(times)
    assert all(before < after for before, after in pairwise(shown))


@given(st.lists(st.one_of(st.none(), st.floats(-1e12, 1e12))))
def test_seconds_never_fall(times: list[float | None]) -> None:
    shown = going_forward(times, usual=0.04)
    assert all(before <= after for before, after in pairwise(shown))
