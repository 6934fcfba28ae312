"""Meshes as the renderer takes them: corners, triangles, colours, and layers of cloth over them."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from model.synthetic.raster import Floats32, Ints32

NUM_LAYERS = 6
"""Layers of cloth, tape or hair that may lie over one mesh; later ones cover earlier ones."""


class Part(IntEnum):
    """Whose surface it is, for labels and masks."""

    BODY = 0
    GARMENT = 1
    THING = 2


class Print(IntEnum):
    """How a cloth is patterned."""

    PLAIN = 0
    STRIPES = 1
    DOTS = 2
    CHECK = 3
    BLOTCHES = 4
    MOTIFS = 5
    RIB = 6
    NAPPY = 7
    HAIR = 8


@dataclass(frozen=True)
class Style:
    """How a layer looks.

    Attributes:
        colours: Three linear RGB colours: ground, print, second print.
        pattern: Which print.
        pitch_m: Repeat of the print.
        folds: Strength of the creases, 0 to about 1.
        gloss: 0 matt to 1.
    """

    colours: tuple[tuple[float, float, float], ...]
    pattern: Print = Print.PLAIN
    pitch_m: float = 0.03
    folds: float = 0.5
    gloss: float = 0.0

    def row(self) -> NDArray[np.float32]:
        """float32 (13,): what the shading kernel reads."""
        first, second, third = (*self.colours, *self.colours[-1:] * 2)[:3]
        numbers = (*first, *second, *third, self.pattern, 1 / self.pitch_m, self.folds, self.gloss)
        return np.array(numbers, np.float32)


PLAIN_WHITE = Style(((0.8, 0.8, 0.8),))


@dataclass(frozen=True, eq=False)
class Surface:
    """One mesh in the world.

    Attributes:
        vertices: float32 (N, 3) m.
        faces: int32 (M, 3).
        colour: float32 (N, 3) linear RGB of what lies under the layers.
        part: Whose it is.
        gloss: float32 (N,) 0 matt to 1 wet.
        pattern_xyz: float32 (N, 3) m, coordinates that prints and grain stick to.
        layers: float32 (N, NUM_LAYERS); where a layer is above 0 it covers.
        styles: One per layer in use.
    """

    vertices: Floats32
    faces: Ints32
    colour: Floats32
    part: Part
    gloss: Floats32
    pattern_xyz: Floats32
    layers: Floats32
    styles: tuple[Style, ...] = field(default=())


def thing(
    vertices: NDArray[np.floating],
    faces: Ints32,
    colour: NDArray[np.floating],
    *,
    gloss: float = 0.15,
) -> Surface:
    """A mesh of one colour, or of one per corner, that is no part of the infant."""
    count = len(vertices)
    return Surface(
        vertices=np.ascontiguousarray(vertices, np.float32),
        faces=faces,
        colour=np.ascontiguousarray(np.broadcast_to(colour, (count, 3)), np.float32),
        part=Part.THING,
        gloss=np.full(count, gloss, np.float32),
        pattern_xyz=np.ascontiguousarray(vertices, np.float32),
        layers=np.full((count, NUM_LAYERS), -1, np.float32),
    )


@dataclass(frozen=True, eq=False)
class Assembly:
    """All meshes of a picture as one.

    Attributes:
        vertices: float32 (N, 3).
        faces: int32 (M, 3).
        normals: float32 (N, 3).
        colour: float32 (N, 3).
        gloss: float32 (N,).
        pattern_xyz: float32 (N, 3).
        layers: float32 (N, NUM_LAYERS).
        face_style: int32 (M,) row of the triangle's first layer in `styles`.
        face_part: uint8 (M,) Part.
        styles: float32 (S, 13).
        body_faces: How many triangles, from the first, are the body's.
    """

    vertices: Floats32
    faces: Ints32
    normals: Floats32
    colour: Floats32
    gloss: Floats32
    pattern_xyz: Floats32
    layers: Floats32
    face_style: Ints32
    face_part: NDArray[np.uint8]
    styles: Floats32
    body_faces: int
