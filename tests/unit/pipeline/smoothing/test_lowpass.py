"""The filter: no phase shift, little loss below the cut-off, stretches alone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from workers.pipeline.smoothing.lowpass import low_pass

CUTOFF_HZ, RATE = 6.0, 25.0


def _times(kind: str, rate: float = RATE, length_s: float = 20.0) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    even = np.arange(round(length_s * rate)) / rate
    if kind == "even":
        return even
    if kind == "jitter":
        return np.asarray(even + rng.uniform(-0.3, 0.3, len(even)) / rate)
    if kind == "two rates":
        return np.cumsum(np.where(even < length_s / 2, 1.0, 0.6) / rate)
    if kind == "milliseconds":
        return np.round(even, 3)
    kept = rng.random(len(even)) > 0.1  # frames lost here and there
    return even[kept]


def _filter(points: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    step_s = float(np.quantile(np.diff(times), 0.25))
    return low_pass(points, times, cutoff_hz=CUTOFF_HZ, step_s=step_s, longest_s=0.5)


def _wave(times: NDArray[np.float64], hz: float, phase: float = 0.3) -> NDArray[np.float64]:
    angle = 2 * np.pi * hz * times + phase
    return np.stack([np.cos(angle), np.sin(angle)], -1)[:, None]


KINDS = ["even", "jitter", "two rates", "milliseconds", "lost frames"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hz", [0.5, 1.0, 2.0, 3.0])
def test_a_wave_comes_back_in_phase_and_nearly_as_high(kind: str, hz: float) -> None:
    times = _times(kind)
    smooth = _filter(_wave(times, hz), times)
    inner = slice(15, -15)
    seen = smooth[inner, 0] @ np.array([1, 1j])
    sent = _wave(times, hz)[inner, 0] @ np.array([1, 1j])
    response = (seen * sent.conj()).mean()  # height and phase at this frequency
    assert abs(np.angle(response)) < 0.01
    assert 0.94 < abs(response) < 1.001
    if kind == "even":
        warped = np.tan(np.pi * np.array([hz, CUTOFF_HZ]) / RATE)
        expected = 1 / (1 + (2**0.5 - 1) * (warped[0] / warped[1]) ** 4)  # Butterworth's, twice
        assert abs(response) == pytest.approx(expected, abs=0.001)
    assert np.abs(smooth - _wave(times, hz))[inner].max() < 0.02 + 0.05 * hz


@pytest.mark.parametrize("rate", [12.5, 13.0, 25.0, 30.0, 100.0])
def test_the_cut_off_is_where_both_passes_weaken_by_3_db(rate: float) -> None:
    times = _times("even", rate=rate)
    smooth = _filter(_wave(times, CUTOFF_HZ), times)[len(times) // 4 : -len(times) // 4]
    assert np.linalg.norm(smooth, axis=-1).mean() == pytest.approx(2**-0.5, abs=0.002)


def test_what_is_faster_is_gone() -> None:
    times = _times("even", rate=100.0)
    fast = _filter(_wave(times, 20.0), times)[100:-100]
    assert np.linalg.norm(fast, axis=-1).max() < 0.03


@pytest.mark.parametrize("kind", KINDS)
def test_rest_and_even_motion_pass_exactly(kind: str) -> None:
    times = _times(kind)
    line = np.stack([3 - 2 * times, 100 + 0 * times], -1)[:, None]
    np.testing.assert_allclose(_filter(line, times), line, atol=1e-6)


def test_stretches_are_filtered_alone() -> None:
    times = _times("even")
    points = np.repeat(_wave(times, 1.0), 2, axis=1)
    points[100:120, 0] = np.nan
    whole = _filter(points, times)
    for part in (slice(0, 100), slice(120, None)):
        alone = _filter(points[part], times[part])
        np.testing.assert_allclose(whole[part, 0], alone[:, 0], rtol=0, atol=1e-12)
    assert np.isnan(whole[100:120, 0]).all()
    np.testing.assert_allclose(whole[:, 1], _filter(points[:, 1:], times)[:, 0], atol=1e-12)


def test_a_hole_in_time_parts_stretches_though_no_row_is_missing() -> None:
    times = _times("even")
    points = _wave(times, 1.0)
    points[250:] += 40
    later = times + np.where(np.arange(len(times)) >= 250, 0.6, 0.0)
    parted, joined = _filter(points, later), _filter(points, times)
    np.testing.assert_allclose(parted[:250], _filter(points[:250], times[:250]), atol=1e-12)
    assert np.abs(joined[:250] - points[:250]).max() > 5  # the leap spreads, if they are one


@pytest.mark.parametrize("length", [1, 2, 3, 9])
@pytest.mark.parametrize("kind", ["even", "jitter"])
def test_stretches_too_short_to_settle(length: int, kind: str) -> None:
    times = _times(kind)[:length]
    points = 10 * _wave(times, 1.0)
    smooth = low_pass(points, times, cutoff_hz=CUTOFF_HZ, step_s=1 / RATE, longest_s=0.5)
    assert np.isfinite(smooth).all()
    assert np.abs(smooth - points).max() < 1
    if length == 1:
        np.testing.assert_array_equal(smooth, points)


def test_frames_that_nearly_coincide_do_not_blow_up() -> None:
    times = np.sort(np.concatenate([_times("even"), _times("even")[::10] + 1e-6]))
    noise = np.random.default_rng(0).normal(0, 1, (len(times), 1, 2))
    smooth = low_pass(noise, times, cutoff_hz=CUTOFF_HZ, step_s=1 / RATE, longest_s=0.5)
    assert np.abs(smooth).max() < np.abs(noise).max()


def test_nothing_gives_nothing() -> None:
    nothing = np.full((20, 3, 2), np.nan)
    times = _times("even")[:20]
    np.testing.assert_array_equal(_filter(nothing, times), nothing)
    assert _filter(nothing[:, :0], times).shape == (20, 0, 2)
