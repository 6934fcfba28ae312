"""Movement of an infant over seconds: slow and small quick movement, pauses, startles.

Each degree of freedom moves as a sum of sinusoids in two frequency bands. These are bands of
frequency, not clinical general movements: nothing about a movement's quality may be learnt from or
judged on them.
"""

from dataclasses import dataclass, replace

import numpy as np

from model.synthetic.freedoms import FREEDOMS, INDEX, LIMITS, QUICK, SLOW
from model.synthetic.limbs import LimbSolver
from model.synthetic.posing import Poser, Posture, supine
from model.synthetic.rig import Floats

FILM_TOLERANCE_M = 0.025
"""Capsules may overlap by this much in motion."""
_ATTEMPTS = 8
_STARTLE = {
    "sh_abd": 38.0,
    "sh_fwd": 22.0,
    "elbow": -35.0,
    "hip_flex": 14.0,
    "knee": -18.0,
    "curl": -35.0,
}


@dataclass(frozen=True, eq=False)
class Motion:
    """Where an infant is at each of T moments.

    Attributes:
        times_s: float64 (T,).
        angles_deg: float64 (T, 36).
        trunk_roll_deg: float64 (T,).
        shift_xy: float64 (T, 2) m.
        startles_s: When it startles.
    """

    times_s: Floats
    angles_deg: Floats
    trunk_roll_deg: Floats
    shift_xy: Floats
    startles_s: tuple[float, ...]

    def posture(self, i: int, habits: dict[str, str]) -> Posture:
        """The posture at moment i."""
        return Posture(self.angles_deg[i], float(self.trunk_roll_deg[i]), habits)


def sample_motion(
    poser: Poser, start: Posture, times_s: Floats, rng: np.random.Generator
) -> Motion:
    """Draw a movement around a posture.

    Args:
        poser: Of the infant.
        start: Around which it moves.
        times_s: float64 (T,) increasing.
        rng: Draws it.

    Returns:
        The first attempt whose overlaps stay below FILM_TOLERANCE_M; each attempt moves less than
        the one before, so that the last is nearly the posture itself.
    """
    best, least = None, np.inf
    for attempt in range(_ATTEMPTS):
        motion = _attempt(poser, start, times_s, rng, 0.85**attempt * (attempt < _ATTEMPTS - 1))
        depths = [poser.capsules.deepest(poser.skeleton.pose(q)[0]) for q in motion.angles_deg[::4]]
        if max(depths) < least:
            best, least = motion, max(depths)
        if least <= FILM_TOLERANCE_M:
            break
    if best is None:  # pragma: no cover - the first attempt is always kept
        raise AssertionError
    return best


def _attempt(
    poser: Poser, start: Posture, times_s: Floats, rng: np.random.Generator, amount: float
) -> Motion:
    count = len(FREEDOMS)
    liveliness = rng.uniform(0.5, 1.2)
    slow = (SLOW * liveliness)[:, None] * _band(rng, times_s, count, (0.05, 0.45))
    quick = (QUICK * rng.uniform(0.4, 1.1))[:, None] * _band(rng, times_s, count, (0.8, 2.6))
    pause = _pauses(rng, times_s)
    change = slow * (0.35 + 0.65 * pause) + quick * (0.15 + 0.85 * pause)
    startles, jerk = _startles(rng, times_s)
    for name, degrees in _STARTLE.items():
        for side in "LR":
            change[INDEX[f"{name}.{side}"]] += degrees * jerk
    change -= change[:, :1]
    angles = _soft_limits(start.angles_deg[:, None] + amount * change).T
    rolling = 4 * _band(rng, times_s, 1, (0.04, 0.25))[0]
    shifting = 0.008 * _band(rng, times_s, 2, (0.03, 0.2))
    roll = start.trunk_roll_deg + amount * (rolling - rolling[0])
    solver = LimbSolver(poser.skeleton, poser.capsules)
    for i, q in enumerate(angles):
        transforms, _ = poser.skeleton.pose(q)
        turn = supine(float(roll[i]))
        mat = poser.mat_height_m(transforms, turn)
        angles[i] = solver.lift(q, transforms, up=turn[2], mat=mat)
    return Motion(times_s, angles, roll, amount * (shifting - shifting[:, :1]).T, startles)


def _band(
    rng: np.random.Generator, times_s: Floats, count: int, band_hz: tuple[float, float]
) -> Floats:
    """float64 (count, T): sums of five sinusoids of deviation about 1."""
    low, high = np.log(band_hz[0]), np.log(band_hz[1])
    hertz = np.exp(rng.uniform(low, high, (count, 5)))
    height = rng.uniform(0.5, 1.5, (count, 5)) * 1.2 / np.sqrt(5)
    phase = rng.uniform(0, 2 * np.pi, (count, 5))
    waves = np.sin(2 * np.pi * hertz[..., None] * times_s + phase[..., None])
    return np.asarray((height[..., None] * waves).sum(1))


def _pauses(rng: np.random.Generator, times_s: Floats) -> Floats:
    """float64 (T,) 0..1: how active the infant is; it rests now and then for a few seconds."""
    level = np.ones(len(times_s))
    moment = rng.exponential(4.0)
    while moment < times_s[-1]:
        length = rng.uniform(0.8, 3.0)
        edge = np.minimum(times_s - moment, moment + length - times_s)
        level = np.minimum(level, 1 - np.clip(edge / 0.4 + 0.5, 0, 1))
        moment += length + rng.exponential(5.0)
    return level


def _startles(rng: np.random.Generator, times_s: Floats) -> tuple[tuple[float, ...], Floats]:
    """When the infant startles, and how far into it each moment is, float64 (T,) 0..1."""
    jerk = np.zeros(len(times_s))
    found: list[float] = []
    moment = rng.exponential(14.0)
    while moment < times_s[-1]:
        found.append(round(float(moment), 3))
        since = times_s - moment
        rise = np.clip(since / 0.16, 0, 1)
        fall = np.exp(-np.maximum(since - 0.16, 0) / 0.55)
        jerk = np.maximum(jerk, rise * rise * (3 - 2 * rise) * fall)
        moment += 3 + rng.exponential(14.0)
    return tuple(found), jerk


def _soft_limits(angles_deg: Floats) -> Floats:
    """Press angles (36, T) softly into their limits."""
    middle = LIMITS.mean(1)[:, None]
    half = np.ptp(LIMITS, axis=1)[:, None] / 2
    x = (angles_deg - middle) / half
    soft = np.sign(x) * (0.7 + 0.3 * np.tanh((np.abs(x) - 0.7) / 0.3))
    return np.asarray(middle + half * np.where(np.abs(x) < 0.7, x, soft))


def between(posture: Posture, later: Posture, share: float) -> Posture:
    """A posture between two, for the time that a shutter is open."""
    return replace(
        posture,
        angles_deg=posture.angles_deg + share * (later.angles_deg - posture.angles_deg),
        trunk_roll_deg=posture.trunk_roll_deg
        + share * (later.trunk_roll_deg - posture.trunk_roll_deg),
    )
