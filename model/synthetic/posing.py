"""Postures of infants on their backs: limbs that rest by gravity, hands at the face, crossed legs.

A posture is drawn limb by limb. A limb's habit says where its joints should be (on the mat, at the
mouth, over the other foot); a short random descent finds angles near the drawn ones that bring
them there without sinking into the mat or the rest of the body.
"""

from dataclasses import dataclass, replace

import numpy as np

from model.synthetic.body import Body
from model.synthetic.contact import LIMBS, TOLERANCE_M, Capsules, limb_slice
from model.synthetic.freedoms import ARM, INDEX, LEG, LIMITS, USUAL, indices
from model.synthetic.kinematics import Skeleton3D, skin
from model.synthetic.limbs import Goal, LimbSolver
from model.synthetic.rig import Floats

ARM_HABITS = {
    "beside_head": 0.33, "beside_trunk": 0.24, "on_trunk": 0.17, "at_face": 0.16, "raised": 0.10,
}  # fmt: skip
LEG_HABITS = {
    "frog": 0.33, "knee_up": 0.21, "stretched": 0.22, "lifted": 0.15, "crossed": 0.09,
}  # fmt: skip
RESTING = frozenset({"beside_head", "beside_trunk", "on_trunk", "frog", "knee_up", "stretched"})
_ATTEMPTS = 12

