"""One limb's angles: a random descent that brings joints to a goal, the mat and flesh respected."""

from dataclasses import dataclass

import numpy as np

from model.synthetic.compiled import Array, kernel
from model.synthetic.contact import Capsules, limb_slice, segment_distance
from model.synthetic.freedoms import INDEX, LIMB_COUNT, LIMITS, TRUNK_COUNT
from model.synthetic.kinematics import (
    Ints,
    Skeleton3D,
    arm_kernel,
    bend_spine,
    chain_bone,
    leg_kernel,
    reset,
)
from model.synthetic.rig import Floats

STEPS = 110
_FORWARD = {"arm": "sh_fwd", "leg": "hip_flex"}


@dataclass(frozen=True)
class Goal:
    """What a limb should do.

    Attributes:
        rest_middle: The elbow or knee lies on the mat.
        rest_end: The hand or foot lies on the mat.
        target: Where the hand or foot should be, body frame, m; None where it is free.
    """

    rest_middle: bool = False
    rest_end: bool = False
    target: Floats | None = None


class LimbSolver:
    """Finds a limb's angles for one body."""

    def __init__(self, skeleton: Skeleton3D, capsules: Capsules) -> None:
        self._skeleton = skeleton
        self._capsules = capsules
        self._chains = {
            (limb, side): _chain(skeleton, int(capsules.bones[limb_slice(limb, side)][2, 0]))
            for limb in ("arm", "leg")
            for side in "LR"
        }

    def solve(
        self,
        posture_deg: Floats,
        limb_side: tuple[str, str],
        free: Ints,
        goal: Goal,
        *,
        ends: Floats,
        up: Floats,
        mat: float,
        rng: np.random.Generator,
    ) -> Floats:
        """Move a limb's angles towards a goal.

        Args:
            posture_deg: float64 (36,), from which the search starts and near which it stays.
            limb_side: As `("arm", "L")`.
            free: Freedoms that may move.
            goal: What the limb should do.
            ends: float64 (C, 2, 3) all capsules in the posture, body frame.
            up: float64 (3,) the world's up in the body frame.
            mat: Height of the mat along `up`, m.
            rng: Draws the search's steps.

        Returns:
            The new posture, float64 (36,).
        """
        limb, side = limb_side
        rows = limb_slice(limb, side)
        others = np.ones(len(ends), np.bool_)
        others[rows] = False
        others[0 if limb == "leg" else 1] = True
        noise = rng.standard_normal((STEPS, len(free)))
        target = np.zeros(3) if goal.target is None else goal.target
        q = np.deg2rad(posture_deg)
        bounds = np.deg2rad(LIMITS)
        index = 0 if side == "L" else 1
        _descend(
            q, index, limb == "arm", free, bounds, noise,
            np.array([goal.rest_middle, goal.rest_end]), goal.target is not None, target,
            self._chains[limb_side], *self._skeleton.kernel_arguments,
            self._capsules.ends[rows], self._capsules.bones[rows], self._capsules.radii[rows],
            ends[others], self._capsules.radii[others], up, mat,
        )  # fmt: skip
        return np.asarray(np.rad2deg(q))

    def lift(self, posture_deg: Floats, transforms: Floats, *, up: Floats, mat: float) -> Floats:
        """Raise limbs that have sunk into the mat, each by one angle that varies smoothly.

        Args:
            posture_deg: float64 (36,).
            transforms: float64 (J, 3, 4) of that posture.
            up: float64 (3,) the world's up in the body frame.
            mat: Height of the mat along `up`, m.

        Returns:
            The new posture, float64 (36,).
        """
        q = posture_deg.copy()
        ends = self._capsules.place(transforms)
        for limb in ("arm", "leg"):
            for side in "LR":
                rows = limb_slice(limb, side)
                heights = ends[rows] @ up - mat
                floor = 0.7 * self._capsules.radii[rows][:, None]
                reach = np.linalg.norm(ends[rows] - ends[rows][0, 0], axis=-1) + 0.03
                sunk = np.maximum(floor - heights, 0) / reach
                freedom = INDEX[f"{_FORWARD[limb]}.{side}"]
                q[freedom] += np.rad2deg(np.minimum(sunk[:, 1].max(), 0.6))
        return np.clip(q, LIMITS[:, 0], LIMITS[:, 1])


def _chain(skeleton: Skeleton3D, tip: int) -> Ints:
    """Bones from the limb's first (clavicle or pelvis) to its tip, parents first."""
    found = [tip]
    trunk = set(skeleton.spine.tolist()) | {0}
    while int(skeleton.parents[found[-1]]) not in trunk:
        found.append(int(skeleton.parents[found[-1]]))
    return np.array(found[::-1], np.int64)


