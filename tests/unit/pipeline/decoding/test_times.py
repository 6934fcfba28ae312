"""Frames without a time stamp get a time from those around them."""

from fractions import Fraction

import pytest

from workers.pipeline.decoding.times import times_of

MS = Fraction(1, 1000)


@pytest.mark.parametrize(
    ("pts", "before_s", "expected"),
    [
        ([0, 40, 80], None, [0, 0.04, 0.08]),
        ([0, None, 100], None, [0, 0.05, 0.1]),
        ([0, None, None, 90, None], None, [0, 0.03, 0.06, 0.09, 0.13]),
        ([None, None, 200], None, [0.12, 0.16, 0.2]),
        ([None, None], None, [0, 0.04]),
        ([None, None], 1.0, [1.04, 1.08]),
        ([None, 1100], 1.0, [1.05, 1.1]),
        ([None, 500], 1.0, [1.04, 0.5]),  # out of order: no place between
        ([-80, -40, -40], None, [-0.08, -0.04, -0.04]),
        ([], 1.0, []),
    ],
)
def test_times(pts: list[int | None], before_s: float | None, expected: list[float]) -> None:
    assert times_of(pts, MS, step_s=0.04, before_s=before_s) == pytest.approx(expected)


def test_time_bases_are_exact() -> None:
    base = Fraction(1001, 30000)
    stamps = list(range(0, 100_000, 777))
    expected = [float(stamp * base) for stamp in stamps]
    assert times_of(stamps, base, step_s=1.0, before_s=None) == expected
