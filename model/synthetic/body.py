"""One infant's body at rest: a random shape brought to a newborn's proportions and size."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model.synthetic.kinematics import skin
from model.synthetic.rig import CROWN_VERTEX, Floats, Rig

CHIN_VERTEX = 5155
HEAD_RATIO = (0.235, 0.270)
"""Crown to chin as a share of the length: a quarter in a newborn."""
LEG_RATIO = (0.385, 0.430)
"""Hip to heel as a share of the length."""
SHOULDERS_M = (0.112, 0.150)
"""Distance of the shoulder joints that is kept, in the rig's baby of 0.6 m."""
SIZE_M = (0.49, 0.62)
"""Crown to heel of the infants that are drawn: birth to about four months."""


@dataclass(frozen=True)
class Proportions:
    """Scales against the rig's baby, whose legs are too long and whose head is too small.

    Attributes:
        head: Whole head.
        leg: Along thigh and shank.
        arm: Along both parts of the arm.
        foot: Whole foot.
        hand: Whole hand.
        girth: Across the limbs.
        trunk: Width of the trunk.
        belly: Depth of the trunk.
    """

    head: float = 1.09
    leg: float = 0.77
    arm: float = 0.90
    foot: float = 0.93
    hand: float = 0.90
    girth: float = 1.12
    trunk: float = 1.06
    belly: float = 1.03


@dataclass(frozen=True, eq=False)
class Body:
    """A body at rest in the body frame (metres).

    Attributes:
        rig: What it is made from.
        vertices: float64 (V, 3).
        joints: float64 (J, 3) bone heads.
    """

    rig: Rig
    vertices: Floats
    joints: Floats

    @property
    def length_m(self) -> float:
        """Crown to heel."""
        return float(np.ptp(self.vertices[:, 2]))

    @property
    def head_ratio(self) -> float:
        """Height of the head, crown to chin, as a share of the length."""
        head = self.vertices[CROWN_VERTEX, 2] - self.vertices[CHIN_VERTEX, 2]
        return float(head) / self.length_m

    @property
    def leg_ratio(self) -> float:
        """Hip to heel as a share of the length."""
        hip = self.joints[self.rig.bone["upperleg01.L"], 2]
        return float(hip - self.vertices[:, 2].min()) / self.length_m

    @property
    def shoulder_ratio(self) -> float:
        """Distance of the shoulder joints as a share of the length."""
        left, right = (self.joints[self.rig.bone[f"upperarm01.{side}"]] for side in "LR")
        return float(np.linalg.norm(left - right)) / self.length_m

    @cached_property
    def scale(self) -> float:
        """Against the rig's mean baby: size of the face."""
        rest = self.rig.rest_vertices
        ours = np.linalg.norm(self.vertices[CHIN_VERTEX] - self.vertices[CROWN_VERTEX])
        return float(ours / np.linalg.norm(rest[CHIN_VERTEX] - rest[CROWN_VERTEX]))


def sample_body(rig: Rig, rng: np.random.Generator) -> Body:
    """Draw an infant's shape, proportions and size.

    Random shapes scatter far more in the head than infants do, so that head and legs are brought
    to a drawn share of the length.
    """
    girth = rng.uniform(1.05, 1.32)
    proportions = Proportions(
        head=rng.uniform(1.02, 1.14),
        leg=rng.uniform(0.70, 0.84),
        arm=rng.uniform(0.82, 0.96),
        foot=rng.uniform(0.86, 0.97),
        hand=rng.uniform(0.82, 0.94),
        girth=girth,
        trunk=rng.uniform(1.0, 1.06) + 0.35 * (girth - 1.05),
        belly=rng.uniform(0.94, 1.10),
    )
    head_ratio, leg_ratio = rng.uniform(*HEAD_RATIO), rng.uniform(*LEG_RATIO)
    length_m = rng.uniform(*SIZE_M)
    codes = _sample_codes(rig, rng)
    body = make_body(rig, codes, proportions, length_m=length_m)
    for _ in range(2):
        proportions = replace(
            proportions,
            head=proportions.head * head_ratio / body.head_ratio,
            leg=proportions.leg * leg_ratio / body.leg_ratio,
        )
        body = make_body(rig, codes, proportions, length_m=length_m)
    return body


