"""Posture to bones to skin: rotations of the joints, forward kinematics, linear blend skinning.

Rotations follow the rig: each bone's is relative to its parent, about its own head, with the axes
of the body frame at rest. Left and right share one formula with a sign.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model.synthetic.compiled import kernel
from model.synthetic.freedoms import LIMB_COUNT, TRUNK_COUNT
from model.synthetic.rig import Floats, Rig

if TYPE_CHECKING:
    from model.synthetic.body import Body

Ints = NDArray[np.int64]

_SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
_NECK = (("neck01", 0.2), ("neck02", 0.25), ("neck03", 0.25), ("head", 0.3))
_SIDE_BONES = (
    "clavicle", "upperarm01", "lowerarm01", "lowerarm02", "wrist",
    "upperleg01", "lowerleg01", "foot",
    *(f"finger{finger}-{part}" for finger in (2, 3, 4, 5) for part in (1, 2, 3)),
    "finger1-2", "finger1-3",
    *(f"toe{toe}-1" for toe in (1, 2, 3, 4, 5)),
)  # fmt: skip
_FINGERS = 8
_TOES = _FINGERS + 14


@dataclass(frozen=True, eq=False)
class Skeleton3D:
    """What the kernels need to pose one body.

    Attributes:
        joints: float64 (J, 3) bone heads at rest.
        parents: int64 (J,).
        spine: int64 (5,) bones, from the pelvis up.
        neck: int64 (4,) bones, from the trunk up.
        sides: int64 (2, 27) bones of the left and the right side.
        axes: float64 (2, 6, 3) per side: along the upper arm, along the forearm, the elbow's
            hinge, across the hand, out of the palm, and an unused row.
    """

    joints: Floats
    parents: Ints
    spine: Ints
    neck: Ints
    sides: Ints
    axes: Floats

    @classmethod
    def of(cls, body: "Body") -> "Skeleton3D":
        """Measure a body's axes."""
        bone, joints = body.rig.bone, body.joints
        axes = np.zeros((2, 6, 3))
        for i, side in enumerate("LR"):

            def along(start: str, end: str, side: str = side) -> Floats:
                return np.asarray(joints[bone[f"{end}.{side}"]] - joints[bone[f"{start}.{side}"]])

            upper, fore = along("upperarm01", "lowerarm01"), along("lowerarm01", "wrist")
            hand, across = along("wrist", "finger3-1"), along("finger2-1", "finger5-1")
            across = across - hand * (across @ hand) / (hand @ hand)
            rows = (upper, fore, np.cross(upper, fore), across, np.cross(hand, across))
            for k, row in enumerate(rows):
                axes[i, k] = row / np.linalg.norm(row)
        return cls(
            joints=np.ascontiguousarray(joints),
            parents=body.rig.parents,
            spine=np.array([bone[name] for name in _SPINE], np.int64),
            neck=np.array([bone[name] for name, _ in _NECK], np.int64),
            sides=np.array([[bone[f"{n}.{s}"] for n in _SIDE_BONES] for s in "LR"], np.int64),
            axes=axes,
        )

    @cached_property
    def kernel_arguments(self) -> tuple[Floats, Ints, Ints, Ints, Ints, Floats]:
        """The arrays in the order in which the kernels take them."""
        return self.joints, self.parents, self.spine, self.neck, self.sides, self.axes

    def pose(self, posture_deg: Floats) -> tuple[Floats, Floats]:
        """Bring the bones into a posture.

        Args:
            posture_deg: float64 (36,) in the order of FREEDOMS.

        Returns:
            Transforms float64 (J, 3, 4) from rest to posture, and bone heads float64 (J, 3), both
            in the body frame.
        """
        transforms = np.zeros((len(self.joints), 3, 4))
        joints = np.zeros((len(self.joints), 3))
        pose_kernel(np.deg2rad(posture_deg), *self.kernel_arguments, transforms, joints)
        return transforms, joints