_ARM_RANGES = {
    "beside_head": {
        "sh_abd": (60, 125), "sh_fwd": (-14, 12), "sh_ext": (35, 95), "elbow": (20, 105),
    },
    "beside_trunk": {
        "sh_abd": (12, 70), "sh_fwd": (-16, 12), "sh_ext": (-40, 60), "elbow": (-10, 70),
    },
    "on_trunk": {"sh_abd": (15, 60), "sh_fwd": (-8, 30), "sh_ext": (-40, 20), "elbow": (40, 105)},
    "at_face": {"sh_abd": (30, 95), "sh_fwd": (0, 55), "sh_ext": (-10, 70), "elbow": (55, 105)},
    "raised": {"sh_abd": (20, 110), "sh_fwd": (10, 75), "sh_ext": (-30, 80), "elbow": (-10, 90)},
}  # fmt: skip
_LEG_RANGES = {
    "frog": {"hip_flex": (35, 95), "hip_abd": (30, 65), "hip_ext": (30, 75), "knee": (60, 130)},
    "knee_up": {"hip_flex": (35, 80), "hip_abd": (0, 35), "hip_ext": (-5, 30), "knee": (70, 135)},
    "stretched": {"hip_flex": (0, 30), "hip_abd": (2, 35), "hip_ext": (5, 50), "knee": (5, 55)},
    "lifted": {"hip_flex": (60, 125), "hip_abd": (2, 50), "hip_ext": (0, 50), "knee": (20, 125)},
    "crossed": {"hip_flex": (20, 70), "hip_abd": (-10, 20), "hip_ext": (20, 70), "knee": (40, 110)},
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Posture:
    """How an infant lies.

    Attributes:
        angles_deg: float64 (36,) in the order of FREEDOMS.
        trunk_roll_deg: About the body's long axis; positive turns the infant's left side down.
        habits: What each limb does, as `arm.L: at_face`.
    """

    angles_deg: Floats
    trunk_roll_deg: float
    habits: dict[str, str]


def supine(trunk_roll_deg: float) -> Floats:
    """Rotation (3, 3) from the body frame to the world: front up, head to +y, then rolled."""
    lie = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    c, s = np.cos(np.deg2rad(trunk_roll_deg)), np.sin(np.deg2rad(trunk_roll_deg))
    return np.asarray(np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ lie)


class Poser:
    """Draws postures of one body."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.skeleton = Skeleton3D.of(body)
        self.capsules = Capsules.of(body)
        self._solver = LimbSolver(self.skeleton, self.capsules)
        rig = body.rig
        self.trunk_vertices = np.isin(
            rig.dominant_bone,
            [rig.bone[n] for n in ("root", "spine05", "spine04", "spine03", "spine02", "spine01")],
        )
        self._head_vertices = rig.vertices_of("head")
        self._skin_at_rest = body.vertices.astype(np.float32)

    def mat_height_m(self, transforms: Floats, turn: Floats) -> float:
        """Where the mat lies in the turned body frame: most of the trunk's back is above it."""
        vertices = skin(self.body.rig, self._skin_at_rest, transforms)
        return float(np.quantile(vertices[self.trunk_vertices] @ turn[2], 0.03)) - 0.002

    def sample(self, rng: np.random.Generator) -> Posture:
        """Draw a posture; overlaps stay below TOLERANCE_M, or the least of the attempts is kept."""
        best, least = None, np.inf
        for _ in range(_ATTEMPTS):
            posture = self._attempt(rng)
            transforms, _ = self.skeleton.pose(posture.angles_deg)
            depth = self.capsules.deepest(transforms)
            if depth < least:
                best, least = posture, depth
            if least <= TOLERANCE_M:
                break
        if best is None:  # pragma: no cover - the first attempt is always kept
            raise AssertionError
        return best

    def _attempt(self, rng: np.random.Generator) -> Posture:
        q = rng.uniform(USUAL[:, 0], USUAL[:, 1])
        rolled = rng.random() < 0.12
        roll = rng.choice([-1.0, 1.0]) * rng.uniform(15, 38) if rolled else rng.normal(0, 5)
        yaw = rng.random()
        if yaw < 0.3:
            q[INDEX["neck_yaw"]] = rng.choice([-1.0, 1.0]) * rng.uniform(45, 86)
        elif yaw < 0.6:
            q[INDEX["neck_yaw"]] = rng.normal(0, 14)
        habits = _draw_habits(rng)
        for limb, side in LIMBS:
            ranges = (_ARM_RANGES if limb == "arm" else _LEG_RANGES)[habits[f"{limb}.{side}"]]
            for name, (low, high) in ranges.items():
                q[INDEX[f"{name}.{side}"]] = rng.uniform(low, high)
        if rng.random() < 0.55:
            for name in LEG:
                mixed = 0.6 * q[INDEX[f"{name}.L"]] + 0.4 * q[INDEX[f"{name}.R"]]
                q[INDEX[f"{name}.R"]] = mixed
        for side in "LR":
            _loosen_hand(q, side, rng)
        q = np.clip(q, LIMITS[:, 0], LIMITS[:, 1])
        posture = self._rest_head(Posture(q, float(roll), habits))
        return self._place_limbs(posture, rng)

    def _rest_head(self, posture: Posture) -> Posture:
        """Tip the head until its back lies on the mat."""
        q, turn = posture.angles_deg.copy(), supine(posture.trunk_roll_deg)
        for _ in range(2):
            transforms, joints = self.skeleton.pose(q)
            mat = self.mat_height_m(transforms, turn)
            vertices = skin(self.body.rig, self._skin_at_rest, transforms)[self._head_vertices]
            gap = float((vertices @ turn[2]).min()) - mat
            reach = np.linalg.norm(joints[self.body.rig.bone["head"]] - joints[0]) * 0.45
            q[INDEX["neck_flex"]] -= np.rad2deg(gap / reach) * 0.9
            low, high = LIMITS[INDEX["neck_flex"]]
            q[INDEX["neck_flex"]] = np.clip(q[INDEX["neck_flex"]], low, high)
        return replace(posture, angles_deg=q)

    def _place_limbs(self, posture: Posture, rng: np.random.Generator) -> Posture:
        q, turn = posture.angles_deg.copy(), supine(posture.trunk_roll_deg)
        transforms, _ = self.skeleton.pose(q)
        mat = self.mat_height_m(transforms, turn)
        order = [LIMBS[1], LIMBS[3], LIMBS[0], LIMBS[2]]
        for limb, side in order:
            habit = posture.habits[f"{limb}.{side}"]
            ends = self.capsules.place(transforms)
            goal = self._goal(habit, limb, side, transforms, rng)
            names = ARM if limb == "arm" else LEG
            q = self._solver.solve(
                q, (limb, side), indices(names[:4], side), goal,
                ends=ends, up=turn[2], mat=mat, rng=rng,
            )  # fmt: skip
            transforms, _ = self.skeleton.pose(q)
        return replace(posture, angles_deg=q)

    def _goal(
        self, habit: str, limb: str, side: str, transforms: Floats, rng: np.random.Generator
    ) -> Goal:
        """What a habit asks of a limb's middle joint and end."""
        if habit in ("beside_head", "beside_trunk", "frog", "stretched"):
            return Goal(rest_middle=True, rest_end=True)
        if habit == "knee_up":
            return Goal(rest_end=True)
        if habit == "crossed":
            other = "R" if side == "L" else "L"
            shank = self.capsules.place(transforms)[limb_slice(limb, other)][1]
            over = shank[0] + rng.uniform(0.5, 1.0) * (shank[1] - shank[0])
            return Goal(target=over + np.array([0.0, -0.035, 0.0]))
        vertices = skin(self.body.rig, self._skin_at_rest, transforms)
        if habit == "at_face":
            sign = 1.0 if side == "L" else -1.0
            spot = vertices[rng.choice([5155, 485, 297, 13583 if side == "L" else 13655])]
            head = transforms[self.body.rig.bone["head"], :, :3]
            return Goal(target=spot + head @ [sign * rng.uniform(0.0, 0.035), -0.022, -0.012])
        if habit == "on_trunk":
            spot = vertices[rng.choice([1522, 1877, 4055, 4138, 1472])]
            return Goal(target=spot + np.array([rng.normal(0, 0.025), -0.022, rng.normal(0, 0.02)]))
        return Goal()


def _draw_habits(rng: np.random.Generator) -> dict[str, str]:
    habits: dict[str, str] = {}
    for limb, table in (("arm", ARM_HABITS), ("leg", LEG_HABITS)):
        names, shares = list(table), np.array(list(table.values()))
        left, right = rng.choice(names, 2, p=shares / shares.sum())
        if rng.random() < 0.4:
            right = left
        if left == right == "crossed":
            right = "knee_up"
        habits[f"{limb}.L"], habits[f"{limb}.R"] = str(left), str(right)
    return habits


def _loosen_hand(q: Floats, side: str, rng: np.random.Generator) -> None:
    """Loose fists most of the time; now and then an open hand."""
    fist = rng.random() < 0.78
    curl = rng.uniform(62, 96) if fist else rng.uniform(10, 60)
    q[INDEX[f"curl.{side}"]] = curl
