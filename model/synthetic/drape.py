"""Loose cloth: sheets of cloth that fall over bodies and mat, as meshes.

A drape is a curved rectangle. Its height follows the top of what lies under it, relaxed so that it
spans gaps and flattens out towards its hem, plus creases of its own. Blankets cover limbs, gowns
cover the trunk, crumpled cloth lies beside the infant.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from model.synthetic.raster import Floats32, Ints32, top_heights
from model.synthetic.rig import Floats
from model.synthetic.shading import COVER_EXTENT_M
from model.synthetic.surface import NUM_LAYERS, Part, Style, Surface
from model.synthetic.texture import elongated, noise, ridges

HEIGHT_CELLS = 160
"""Cells of the height map along a side; it covers -COVER_EXTENT_M..COVER_EXTENT_M."""
_GRID = 64


@dataclass(frozen=True, eq=False)
class Drape:
    """One cloth before it falls.

    Attributes:
        name: blanket, gown or crumple.
        part: GARMENT where it is worn, THING else.
        centre_xy: Its middle in the world, m.
        half_m: Half its width and length.
        turn_deg: Against the world.
        style: How it looks.
        edge: float32 (2, GRID) raggedness of its sides, m.
        creases: float32 (GRID, GRID) m.
        pile_m: Height of its own heap in the middle (crumpled cloth), else 0.
        tension: Relaxation steps: few cling, many span.
        under: Whether it lies under the infant instead of over it.
    """

    name: str
    part: Part
    centre_xy: tuple[float, float]
    half_m: tuple[float, float]
    turn_deg: float
    style: Style
    edge: Floats32
    creases: Floats32
    pile_m: float
    tension: int
    under: bool

    def fall(self, tops: Floats32) -> Surface:
        """Lay the cloth over a height map.

        Args:
            tops: float32 (HEIGHT_CELLS, HEIGHT_CELLS) m, row by y, of what lies below.
        """
        tops = tops * 0 if self.under else tops
        relaxed = np.maximum(tops, 0)
        for _ in range(self.tension):
            relaxed = np.maximum(np.maximum(tops, 0) + 0.0025, cv2.blur(relaxed, (5, 5)))
        line = np.linspace(-1, 1, _GRID, dtype=np.float32)
        s, t = np.meshgrid(line, line)
        across = s * np.sqrt(1 - 0.32 * t**2) * (self.half_m[0] + self.edge[0][:, None])
        along = t * np.sqrt(1 - 0.32 * s**2) * (self.half_m[1] + self.edge[1][None, :])
        turn = np.deg2rad(self.turn_deg)
        c, n = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        x = c * across - n * along + np.float32(self.centre_xy[0])
        y = n * across + c * along + np.float32(self.centre_xy[1])
        scale = np.float32(HEIGHT_CELLS / (2 * COVER_EXTENT_M))
        half = np.float32(HEIGHT_CELLS / 2 - 0.5)
        under = cv2.remap(
            relaxed, x * scale + half, y * scale + half, cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT, borderValue=0,
        )  # fmt: skip
        hem = np.clip((1 - np.maximum(np.abs(s), np.abs(t))) / 0.18, 0, 1)
        heap = self.pile_m * np.clip(1 - s**2 - t**2, 0, 1)
        z = under + (self.creases + heap) * (0.12 + 0.88 * hem) + 0.002
        vertices = np.stack([x, y, z], -1).reshape(-1, 3)
        layers = np.full((_GRID * _GRID, NUM_LAYERS), -1, np.float32)
        layers[:, 0] = 0.002 + 0.02 * hem.ravel()
        pattern = np.stack([across, across * 0, along], -1).reshape(-1, 3)
        return Surface(
            vertices=np.ascontiguousarray(vertices, np.float32),
            faces=_GRID_FACES,
            colour=np.full((_GRID * _GRID, 3), 0.7, np.float32),
            part=self.part,
            gloss=np.zeros(_GRID * _GRID, np.float32),
            pattern_xyz=np.ascontiguousarray(pattern, np.float32),
            layers=layers,
            styles=(self.style,),
        )


def _grid_faces(size: int) -> Ints32:
    """Triangles of a size x size grid, seen from above counter-clockwise."""
    i, j = np.mgrid[: size - 1, : size - 1]
    a = (i * size + j).ravel()
    quads = np.stack([a, a + 1, a + size + 1, a, a + size + 1, a + size], 1)
    return np.ascontiguousarray(quads.reshape(-1, 3), np.int32)


_GRID_FACES = _grid_faces(_GRID)


def height_map(vertices: Floats32, faces: Ints32) -> Floats32:
    """Top of a mesh over the mat, float32 (HEIGHT_CELLS, HEIGHT_CELLS) m; 0 where there is none."""
    plan = (vertices[:, :2].astype(np.float64) / COVER_EXTENT_M * 0.5 + 0.5) * HEIGHT_CELLS
    return np.maximum(top_heights(plan, vertices[:, 2], faces, HEIGHT_CELLS), 0)


def make_drape(
    rng: np.random.Generator,
    name: str,
    style: Style,
    *,
    centre_xy: Floats,
    half_m: tuple[float, float],
    turn_deg: float,
    under: bool = False,
) -> Drape:
    """Draw a cloth's raggedness, creases and stiffness.

    Args:
        rng: Draws them.
        name: blanket, gown or crumple.
        style: How it looks.
        centre_xy: float64 (2,) its middle, m.
        half_m: Half its width and length.
        turn_deg: Against the world.
        under: Whether it lies under the infant.
    """
    crumpled = name == "crumple"
    ragged = rng.uniform(0.06, 0.22) if crumpled else 0.05
    edge = np.stack([_wander(rng), _wander(rng)]) * np.float32(ragged * min(half_m))
    octaves = ((2, 5), (4, 9)) if crumpled else ((2, 5), (3, 11))
    folds = ridges(elongated(rng, _GRID, octaves, 0.8) * np.float32(0.8))
    soft = noise(rng, _GRID, (2, 5))
    height = rng.uniform(0.008, 0.02) if crumpled else rng.uniform(0.003, 0.010)
    creases = folds * np.float32(height) + soft * np.float32(0.25 * height)
    creases -= creases.min()
    return Drape(
        name=name,
        part=Part.GARMENT if name == "gown" else Part.THING,
        centre_xy=(float(centre_xy[0]), float(centre_xy[1])),
        half_m=half_m,
        turn_deg=turn_deg,
        style=style,
        edge=edge,
        creases=creases.astype(np.float32),
        pile_m=float(rng.uniform(0.0, 0.022)) if crumpled else 0.0,
        tension=int(rng.integers(3, 9)) if name == "gown" else int(rng.integers(4, 16)),
        under=under,
    )


def _wander(rng: np.random.Generator) -> Floats32:
    """float32 (GRID,): a smooth random line of deviation about 1."""
    knots = rng.standard_normal((1, 6)).astype(np.float32)
    return np.asarray(cv2.resize(knots, (_GRID, 1), interpolation=cv2.INTER_CUBIC)[0], np.float32)
