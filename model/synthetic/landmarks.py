"""Where an annotator would put the 21 points of infant21, as places on the rig.

The rig's joints are not an annotator's points. The offsets stated here, in trunk lengths (chest to
mid-hip), were measured between models' answers and annotators' marks on real frames.
docs/synthetic.md shows each choice in a close-up picture.

There are two kinds. A *surface* point is fixed to the skin: it is visible only where that very
spot is seen. A *joint* lies inside the body: it is visible where the body right in front of it is
the limb it belongs to.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model.spec.skeleton import Skeleton, load_skeleton
from model.synthetic.body import Body
from model.synthetic.rig import Floats, Rig

CHEST_VERTEX = 1522
"""Front of the upper chest on the line of the shoulders, between the collar bones."""


@dataclass(frozen=True)
class Mark:
    """One keypoint's place.

    Attributes:
        vertices: Surface points: vertices whose mean it is. Joints: empty.
        bone: Joints: the bone at whose head it lies. Surface points: empty.
        carrier: Joints: the bone that carries the offset along.
        offset: Joints: (outward, front, headward) from the bone's head, in trunk lengths.
        near: Bones whose skin or clothes may stand in front of a visible joint; with `*` all
            that hang on it.
        surface: Whether it is visible only where that very spot is seen.
    """

    near: tuple[str, ...]
    vertices: tuple[int, ...] = ()
    bone: str = ""
    carrier: str = ""
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    surface: bool = True


_TRUNK = ("spine01", "spine02", "spine03", "spine04", "spine05", "root")


def _side_marks(side: str) -> dict[str, Mark]:
    left = side == "L"
    arm = (f"clavicle.{side}", f"shoulder01.{side}", f"upperarm01.{side}", f"upperarm02.{side}")
    forearm = (f"lowerarm01.{side}", f"lowerarm02.{side}")
    thigh = (f"upperleg01.{side}", f"upperleg02.{side}")
    shank = (f"lowerleg01.{side}", f"lowerleg02.{side}")
    hand, foot = f"*wrist.{side}", f"*foot.{side}"
    # The eye: the foremost point of the eyeball. Closed lids lie within a millimetre of it.
    eye = Mark((f"eye.{side}", "head"), (13583 if left else 13655,))
    # The shoulder: the acromion, 0.12 to 0.16 above and 0.06 outward of the arm bone's head.
    shoulder = Mark((*arm, "spine01", "spine02"), (8259 if left else 1603,), surface=False)
    elbow = Mark((*arm[2:], *forearm), (), f"lowerarm01.{side}", surface=False)
    wrist = Mark((*forearm, hand), (), f"wrist.{side}", surface=False)
    # The tip of the middle finger; the big toe's.
    finger = Mark((hand,), (8755 if left else 2103,))
    toe = Mark((foot,), (11528 if left else 4926,))
    # The hip: the groin crease, 0.06 below the thigh bone's head, wider apart (the rig's hips
    # stand 6.6 cm apart, annotators' 8 to 9 cm) and forward, half way to the skin.
    hip = Mark(
        (f"pelvis.{side}", *thigh, "root", "spine05", "spine04"),
        (), f"upperleg01.{side}", f"pelvis.{side}", (0.07, 0.12, -0.06), surface=False,
    )  # fmt: skip
    # The knee: the kneecap, 0.15 outward and forward of the shank bone's head.
    knee = Mark((*thigh, *shank), (11217 if left else 4615,), surface=False)
    ankle = Mark((*shank, foot), (), f"foot.{side}", surface=False)
    names = (
        "eye", "shoulder", "elbow", "wrist", "middle_finger", "hip", "knee", "ankle", "toe",
    )  # fmt: skip
    word = "left" if left else "right"
    marks = (eye, shoulder, elbow, wrist, finger, hip, knee, ankle, toe)
    return {f"{word}_{name}": mark for name, mark in zip(names, marks, strict=True)}


MARKS: dict[str, Mark] = {
    **_side_marks("R"),
    **_side_marks("L"),
    # The chin: its front, 0.044 above the rig's lowest chin vertex (5155). Annotators' chins and
    # eyes were measured 0.06 towards the head; the rest is the head's own tilt, which gravity
    # brings in posing. Higher up lies the lip.
    "chin": Mark(("head",), (724,)),
    "chest": Mark(("spine01", "spine02", "neck01", "clavicle.L", "clavicle.R"), (CHEST_VERTEX,)),
    # The navel: 0.25 above the rig's own (4105), half way between two vertices of the midline.
    "navel": Mark(_TRUNK, (4138, 4055)),
}


def infant21() -> Skeleton:
    """The skeleton that is drawn."""
    return load_skeleton("infant21")


def trunk_length_m(body: Body) -> float:
    """Chest to mid-hip at rest, the unit of the offsets."""
    bone = body.rig.bone
    hips = (body.joints[bone["upperleg01.L"]] + body.joints[bone["upperleg01.R"]]) / 2
    return float(np.linalg.norm(body.vertices[CHEST_VERTEX] - hips))


@dataclass(frozen=True, eq=False)
class Landmarks:
    """The marks of one body, in infant21's order.

    Attributes:
        rig: What the body is made from.
        marks: K marks.
        rest: float64 (K, 3) where each lies at rest, body frame.
    """

    rig: Rig
    marks: tuple[Mark, ...]
    rest: Floats

    @classmethod
    def of(cls, body: Body) -> "Landmarks":
        """Measure a body's marks."""
        marks = tuple(MARKS[name] for name in infant21().keypoints)
        unit = trunk_length_m(body)
        rest = np.zeros((len(marks), 3))
        for row, mark in zip(rest, marks, strict=True):
            if mark.vertices:
                row[:] = body.vertices[list(mark.vertices)].mean(0)
                continue
            outward, front, headward = mark.offset
            side = 1.0 if mark.bone.endswith("L") else -1.0
            offset = np.array([side * outward, -front, headward]) * unit
            row[:] = body.joints[body.rig.bone[mark.bone]] + offset
        return cls(body.rig, marks, rest)

    def place(self, vertices: Floats, transforms: Floats) -> Floats:
        """Where the marks are in a posture.

        Args:
            vertices: (V, 3) the skinned vertices.
            transforms: float64 (J, 3, 4) of the bones, in the same frame as the vertices.

        Returns:
            float64 (K, 3).
        """
        out = np.zeros((len(self.marks), 3))
        for i, mark in enumerate(self.marks):
            if mark.vertices:
                out[i] = vertices[list(mark.vertices)].mean(0)
            else:
                carrier = self.rig.bone[mark.carrier or mark.bone]
                out[i] = transforms[carrier, :, :3] @ self.rest[i] + transforms[carrier, :, 3]
        return out

    @cached_property
    def near(self) -> NDArray[np.bool_]:
        """Boolean (K, J): bones whose skin may stand in front of each visible mark."""
        out = np.zeros((len(self.marks), self.rig.num_bones), np.bool_)
        for row, mark in zip(out, self.marks, strict=True):
            for name in mark.near:
                if name.startswith("*"):
                    row[self.rig.below(name[1:])] = True
                else:
                    row[self.rig.bone[name]] = True
        return out

    @cached_property
    def is_surface(self) -> NDArray[np.bool_]:
        """Boolean (K,)."""
        return np.array([mark.surface for mark in self.marks])