def skin(rig: Rig, vertices: NDArray[np.float32], transforms: Floats) -> NDArray[np.float32]:
    """Move vertices with their bones.

    Args:
        rig: Gives the weights.
        vertices: float32 (V, 3) at rest.
        transforms: float64 (J, 3, 4).

    Returns:
        float32 (V, 3).
    """
    out = np.empty_like(vertices)
    _skin_kernel(vertices, rig.weight_bones, rig.weights, transforms.astype(np.float32), out)
    return out


@kernel
def _skin_kernel(
    vertices: NDArray[np.float32],
    bones: NDArray[np.int32],
    weights: NDArray[np.float32],
    transforms: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    for i in range(vertices.shape[0]):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        a = b = c = np.float32(0.0)
        for k in range(bones.shape[1]):
            share = weights[i, k]
            if share > 0:
                m = transforms[bones[i, k]]
                a += share * (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3])
                b += share * (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3])
                c += share * (m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3])
        out[i, 0], out[i, 1], out[i, 2] = a, b, c


@kernel
def turn_about(matrix: Floats, x: float, y: float, z: float, angle: float) -> None:
    """Multiply a matrix (3, 3), in place and from the right, by a rotation about (x, y, z)."""
    n = np.sqrt(x * x + y * y + z * z)
    x, y, z = x / n, y / n, z / n
    s, c = np.sin(angle), np.cos(angle)
    t = 1 - c
    for i in range(3):
        a, b, d = matrix[i, 0], matrix[i, 1], matrix[i, 2]
        matrix[i, 0] = a * (c + t * x * x) + b * (t * x * y + s * z) + d * (t * x * z - s * y)
        matrix[i, 1] = a * (t * x * y - s * z) + b * (c + t * y * y) + d * (t * y * z + s * x)
        matrix[i, 2] = a * (t * x * z + s * y) + b * (t * y * z - s * x) + d * (c + t * z * z)


@kernel
def reset(matrix: Floats) -> None:
    """Make a matrix (3, 3) the identity, in place."""
    for i in range(3):
        for j in range(3):
            matrix[i, j] = 1.0 if i == j else 0.0


@kernel
def _turn_towards(matrix: Floats, start: Floats, x: float, y: float, z: float) -> None:
    """Multiply from the right by the smallest rotation from unit `start` to unit (x, y, z)."""
    kx = start[1] * z - start[2] * y
    ky = start[2] * x - start[0] * z
    kz = start[0] * y - start[1] * x
    sine = np.sqrt(kx * kx + ky * ky + kz * kz)
    cosine = start[0] * x + start[1] * y + start[2] * z
    if sine > 1e-9:
        turn_about(matrix, kx, ky, kz, np.arctan2(sine, cosine))


@kernel
def chain_bone(
    above: Floats, local: Floats, rest: Floats, transform: Floats, joint: Floats
) -> None:
    """A bone's transform (3, 4) and head (3,) from its parent's transform, in place."""
    for i in range(3):
        joint[i] = above[i, 3]
        for k in range(3):
            joint[i] += above[i, k] * rest[k]
            transform[i, k] = 0.0
            for m in range(3):
                transform[i, k] += above[i, m] * local[m, k]
    for i in range(3):
        transform[i, 3] = joint[i]
        for k in range(3):
            transform[i, 3] -= transform[i, k] * rest[k]