@kernel
def _descend(
    q: Array,
    side: int,
    is_arm: bool,
    free: Array,
    bounds: Array,
    noise: Array,
    resting: Array,
    has_target: bool,
    target: Array,
    chain: Array,
    rest: Array,
    parents: Array,
    spine: Array,
    _neck: Array,
    sides: Array,
    axes: Array,
    cap_ends: Array,
    cap_bones: Array,
    cap_radii: Array,
    other_ends: Array,
    other_radii: Array,
    up: Array,
    mat: float,
) -> None:
    """Try steps of shrinking size; keep each that lowers the cost. Radians, in place."""
    count = rest.shape[0]
    start, trial = q.copy(), q.copy()
    transforms = np.zeros((count, 3, 4))
    local = np.zeros((count, 3, 3))
    base = np.zeros((3, 4))
    _base_of(q, parents[chain[0]] == 0, rest, spine, local, transforms, base)
    best = 1e9
    ends = np.zeros((3, 2, 3))
    for step in range(noise.shape[0] + 1):
        for k in range(free.shape[0]):
            i = free[k]
            trial[i] = q[i]
            if step > 0:
                size = 0.45 * (1 - step / (noise.shape[0] + 1)) + 0.04
                moved = q[i] + noise[step - 1, k] * size
                trial[i] = min(bounds[i, 1], max(bounds[i, 0], moved))
        _limb_ends(
            trial, side, is_arm, chain, rest, base, sides, axes,
            local, transforms, cap_ends, cap_bones, ends,
        )  # fmt: skip
        cost = _cost(ends, cap_radii, other_ends, other_radii, up, mat, resting, has_target, target)
        for k in range(free.shape[0]):
            cost += 2e-5 * (trial[free[k]] - start[free[k]]) ** 2
        if cost < best:
            best = cost
            for k in range(free.shape[0]):
                q[free[k]] = trial[free[k]]


@kernel
def _base_of(
    q: Array,
    on_pelvis: bool,
    rest: Array,
    spine: Array,
    local: Array,
    transforms: Array,
    base: Array,
) -> None:
    """Transform (3, 4) of the trunk bone on which a limb hangs, in place."""
    reset(base[:, :3])
    if on_pelvis:
        return
    joint = np.zeros(3)
    for i in range(5):
        reset(local[spine[i]])
        bend_spine(local[spine[i]], q)
        chain_bone(base, local[spine[i]], rest[spine[i]], transforms[spine[i]], joint)
        base[:] = transforms[spine[i]]


@kernel
def _limb_ends(
    q: Array,
    side: int,
    is_arm: bool,
    chain: Array,
    rest: Array,
    base: Array,
    sides: Array,
    axes: Array,
    local: Array,
    transforms: Array,
    cap_ends: Array,
    cap_bones: Array,
    ends: Array,
) -> None:
    """The limb's capsules in a posture, (3, 2, 3), in place."""
    for k in range(chain.shape[0]):
        reset(local[chain[k]])
    g = q[TRUNK_COUNT + side * LIMB_COUNT : TRUNK_COUNT + (side + 1) * LIMB_COUNT]
    if is_arm:
        arm_kernel(local, g, sides[side], axes[side], 1.0 - 2.0 * side)
    else:
        leg_kernel(local, g, sides[side], 1.0 - 2.0 * side)
    joint = np.zeros(3)
    above = base
    for k in range(chain.shape[0]):
        i = chain[k]
        chain_bone(above, local[i], rest[i], transforms[i], joint)
        above = transforms[i]
    for c in range(3):
        for e in range(2):
            m = transforms[cap_bones[c, e]]
            for i in range(3):
                ends[c, e, i] = m[i, 3]
                for k in range(3):
                    ends[c, e, i] += m[i, k] * cap_ends[c, e, k]


@kernel
def _cost(
    ends: Array,
    radii: Array,
    other_ends: Array,
    other_radii: Array,
    up: Array,
    mat: float,
    resting: Array,
    has_target: bool,
    target: Array,
) -> float:
    """Squared metres that the limb is away from its goal, in the mat, or in the body."""
    cost = 0.0
    for c in range(3):
        for e in range(2):
            if c == 0 and e == 0:
                continue
            height = up[0] * ends[c, e, 0] + up[1] * ends[c, e, 1] + up[2] * ends[c, e, 2] - mat
            sunk = 0.8 * radii[c] - height
            if sunk > 0:
                cost += 3 * sunk * sunk
            middle = (c == 0 and e == 1) and resting[0]
            end = (c == 1 and e == 1) and resting[1]
            if (middle or end) and sunk < 0:
                cost += sunk * sunk
    if has_target:
        for i in range(3):
            cost += 2 * (0.5 * (ends[2, 0, i] + ends[2, 1, i]) - target[i]) ** 2
    for c in range(1, 3):
        for o in range(other_ends.shape[0]):
            deep = radii[c] + other_radii[o] - segment_distance(ends[c], other_ends[o])
            if deep > 0:
                cost += 4 * deep * deep
    return cost
