"""Left and right exchanged for a while: found by how the tracks go on, and only flagged.

Networks confuse the sides of an infant's body, mostly of its legs, for some frames or seconds.
Then both tracks of a pair leap to the other's place and later leap back. Each leap is evidence
that the labels changed: exchanged, both tracks would have gone on far better. What lies between
two leaps may be the stretch that is wrong, or what lies around it; a stretch that is exchanged
costs something for each second, so that the shorter side is blamed, and only if the leaps are
worth it. The cheapest course through all leaps is found exactly, by dynamic programming.

First all pairs together (the whole body turned over), then each pair for itself.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from workers.pipeline.smoothing.clock import ROUNDING_S

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, kw_only=True)
class SwapSettings:
    """When tracks would go on far better exchanged; lengths are in trunk lengths.

    Attributes:
        least_gain: So much shorter must a pair's two ways together be, if exchanged.
        most_share: And no longer than this share of the ways as they are.
        cost_per_s: What a second of an exchanged pair costs.
        history_s: How old what is known of a pair before may be.
    """

    least_gain: float
    most_share: float
    cost_per_s: float
    history_s: float


def find_swaps(
    points: NDArray[np.float64],
    time_s: NDArray[np.float64],
    pairs: tuple[tuple[int, int], ...],
    settings: SwapSettings,
) -> NDArray[np.bool_]:
    """Where left and right are exchanged.

    Args:
        points: float64 (N, K, 2) in trunk lengths, NaN where missing.
        time_s: float64 (N,), strictly increasing.
        pairs: Indices of the P pairs.
        settings: When.

    Returns:
        bool (N, P). A stretch also covers the frames in it where the pair is missing.
    """
    if not len(points) or not pairs:
        return np.zeros((len(points), len(pairs)), np.bool_)
    sides = points[:, np.asarray(pairs)]
    leaps = _leaps(sides, time_s, settings)
    body = _cheapest(_body_leaps(leaps), time_s, settings)
    if body.any():
        sides[body[:, 0]] = sides[body[:, 0]][:, :, ::-1]
        leaps = _leaps(sides, time_s, settings)
    return body ^ _cheapest(leaps, time_s, settings)


def exchanged(
    values: NDArray[Number], swapped: NDArray[np.bool_], pairs: tuple[tuple[int, int], ...]
) -> NDArray[Number]:
    """A copy (N, K, ...) with the pairs changed over where `swapped` (N, P): its own inverse."""
    changed = values.copy()
    for at, (one, other) in zip(swapped.T, pairs, strict=True):
        changed[at, one], changed[at, other] = values[at, other], values[at, one]
    return changed


@dataclass(frozen=True, eq=False)
class _Leaps:
    """How pairs go on from where they were last known.

    Attributes:
        straight: float64 (N, P), the ways of both sides together; NaN where nothing is known.
        crossed: float64 (N, P), the same if they are exchanged.
        opens: bool (N, P), where a pair is known again after too long: either state may begin.
    """

    straight: NDArray[np.float64]
    crossed: NDArray[np.float64]
    opens: NDArray[np.bool_]

    def gains(self, settings: SwapSettings) -> NDArray[np.float64]:
        """What exchanging is worth, (N, P); 0 where it is not far better."""
        gains = self.straight - self.crossed
        clear = self.crossed <= settings.most_share * self.straight
        return np.where(clear & (gains >= settings.least_gain), gains, 0.0)


def _leaps(
    sides: NDArray[np.float64], time_s: NDArray[np.float64], settings: SwapSettings
) -> _Leaps:
    """Of each pair for itself; `sides` is (N, P, 2, 2)."""
    known = np.asarray(np.isfinite(sides).all((2, 3)))
    frames, opens = np.arange(len(sides)), np.zeros(known.shape, np.bool_)
    straight, crossed = np.full((2, *known.shape), np.nan)
    for pair in range(known.shape[1]):  # one by one, for the memory that all take at once
        last = np.maximum.accumulate(np.where(known[:, pair], frames, -1))
        before = np.append(-1, last[:-1])
        recent = time_s - time_s[before] <= settings.history_s + ROUNDING_S
        fresh = known[:, pair] & (before >= 0) & recent
        opens[:, pair] = known[:, pair] & ~fresh
        now, old = sides[fresh, pair], sides[before[fresh], pair]
        straight[fresh, pair] = np.linalg.norm(now - old, axis=-1).sum(-1)
        crossed[fresh, pair] = np.linalg.norm(now - old[:, ::-1], axis=-1).sum(-1)
    return _Leaps(straight, crossed, opens)


def _body_leaps(pairs: _Leaps) -> _Leaps:
    """Of the mean pair, (N, 1), where most pairs are known."""
    fresh = np.isfinite(pairs.straight)
    count = fresh.sum(1, keepdims=True)
    most = 2 * count > fresh.shape[1]
    straight, crossed = (
        np.where(most, np.where(fresh, ways, 0).sum(1, keepdims=True), np.nan)
        / np.maximum(count, 1)
        for ways in (pairs.straight, pairs.crossed)
    )
    known = (fresh | pairs.opens).sum(1, keepdims=True)
    return _Leaps(straight, crossed, opens=(2 * known > fresh.shape[1]) & ~most)


def _cheapest(
    leaps: _Leaps, time_s: NDArray[np.float64], settings: SwapSettings
) -> NDArray[np.bool_]:
    """The cheapest course of each pair: bool (N, P), where it is exchanged."""
    gains = leaps.gains(settings)
    swapped = np.zeros(gains.shape, np.bool_)
    for pair in np.flatnonzero(gains.any(0)):
        events = leaps.opens[:, pair] | (gains[:, pair] > 0)
        events[0] = True
        starts = np.flatnonzero(events)
        ends = np.append(starts[1:], len(gains) - 1)
        costs = settings.cost_per_s * (time_s[ends] - time_s[starts])
        states = _course(gains[starts, pair].tolist(), costs.tolist())
        swapped[:, pair] = np.repeat(states, np.diff(np.append(starts, len(gains))))
    return swapped


def _course(gains: list[float], costs: list[float]) -> list[bool]:
    """The cheapest states of stretches (true: exchanged), each as long as its cost says.

    Where a stretch begins, not to change costs the leap's gain; to change costs nothing.
    """
    as_is, other = 0.0, costs[0]
    changes = []
    for gain, cost in zip(gains[1:], costs[1:], strict=True):
        changes.append((other < as_is + gain, as_is < other + gain))
        as_is, other = min(as_is + gain, other), min(other + gain, as_is) + cost
    states = [other < as_is]
    for change in reversed(changes):
        states.append(states[-1] != change[states[-1]])
    return states[::-1]
