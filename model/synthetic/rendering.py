"""From a scene to a picture in linear light, and the buffers that labels are read from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from model.synthetic.camera import Camera
from model.synthetic.cot import Walls
from model.synthetic.light import Light
from model.synthetic.raster import (
    Buffers,
    Floats32,
    blend_panes,
    rasterise,
    top_heights,
    vertex_normals,
)
from model.synthetic.rig import Floats
from model.synthetic.setting import Ground
from model.synthetic.shading import (
    COVER_EXTENT_M,
    SAMPLES,
    SHADOW_CELLS,
    SHADOW_EXTENT_M,
    majority,
    shade,
    shadow_turns,
)
from model.synthetic.surface import Assembly, Part, Surface

_CONTACT_CELLS = 112


@dataclass(frozen=True, eq=False)
class Rendered:
    """A picture before the sensor.

    Attributes:
        light: float32 (H, W, 3) linear.
        buffers: What was hit, (H * SAMPLES, W * SAMPLES).
        assembly: The meshes that were drawn, the body first.
    """

    light: Floats32
    buffers: Buffers
    assembly: Assembly

    def part_mask(self, *parts: Part) -> NDArray[np.bool_]:
        """Boolean (H, W): pixels most of whose samples show one of the parts."""
        wanted = np.zeros(int(max(Part)) + 1, np.bool_)
        wanted[[int(part) for part in parts]] = True
        return majority(self.buffers.triangle, self.assembly.face_part, wanted)


@cache
def grain_table() -> Floats32:
    """float32 (32, 32, 32): the random numbers behind skin and weave, the same everywhere."""
    return np.random.default_rng(24).random((32, 32, 32)).astype(np.float32)


def assemble(surfaces: Sequence[Surface]) -> Assembly:
    """Join meshes into one; the first is the body, or there is none."""
    offsets = np.cumsum([0, *(len(s.vertices) for s in surfaces)])
    faces = np.concatenate([s.faces + o for s, o in zip(surfaces, offsets, strict=False)])
    vertices = np.concatenate([s.vertices for s in surfaces])
    normals = np.empty_like(vertices)
    vertex_normals(vertices, faces.astype(np.int32), normals)
    face_style, face_part = [], []
    rows: list[Floats32] = []
    for surface in surfaces:
        count = len(surface.faces)
        face_style.append(np.full(count, len(rows) if surface.styles else -1, np.int32))
        face_part.append(np.full(count, int(surface.part), np.uint8))
        rows += [style.row() for style in surface.styles]
    body = surfaces[0]
    return Assembly(
        vertices=vertices,
        faces=np.ascontiguousarray(faces, np.int32),
        normals=normals,
        colour=np.concatenate([s.colour for s in surfaces]),
        gloss=np.concatenate([s.gloss for s in surfaces]),
        pattern_xyz=np.concatenate([s.pattern_xyz for s in surfaces]),
        layers=np.concatenate([s.layers for s in surfaces]),
        face_style=np.concatenate(face_style),
        face_part=np.concatenate(face_part),
        styles=np.stack(rows) if rows else np.zeros((1, 13), np.float32),
        body_faces=len(body.faces) if body.part == Part.BODY else 0,
    )


def render(
    surfaces: Sequence[Surface],
    *,
    ground: Ground,
    walls: Walls,
    light: Light,
    camera: Camera,
    skin_mottle: float,
) -> Rendered:
    """Draw a picture.

    Args:
        surfaces: Meshes in the world, the infant's first; at least one.
        ground: What they lie on.
        walls: Of a cot.
        light: Of the room.
        camera: Who looks.
        skin_mottle: Unevenness of the infant's skin.
    """
    assembly = assemble(surfaces)
    width, height = camera.size_wh
    pixels, depth = camera.project(assembly.vertices)
    near = np.where(depth > 0.02, 1 / np.maximum(depth, 1e-6), 0.0)
    buffers = rasterise(
        (pixels + 0.5) * SAMPLES, near, assembly.faces, height * SAMPLES, width * SAMPLES
    )
    light_axes = light.axes
    contact, canopy = _covers(assembly)
    shadows = _shadow_map(assembly, light_axes)
    centre = (np.asarray(camera.size_wh, np.float64)) / 2 * SAMPLES
    picture = np.empty((height, width, 3), np.float32)
    shade(
        buffers.triangle, buffers.second, buffers.third, buffers.nearness,
        camera.axes, camera.position, camera.focal_px * SAMPLES, centre,
        assembly.faces, assembly.vertices, assembly.normals, assembly.colour, assembly.gloss,
        assembly.pattern_xyz, assembly.layers, assembly.face_style, assembly.styles,
        skin_mottle, grain_table(), ground.row(), ground.albedo, ground.slope,
        contact, canopy, shadows, _near_shadow(shadows), light_axes, light.row(),
        shadow_turns(height, width), picture,
    )  # fmt: skip
    _draw_walls(picture, buffers, walls, camera, light)
    return Rendered(picture, buffers, assembly)


def _covers(assembly: Assembly) -> tuple[Floats32, Floats32]:
    """Where the mat is darkened by what lies close to it, and how high things stand around."""
    cells = _CONTACT_CELLS
    plan = (assembly.vertices[:, :2].astype(np.float64) / COVER_EXTENT_M * 0.5 + 0.5) * cells
    low = top_heights(plan, -assembly.vertices[:, 2], assembly.faces, cells)
    top = np.maximum(top_heights(plan, assembly.vertices[:, 2], assembly.faces, cells), 0)
    near = np.where(low > -8, np.exp(np.minimum(low, 0.05) / 0.035), 0).astype(np.float32)
    shadow = np.maximum(
        cv2.GaussianBlur(near, (0, 0), 1.2), 0.8 * cv2.GaussianBlur(near, (0, 0), 3.5)
    )
    canopy = cv2.GaussianBlur(np.minimum(top, 0.2), (0, 0), 2.2)
    return np.asarray(1 - 0.72 * shadow, np.float32), np.asarray(canopy, np.float32)


def _shadow_map(assembly: Assembly, light_axes: Floats) -> Floats32:
    """float32 (SHADOW_CELLS, SHADOW_CELLS): how near to the light the first surface is."""
    seen = assembly.vertices.astype(np.float64) @ light_axes.T
    plan = (seen[:, :2] / SHADOW_EXTENT_M * 0.5 + 0.5) * SHADOW_CELLS
    return top_heights(plan, seen[:, 2].astype(np.float32), assembly.faces, SHADOW_CELLS)


def _near_shadow(shadows: Floats32) -> NDArray[np.uint8]:
    """uint8 (64, 64): 1 where something may stand between the light and what lies there."""
    block = SHADOW_CELLS // 64
    some = (shadows.reshape(64, block, 64, block).max((1, 3)) > -8).astype(np.uint8)
    return np.asarray(cv2.dilate(some, np.ones((7, 7), np.uint8)))


def _draw_walls(
    picture: Floats32, buffers: Buffers, walls: Walls, camera: Camera, light: Light
) -> None:
    if not len(walls.faces):
        return
    pixels, depth = camera.project(walls.corners)
    near = np.where(depth > 0.02, 1 / np.maximum(depth, 1e-6), 0.0)
    colours = walls.colours.copy()
    colours[:, :3] *= np.asarray(light.sky) + 0.3 * np.asarray(light.key)
    blend_panes(picture, buffers.nearness, SAMPLES, pixels, near, walls.faces, colours)
