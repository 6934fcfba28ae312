"""One infant: body, clothes, complexion; and how it lies in the world in a posture."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.synthetic.body import Body, sample_body
from model.synthetic.clothing import HAIR, Outfit, Tailor, dress, put_on
from model.synthetic.complexion import (
    Complexion,
    express,
    hair_displacement,
    sample_complexion,
)
from model.synthetic.kinematics import skin
from model.synthetic.landmarks import Landmarks
from model.synthetic.posing import Poser, Posture, supine
from model.synthetic.raster import Floats32, vertex_normals
from model.synthetic.rig import Floats, load_rig
from model.synthetic.surface import Part, Surface

_SOFT_M = 0.006
_SOFT_BELOW_M = 0.06


@dataclass(frozen=True, eq=False)
class Subject:
    """An infant at rest.

    Attributes:
        body: Its naked shape, for bones and contacts.
        outfit: Its clothes.
        complexion: Its colours.
        vertices: float32 (V, 3) at rest, clothed, body frame.
        poser: Draws its postures.
        landmarks: Its keypoints.
    """

    body: Body
    outfit: Outfit
    complexion: Complexion
    vertices: Floats32
    poser: Poser
    landmarks: Landmarks


@dataclass(frozen=True, eq=False)
class Posed:
    """An infant in the world.

    Attributes:
        vertices: float32 (V, 3) m.
        transforms: float64 (J, 3, 4) from the body at rest to the world.
        keypoints_xyz: float64 (K, 3) m.
    """

    vertices: Floats32
    transforms: Floats
    keypoints_xyz: Floats


def sample_subject(rng: np.random.Generator) -> Subject:
    """Draw an infant."""
    rig = load_rig()
    tailor = Tailor(rig)
    body = sample_body(rig, rng)
    outfit = dress(tailor, rng)
    complexion = sample_complexion(tailor, rng)
    layers = outfit.layers.copy()
    layers[:, HAIR] = complexion.hair_field
    styles = list(outfit.styles)
    styles[HAIR] = complexion.hair_style
    outfit = replace(outfit, layers=layers, styles=tuple(styles))
    face = replace(body, vertices=body.vertices + express(rig, body, rng))
    clothed = put_on(face, tailor, outfit, rng)
    if complexion.hair_stand_m > 0:
        normals = np.empty_like(clothed)
        vertex_normals(clothed, rig.faces, normals)
        clothed = clothed + normals * hair_displacement(complexion, rng)[:, None].astype(np.float32)
    landmarks = Landmarks.of(body)
    return Subject(body, outfit, complexion, clothed, Poser(body), landmarks)


def lay_down(
    subject: Subject, posture: Posture, shift_xy: tuple[float, float] = (0.0, 0.0)
) -> Posed:
    """Lay an infant on the mat.

    The trunk's back lies on the mat at z = 0 with the middle of the trunk over `shift_xy`. What
    would sink in is pressed flat softly, in height only.

    Args:
        subject: Who.
        posture: How.
        shift_xy: Where on the mat, m.
    """
    transforms, joints = subject.poser.skeleton.pose(posture.angles_deg)
    turn = supine(posture.trunk_roll_deg)
    placed = np.einsum("ab,jbc->jac", turn, transforms)
    vertices = skin(subject.body.rig, subject.vertices, placed).astype(np.float64)
    low = np.quantile(vertices[subject.poser.trunk_vertices, 2], 0.03)
    middle = turn @ joints[subject.body.rig.bone["spine03"]]
    offset = np.array([shift_xy[0] - middle[0], shift_xy[1] - middle[1], 0.002 - low])
    placed[:, :, 3] += offset
    vertices = _pressed(vertices + offset)
    marks = subject.landmarks.place(vertices, placed)
    inner = np.array([not mark.vertices for mark in subject.landmarks.marks])
    marks[inner] = _pressed(marks[inner])
    return Posed(vertices.astype(np.float32), placed, marks)


def _pressed(points: Floats) -> Floats:
    """Press what lies under the mat up to it, smoothly; higher than 6 cm nothing changes."""
    z = points[:, 2]
    soft = _SOFT_M * np.logaddexp(0, z / _SOFT_M)
    out = points.copy()
    out[:, 2] = np.where(z > _SOFT_BELOW_M, z, soft)
    return out


def body_surface(subject: Subject, posed: Posed) -> Surface:
    """The infant as a mesh for the renderer."""
    rig = subject.body.rig
    return Surface(
        vertices=posed.vertices,
        faces=rig.faces,
        colour=subject.complexion.colour,
        part=Part.BODY,
        gloss=subject.complexion.gloss,
        pattern_xyz=rig.rest_vertices.astype(np.float32),
        layers=subject.outfit.layers,
        styles=subject.outfit.styles,
    )


def face_bones(subject: Subject) -> NDArray[np.int32]:
    """int32 (F,): the bone that moves each triangle's first corner most."""
    rig = subject.body.rig
    return np.asarray(rig.dominant_bone[rig.faces[:, 0]])
