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
        ([5, 5, 5, 9], [5, 6, 7, 9]),  # repeated: none of what follows moves
        ([0, 8, 4, 12, 16], [0, 8, 9, 12, 16]),  # mixed up: likewise
        ([0, 4, 8, 0, 4, 9], [0, 4, 8, 9, 10, 11]),
        ([100, 104, 90, 94, 95], [100, 104, 108, 112, 113]),  # joined
        ([0, 4, 50, 1, 5, 2, 9], [0, 4, 50, 54, 58, 59, 62]),
        ([0, None, 10, 20], [0, 1, 10, 20]),
        ([None, 3, 5], [0, 3, 5]),
        ([None, None], [0, 1]),
        ([], []),
    ],
)
def test_other_recordings_follow_and_other_faults_move_nothing(
    times: Times, expected: list[int]
) -> None:
    assert going_forward(times, joined=10, least=1) == expected


@given(st.lists(st.floats(-1e9, 1e9), unique=True))
def test_what_goes_forward_stays_exactly(times: list[float]) -> None:
    assert going_forward(sorted(times), joined=1.0, least=0.0) == sorted(times)


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63))))
def test_whatever_the_times_they_rise(times: Times) -> None:
    shown = going_forward(times, joined=9, least=1)
    assert len(shown) == len(times)
    assert all(before < after for before, after in pairwise(shown))


@given(st.lists(st.one_of(st.none(), st.floats(-1e12, 1e12))))
def test_seconds_never_fall(times: list[float | None]) -> None:
    shown = going_forward(times, joined=1.0, least=0.0)
    assert all(before <= after for before, after in pairwise(shown))
