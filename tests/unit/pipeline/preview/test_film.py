"""The film's clock: time stamps carried over exactly, or mended so that players take them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.spec.errors import OutputError
from model.spec.sequence import NO_PTS
from workers.pipeline.preview.film import FilmClock, written_film


def _clock(pts: list[int], base: Fraction, time_s: list[float] | None = None) -> FilmClock:
    times = [np.nan] * len(pts) if time_s is None else time_s
    return FilmClock.of(np.array(pts, np.int64), np.array(times, np.float64), base)


def _filmed(clock: FilmClock, path: Path) -> tuple[list[Fraction], Fraction]:
    """When frames are shown in a film of this clock, and how long it lasts."""
    with written_film(path, (32, 32), clock, 30) as film:
        for i in range(len(clock.ticks)):
            film.write(np.full((32, 32, 3), i * 40 % 256, np.uint8))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        base = stream.time_base
        assert base is not None
        assert stream.duration is not None
        return [(frame.pts or 0) * base for frame in container.decode(stream)], (
            stream.duration * base
        )


@pytest.mark.parametrize(
    ("pts", "base"),
    [
        ([0, 3600, 7200, 10800], Fraction(1, 90000)),
        ([0, 33, 67, 100, 150, 400], Fraction(1, 1000)),
        ([0, 1, 2, 3, 5, 6], Fraction(1001, 30000)),
        ([126_000, 129_003, 132_006], Fraction(1, 90000)),
        ([7, 512, 1024, 1037], Fraction(1, 12800)),
        ([1, 40_000_001, 80_000_003], Fraction(1, 10**9)),
        ([0, 1], Fraction(1, 25)),
        ([3], Fraction(1, 10)),
    ],
)
def test_stamps_are_carried_over_exactly(pts: list[int], base: Fraction, tmp_path: Path) -> None:
    clock = _clock(pts, base)
    shown, duration = _filmed(clock, tmp_path / "a.mp4")
    assert shown == [stamp * base for stamp in pts]
    assert clock.shift_s == 0
    usual = Fraction(int(clock.durations[-1]), clock.scale)
    assert abs(duration - (shown[-1] - shown[0] + usual)) <= Fraction(2, clock.scale)


@pytest.mark.parametrize(
    ("pts", "shift_s", "expected"),
    [
        ([-200, -100, 0, 100], -2.0, [0, 100, 200, 300]),
        ([8_000_000, 8_000_100, 8_000_150], 80_000.0, [0, 100, 150]),
        ([5, 5, 5, 9], 0, [5, 6, 7, 9]),
        ([5, 3, -8, 9], 0, [5, 6, 7, 9]),
        ([0, 4, 120, 0, 4, 9], 0, [0, 4, 120, 124, 128, 133]),
        ([NO_PTS, NO_PTS, 10], 0, [0, 1, 10]),
        ([0, 2**40], 0, [0, 2**30]),
        ([0, 4, 2**40, 2**40 + 4, 2**41], 0, [0, 4, 4 + 2**30, 8 + 2**30, 8 + 2**31]),
        ([NO_PTS], 0, [0]),
        ([], 0, []),
    ],
)
def test_odd_stamps_are_mended(
    pts: list[int], shift_s: float, expected: list[int], tmp_path: Path
) -> None:
    clock = _clock(pts, Fraction(1, 100))
    assert clock.ticks.tolist() == expected
    assert clock.shift_s == shift_s
    if len(expected) > 1:
        assert [stamp * 100 for stamp in _filmed(clock, tmp_path / "a.mp4")[0]] == expected


def test_a_frame_without_a_stamp_goes_by_its_time() -> None:
    clock = _clock([0, NO_PTS, 20], Fraction(1, 100), [0, 0.07, 0.2])
    assert clock.ticks.tolist() == [0, 7, 20]


def test_a_time_base_finer_than_mp4_knows_is_rounded() -> None:
    clock = _clock([0, 10**11 // 25], Fraction(1, 10**11))
    assert clock.scale == 90_000
    assert clock.ticks.tolist() == [0, 3600]


@given(
    st.lists(st.one_of(st.just(NO_PTS), st.integers(-(2**63), 2**63 - 1)), max_size=8),
    st.fractions(Fraction(1, 2**40), 100).filter(lambda base: base > 0),
    st.lists(st.floats(), min_size=8, max_size=8),
)
@settings(max_examples=80)
@example([NO_PTS], Fraction(1, 2**40), [1e304] * 8)
def test_whatever_the_stamps_ticks_rise(
    pts: list[int], base: Fraction, time_s: list[float]
) -> None:
    clock = _clock(pts, base, time_s[: len(pts)])
    assert len(clock.ticks) == len(clock.durations) == len(pts)
    assert (clock.ticks >= 0).all()
    assert (np.diff(clock.ticks) > 0).all()
    assert (np.diff(clock.ticks) < 2**31).all()
    assert (clock.durations > 0).all()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    clock = _clock([0, 1], Fraction(1, 25))
    with (
        pytest.raises(OutputError, match="cannot be written"),
        written_film(tmp_path / "no" / "a.mp4", (32, 32), clock, 30) as film,
    ):
        film.write(np.zeros((32, 32, 3), np.uint8))
