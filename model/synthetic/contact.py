"""What touches what: a body as capsules, how deep they sink into each other and into the mat."""

from dataclasses import dataclass

import numpy as np

from model.synthetic.body import Body
from model.synthetic.compiled import kernel
from model.synthetic.kinematics import Ints
from model.synthetic.rig import Floats, Rig

TOLERANCE_M = 0.012
"""Capsules may overlap by this much: flesh gives way, and capsules are rounder than limbs."""

TRUNK_CAPSULES = 3
LIMB_CAPSULES = 3
"""Upper arm, forearm, hand; or thigh, shank, foot. Left arm, left leg, right arm, right leg."""
LIMBS = (("arm", "L"), ("leg", "L"), ("arm", "R"), ("leg", "R"))


def limb_slice(limb: str, side: str) -> slice:
    """Rows of a limb's capsules."""
    start = TRUNK_CAPSULES + LIMB_CAPSULES * LIMBS.index((limb, side))
    return slice(start, start + LIMB_CAPSULES)


@dataclass(frozen=True, eq=False)
class Capsules:
    """C capsules whose ends ride on bones.

    Attributes:
        ends: float64 (C, 2, 3) at rest, body frame.
        bones: int64 (C, 2) the bone that carries each end.
        radii: float64 (C,) m.
        pairs: int64 (P, 2) capsules that may not overlap.
    """

    ends: Floats
    bones: Ints
    radii: Floats
    pairs: Ints

    @classmethod
    def of(cls, body: Body) -> "Capsules":
        """Measure a body: each capsule is as thick as the skin around it is wide."""
        rows = [*_trunk_rows(body), *_limb_rows(body)]
        ends = np.array([[row[0], row[2]] for row in rows])
        bones = np.array([[row[1], row[3]] for row in rows], np.int64)
        radii = np.array([row[4] for row in rows])
        return cls(ends, bones, radii, _pairs())

    def place(self, transforms: Floats) -> Floats:
        """float64 (C, 2, 3): the ends in a posture."""
        turn = transforms[self.bones]
        return np.asarray(np.einsum("ceab,ceb->cea", turn[..., :3], self.ends) + turn[..., 3])

    def deepest(self, transforms: Floats) -> float:
        """Greatest overlap of two capsules in m; negative where all are apart."""
        ends = self.place(transforms)
        return float(_deepest(ends, self.radii, self.pairs))


Row = tuple[Floats, int, Floats, int, float]


def _trunk_rows(body: Body) -> list[Row]:
    rig, bone, joints = body.rig, body.rig.bone, body.joints
    trunk = rig.vertices_of("spine04") & ~rig.vertices_of("spine02")
    middle = body.vertices[trunk, 1].mean()
    low, mid, high = (
        np.array([0.0, middle, joints[bone[name], 2]]) for name in ("root", "spine03", "spine01")
    )
    deep = float(np.ptp(body.vertices[trunk, 1])) / 2
    head = rig.vertices_of("head")
    top, bottom = body.vertices[head, 2].max(), body.vertices[head, 2].min()
    round_head = float(np.ptp(body.vertices[head, 0])) / 2 * 0.92
    centre = body.vertices[head].mean(0)
    centre[1] = (body.vertices[head, 1].max() + body.vertices[head, 1].min()) / 2
    over, under = centre.copy(), centre.copy()
    over[2], under[2] = top - round_head, bottom + round_head * 0.95
    skull = bone["head"]
    return [
        (low, bone["root"], mid, bone["spine03"], deep * 0.9),
        (mid, bone["spine03"], high, bone["spine01"], deep * 0.86),
        (over, skull, np.maximum(under, [-1, -1, bottom]), skull, round_head),
    ]


def _limb_rows(body: Body) -> list[Row]:
    rows: list[Row] = []
    for limb, side in LIMBS:
        chain = (
            ("upperarm01", "lowerarm01", "wrist", "finger3-2")
            if limb == "arm"
            else ("upperleg01", "lowerleg01", "foot", "toe3-1")
        )
        bones = [body.rig.bone[f"{name}.{side}"] for name in chain]
        carried = [bones[0], bones[1], bones[2]]
        for start, end, carrier in zip(bones, bones[1:], carried, strict=False):
            a, b = body.joints[start], body.joints[end]
            name = body.rig.bone_names[carrier]
            radius = _thickness(body, body.rig, name, a, b)
            rows.append((a, carrier, b, carrier, radius))
    return rows


def _thickness(body: Body, rig: Rig, bone_name: str, a: Floats, b: Floats) -> float:
    """Mean distance of a bone's skin from the line between its ends."""
    twin = bone_name.replace("01.", "02.")
    names = {bone_name, twin} & set(rig.bone)
    skin = body.vertices[np.isin(rig.dominant_bone, [rig.bone[name] for name in names])]
    along = np.clip((skin - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    return float(np.linalg.norm(skin - a - along[:, None] * (b - a), axis=1).mean())


def _pairs() -> Ints:
    """Every two capsules that are no neighbours."""
    found: list[tuple[int, int]] = []
    count = TRUNK_CAPSULES + LIMB_CAPSULES * len(LIMBS)
    for a in range(count):
        for b in range(max(a + 1, TRUNK_CAPSULES), count):
            part = (b - TRUNK_CAPSULES) % LIMB_CAPSULES
            same_limb = a >= TRUNK_CAPSULES and (a - TRUNK_CAPSULES) // 3 == (b - 3) // 3
            if same_limb or (a < TRUNK_CAPSULES and part == 0):
                continue
            # Both thighs start at one pelvis.
            both_thighs = a >= TRUNK_CAPSULES and (a - 3) % 6 == 3 and (b - 3) % 6 == 3
            if not both_thighs:
                found.append((a, b))
    return np.array(found, np.int64)


@kernel
def segment_distance(p: Floats, q: Floats) -> float:
    """Distance of two segments, each float64 (2, 3)."""
    ux, uy, uz = p[1, 0] - p[0, 0], p[1, 1] - p[0, 1], p[1, 2] - p[0, 2]
    vx, vy, vz = q[1, 0] - q[0, 0], q[1, 1] - q[0, 1], q[1, 2] - q[0, 2]
    wx, wy, wz = p[0, 0] - q[0, 0], p[0, 1] - q[0, 1], p[0, 2] - q[0, 2]
    a = ux * ux + uy * uy + uz * uz + 1e-12
    b = ux * vx + uy * vy + uz * vz
    c = vx * vx + vy * vy + vz * vz + 1e-12
    d = ux * wx + uy * wy + uz * wz
    e = vx * wx + vy * wy + vz * wz
    det = a * c - b * b
    s = min(1.0, max(0.0, (b * e - c * d) / det)) if det > 1e-9 * a * c else 0.0
    t = min(1.0, max(0.0, (b * s + e) / c))
    s = min(1.0, max(0.0, (b * t - d) / a))
    x, y, z = wx + s * ux - t * vx, wy + s * uy - t * vy, wz + s * uz - t * vz
    return float(np.sqrt(x * x + y * y + z * z))


@kernel
def _deepest(ends: Floats, radii: Floats, pairs: Ints) -> float:
    worst = -1.0
    for k in range(pairs.shape[0]):
        a, b = pairs[k, 0], pairs[k, 1]
        worst = max(worst, radii[a] + radii[b] - segment_distance(ends[a], ends[b]))
    return worst
