"""The walls round a mattress: clear plastic with a rim, low white walls, or bars."""

from dataclasses import dataclass

import numpy as np

from model.synthetic.raster import Floats32, Ints32
from model.synthetic.rig import Floats
from model.synthetic.setting import Ground
from model.synthetic.surface import Surface, thing
from model.synthetic.texture import linear
from model.synthetic.things import box, pane, tube


@dataclass(frozen=True, eq=False)
class Walls:
    """What stands round the mattress.

    Attributes:
        kind: clear, white, bars or none.
        solid: Opaque meshes in the world.
        corners: float64 (N, 3) of translucent quads.
        faces: int32 (M, 3).
        colours: float32 (N, 4) linear colour and opacity.
    """

    kind: str
    solid: tuple[Surface, ...]
    corners: Floats
    faces: Ints32
    colours: Floats32


NO_WALLS = Walls(
    "none", (), np.zeros((0, 3)), np.zeros((0, 3), np.int32), np.zeros((0, 4), np.float32)
)


def sample_walls(ground: Ground, rng: np.random.Generator) -> Walls:
    """Draw a cot's walls; other places have none."""
    if ground.place != "cot":
        return NO_WALLS
    kind = str(rng.choice(["clear", "white", "bars"], p=[0.78, 0.14, 0.08]))
    height, lean = rng.uniform(0.07, 0.2), rng.uniform(0.0, 0.05)
    foot = _ring(ground, 0.012, -0.02)
    top = _ring(ground, 0.012 + lean, height)
    rim_colour = linear([(236, 238, 238), (200, 206, 210), (96, 130, 190), (60, 96, 168)][
        int(rng.choice(4, p=[0.45, 0.25, 0.15, 0.15]))
    ])  # fmt: skip
    solid = [
        _bar(top[i], top[(i + 1) % 4], rng.uniform(0.004, 0.010), rim_colour) for i in range(4)
    ]
    if rng.random() < 0.6:
        edge = _ring(ground, 0.006, 0.0)
        tone = linear((240, 241, 242)) if rng.random() < 0.6 else rim_colour
        solid += [
            _bar(edge[i], edge[(i + 1) % 4], rng.uniform(0.008, 0.016), tone) for i in range(4)
        ]
    if rng.random() < 0.5:
        solid += _clips(top, rng)
    if kind == "bars":
        for i in range(4):
            for share in np.linspace(0.08, 0.92, 9):
                low = foot[i] + share * (foot[(i + 1) % 4] - foot[i])
                high = top[i] + share * (top[(i + 1) % 4] - top[i])
                solid.append(_bar(low, high, 0.006, rim_colour))
        return Walls(kind, tuple(solid), NO_WALLS.corners, NO_WALLS.faces, NO_WALLS.colours)
    corners, faces, colours = [], [], []
    tint = linear((215, 225, 232)) * rng.uniform(0.6, 1.1)
    thin = (0.1, rng.uniform(0.12, 0.3)) if kind == "clear" else (0.97, 0.97)
    for i in range(4):
        j = (i + 1) % 4
        quad, triangles, rgba = pane(
            np.stack([foot[i], foot[j], top[j], top[i]]), tint * rng.uniform(0.8, 1.2), thin
        )
        corners.append(quad)
        faces.append(triangles + 4 * i)
        colours.append(rgba)
    return Walls(
        kind,
        tuple(solid),
        np.concatenate(corners),
        np.concatenate(faces).astype(np.int32),
        np.concatenate(colours),
    )


def _ring(ground: Ground, out: float, height: float) -> Floats:
    """float64 (4, 3): corners round the mattress in the world."""
    u, v = ground.half_uv[0] + out, ground.half_uv[1] + out
    ring = [[-u, -v, height], [u, -v, height], [u, v, height], [-u, v, height]]
    return ground.to_world(np.array(ring))


def _bar(start: Floats, end: Floats, radius_m: float, colour: Floats) -> Surface:
    vertices, faces = tube(start + np.linspace(0, 1, 4)[:, None] * (end - start), radius_m, 8)
    return thing(vertices, faces, colour, gloss=0.4)


def _clips(top: Floats, rng: np.random.Generator) -> list[Surface]:
    """Fittings on the rim, and now and then a card holder."""
    made = []
    for _ in range(int(rng.integers(1, 4))):
        i = int(rng.integers(4))
        at = top[i] + rng.uniform(0.15, 0.85) * (top[(i + 1) % 4] - top[i])
        half = rng.uniform([0.012, 0.012, 0.008], [0.03, 0.03, 0.02])
        made.append(box(at, half, rng.uniform(0, 90), linear((235, 236, 236))))
    return made