@kernel
def pose_kernel(
    q: Floats,
    rest: Floats,
    parents: Ints,
    spine: Ints,
    neck: Ints,
    sides: Ints,
    axes: Floats,
    transforms: Floats,
    joints: Floats,
) -> None:
    """Posture in radians to transforms and bone heads, written in place."""
    count = rest.shape[0]
    local = np.zeros((count, 3, 3))
    for i in range(count):
        reset(local[i])
    for i in range(5):
        bend_spine(local[spine[i]], q)
    for i in range(4):
        k = 0.2 if i == 0 else (0.3 if i == 3 else 0.25)
        turn_about(local[neck[i]], 0.0, 0.0, 1.0, q[3] * k)
        turn_about(local[neck[i]], 1.0, 0.0, 0.0, q[4] * k)
        turn_about(local[neck[i]], 0.0, 1.0, 0.0, q[5] * k)
    for s in range(2):
        g = q[TRUNK_COUNT + s * LIMB_COUNT : TRUNK_COUNT + (s + 1) * LIMB_COUNT]
        arm_kernel(local, g, sides[s], axes[s], 1.0 - 2.0 * s)
        hand_kernel(local, g, sides[s], axes[s], 1.0 - 2.0 * s)
        leg_kernel(local, g, sides[s], 1.0 - 2.0 * s)
    world = np.zeros((3, 4))
    reset(world[:, :3])
    for i in range(count):
        above = transforms[parents[i]] if parents[i] >= 0 else world
        chain_bone(above, local[i], rest[i], transforms[i], joints[i])


@kernel
def bend_spine(matrix: Floats, q: Floats) -> None:
    """One spine bone's share of bending, leaning and twisting, in place."""
    turn_about(matrix, 1.0, 0.0, 0.0, q[0] / 5)
    turn_about(matrix, 0.0, 1.0, 0.0, q[1] / 5)
    turn_about(matrix, 0.0, 0.0, 1.0, q[2] / 5)


@kernel
def arm_kernel(local: Floats, g: Floats, bones: Ints, axes: Floats, sign: float) -> None:
    """Collar bone, shoulder, elbow and wrist; g in the order of the limb's freedoms."""
    abduct, forward = g[0], g[1]
    x = sign * np.sin(abduct) * np.cos(forward)
    y = -np.sin(forward)
    z = -np.cos(abduct) * np.cos(forward)
    shrug = -sign * max(0.0, abduct - np.pi / 2) * 0.35
    turn_about(local[bones[0]], 0.0, 1.0, 0.0, shrug)
    turn_about(local[bones[1]], 0.0, 1.0, 0.0, -shrug)
    turn_about(local[bones[1]], x, y, z, -sign * g[2])
    _turn_towards(local[bones[1]], axes[0], x, y, z)
    turn_about(local[bones[2]], axes[2, 0], axes[2, 1], axes[2, 2], g[3])
    turn_about(local[bones[3]], axes[1, 0], axes[1, 1], axes[1, 2], sign * g[4] * 0.5)
    wrist = local[bones[4]]
    turn_about(wrist, axes[1, 0], axes[1, 1], axes[1, 2], sign * g[4] * 0.5)
    turn_about(wrist, axes[3, 0], axes[3, 1], axes[3, 2], -sign * g[5])
    turn_about(wrist, axes[4, 0], axes[4, 1], axes[4, 2], g[6])


@kernel
def hand_kernel(local: Floats, g: Floats, bones: Ints, axes: Floats, sign: float) -> None:
    """Fingers and thumb, which curl together."""
    x, y, z = axes[3, 0], axes[3, 1], axes[3, 2]
    for joint in range(14):
        part = joint % 3
        share = 0.9 if part == 0 else (1.0 if part == 1 else 0.7)
        if joint >= 12:
            share = 0.25 if joint == 12 else 0.45
        turn_about(local[bones[_FINGERS + joint]], x, y, z, -sign * g[7] * share)


@kernel
def leg_kernel(local: Floats, g: Floats, bones: Ints, sign: float) -> None:
    """Hip, knee, ankle and toes."""
    hip, foot = local[bones[5]], local[bones[7]]
    turn_about(hip, 0.0, 1.0, 0.0, -sign * g[9])
    turn_about(hip, 1.0, 0.0, 0.0, -g[8])
    turn_about(hip, 0.0, 0.0, 1.0, sign * g[10])
    turn_about(local[bones[6]], 1.0, 0.0, 0.0, g[11])
    turn_about(foot, 1.0, 0.0, 0.0, -g[12])
    turn_about(foot, 0.0, 1.0, 0.0, sign * g[13])
    for toe in range(5):
        turn_about(local[bones[_TOES + toe]], 1.0, 0.0, 0.0, g[14])
