"""The infant's degrees of freedom: names, limits, usual range, and how far each one moves.

A posture is a vector of degrees in the order of FREEDOMS. Limb freedoms exist for the left (`.L`)
and the right (`.R`) side with the same meaning, so that one number is the same posture mirrored.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Freedom:
    """One degree of freedom, in degrees.

    Attributes:
        name: As in `elbow.L`.
        usual: Range of resting postures.
        limits: What is never exceeded.
        slow: Amplitude of slow, large movement.
        quick: Amplitude of small, quick movement.
    """

    name: str
    usual: tuple[float, float]
    limits: tuple[float, float]
    slow: float
    quick: float


_TRUNK = (
    Freedom("spine_flex", (-4, 12), (-12, 18), 3, 1),
    Freedom("spine_lat", (-10, 10), (-20, 20), 5, 1.5),
    Freedom("spine_twist", (-8, 8), (-18, 18), 5, 1),
    Freedom("neck_yaw", (-50, 50), (-88, 88), 14, 3),
    Freedom("neck_flex", (-16, 8), (-30, 20), 5, 2),
    Freedom("neck_lat", (-10, 10), (-18, 18), 4, 1.5),
)
_LIMB = (
    Freedom("sh_abd", (15, 115), (5, 150), 20, 3),
    Freedom("sh_fwd", (-12, 25), (-22, 85), 14, 3),
    Freedom("sh_ext", (-30, 85), (-60, 95), 22, 4),
    Freedom("elbow", (-10, 85), (-30, 105), 22, 4),
    Freedom("pron", (-40, 40), (-60, 60), 18, 5),
    Freedom("wr_flex", (-15, 35), (-45, 55), 12, 8),
    Freedom("wr_dev", (-10, 10), (-18, 18), 5, 4),
    Freedom("curl", (45, 95), (-5, 98), 14, 8),
    Freedom("hip_flex", (15, 100), (-4, 130), 20, 3),
    Freedom("hip_abd", (8, 55), (-12, 75), 13, 3),
    Freedom("hip_ext", (0, 60), (-20, 80), 13, 3),
    Freedom("knee", (15, 120), (-2, 140), 25, 4),
    Freedom("ank", (-25, 20), (-40, 28), 12, 7),
    Freedom("inv", (-12, 20), (-20, 30), 8, 4),
    Freedom("toes", (-20, 25), (-30, 35), 8, 8),
)


def _all() -> tuple[Freedom, ...]:
    limbs = (
        Freedom(f"{f.name}.{side}", f.usual, f.limits, f.slow, f.quick)
        for side in "LR"
        for f in _LIMB
    )
    return (*_TRUNK, *limbs)


FREEDOMS = _all()
INDEX = {freedom.name: i for i, freedom in enumerate(FREEDOMS)}
USUAL = np.array([f.usual for f in FREEDOMS], np.float64)
"""float64 (36, 2) degrees."""
LIMITS = np.array([f.limits for f in FREEDOMS], np.float64)
"""float64 (36, 2) degrees."""
SLOW = np.array([f.slow for f in FREEDOMS], np.float64)
QUICK = np.array([f.quick for f in FREEDOMS], np.float64)
TRUNK_COUNT = len(_TRUNK)
LIMB_COUNT = len(_LIMB)
"""Freedoms of one side; the left side's come first, then the right's."""

ARM = ("sh_abd", "sh_fwd", "sh_ext", "elbow", "pron", "wr_flex")
LEG = ("hip_flex", "hip_abd", "hip_ext", "knee", "ank")


def indices(names: tuple[str, ...], side: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Positions of limb freedoms of one side in a posture."""
    return np.array([INDEX[f"{name}.{side}"] for name in names], np.int64)