def _sample_codes(rig: Rig, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a shape; those far too narrow or wide in the shoulders are drawn again."""
    bones = np.array([rig.bone["upperarm01.L"], rig.bone["upperarm01.R"]])
    places = (3 * (rig.num_vertices + bones)[:, None] + np.arange(3)).ravel()
    mean, components = rig.mean[places], rig.components[:, places]
    for _ in range(20):
        codes = np.clip(rng.standard_normal(len(components)) * 0.8, -1.8, 1.8).astype(np.float32)
        left, right = (mean + codes @ components).reshape(2, 3)
        if SHOULDERS_M[0] <= np.linalg.norm(left - right) <= SHOULDERS_M[1]:
            return codes
    return np.zeros(len(components), np.float32)


def make_body(
    rig: Rig, codes: NDArray[np.float32], proportions: Proportions, *, length_m: float
) -> Body:
    """Build a body.

    Args:
        rig: What it is made from.
        codes: float32 (C,) shape in standard deviations.
        proportions: Scales of its parts.
        length_m: Crown to heel.
    """
    flat = rig.mean + codes @ rig.components
    vertices = flat[: 3 * rig.num_vertices].reshape(-1, 3).astype(np.float64)
    joints = flat[3 * rig.num_vertices :].reshape(-1, 3).astype(np.float64)
    vertices, joints = _rescale(rig, vertices, joints, proportions)
    size = length_m / float(np.ptp(vertices[:, 2]))
    return Body(rig, vertices * size, joints * size)


def _rescale(
    rig: Rig, vertices: Floats, joints: Floats, proportions: Proportions
) -> tuple[Floats, Floats]:
    """Scale each bone's surroundings and move what hangs on it, as a pose would."""
    scales = _bone_scales(rig, joints, proportions)
    moved = joints.copy()
    for i in range(1, rig.num_bones):
        parent = rig.parents[i]
        moved[i] = moved[parent] + scales[parent] @ (joints[i] - joints[parent])
    transforms = np.zeros((rig.num_bones, 3, 4))
    transforms[:, :, :3] = scales
    transforms[:, :, 3] = moved - np.einsum("jab,jb->ja", scales, joints)
    return skin(rig, vertices.astype(np.float32), transforms).astype(np.float64), moved


def _bone_scales(rig: Rig, joints: Floats, p: Proportions) -> Floats:
    scales = np.tile(np.eye(3), (rig.num_bones, 1, 1))

    def limb(names: tuple[str, str], side: str, *, ends: tuple[str, str], along: float) -> None:
        start, end = (joints[rig.bone[f"{name}.{side}"]] for name in ends)
        axis = (end - start) / np.linalg.norm(end - start)
        for name in names:
            scales[rig.bone[f"{name}.{side}"]] = p.girth * np.eye(3) + (along - p.girth) * np.outer(
                axis, axis
            )

    for side in "LR":
        thigh, shank = ("upperleg01", "lowerleg01"), ("lowerleg01", "foot")
        limb(("upperleg01", "upperleg02"), side, ends=thigh, along=p.leg)
        limb(("lowerleg01", "lowerleg02"), side, ends=shank, along=p.leg)
        limb(("upperarm01", "upperarm02"), side, ends=("upperarm01", "lowerarm01"), along=p.arm)
        limb(("lowerarm01", "lowerarm02"), side, ends=("lowerarm01", "wrist"), along=p.arm)
        scales[rig.below(f"foot.{side}")] = p.foot * np.eye(3)
        scales[rig.below(f"wrist.{side}")] = p.hand * np.eye(3)
    for name, share in (("spine05", 1.0), ("spine04", 1.0), ("spine03", 0.8), ("spine02", 0.3)):
        wide, deep = 1 + share * (p.trunk - 1), 1 + share * (p.belly - 1)
        scales[rig.bone[name]] = np.diag([wide, deep, 1.0])
    scales[rig.below("head")] = p.head * np.eye(3)
    for name in ("neck02", "neck03"):
        scales[rig.bone[name]] = np.diag([1.12, 1.12, 0.85])
    return scales
