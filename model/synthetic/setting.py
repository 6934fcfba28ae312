"""What the infant lies on: mattress, sheets, pads, towels and blankets as one textured plane.

The plane has its own frame: u across the mattress, v along it, metres, turned and shifted against
the world, in which the infant's head points to +y and the trunk's middle is the origin.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from model.synthetic.raster import Floats32
from model.synthetic.rig import Floats
from model.synthetic.texture import (
    bent,
    cloth_colour,
    elongated,
    hue_colour,
    linear,
    noise,
    print_image,
    ridges,
)

CELLS = 640
EXTENT_M = 0.9
"""Half the side of the textured plane."""
CELL_M = 2 * EXTENT_M / CELLS

PLACES = {"cot": 0.36, "couch": 0.34, "bed": 0.22, "floor": 0.08}


@dataclass(frozen=True, eq=False)
class Ground:
    """The plane that the infant lies on, and the floor around it.

    Attributes:
        place: cot, couch, bed or floor.
        layers: What lies on it, from below.
        turn_deg: Of the mattress against the infant.
        shift_uv: Where the world's origin lies on it, m.
        half_uv: Half its width and length, m.
        floor_depth_m: How far below the floor lies.
        floor_colours: Two linear colours of the floor.
        boards_per_m: Joints of the floor, 0 for none.
        gloss: Of the surface.
        albedo: float32 (CELLS, CELLS, 3) linear, row by v, column by u.
        slope: float32 (CELLS, CELLS, 2) rise of the surface along u and v.
    """

    place: str
    layers: tuple[str, ...]
    turn_deg: float
    shift_uv: tuple[float, float]
    half_uv: tuple[float, float]
    floor_depth_m: float
    floor_colours: tuple[Floats, Floats]
    boards_per_m: float
    gloss: float
    albedo: Floats32
    slope: Floats32

    def row(self) -> Floats32:
        """float32 (16,): what the shading kernel reads."""
        turn = np.deg2rad(self.turn_deg)
        numbers = (
            np.cos(turn), np.sin(turn), *self.shift_uv, *self.half_uv, EXTENT_M,
            self.floor_depth_m, self.gloss, *self.floor_colours[0], *self.floor_colours[1],
            self.boards_per_m,
        )  # fmt: skip
        return np.array(numbers, np.float32)

    def to_world(self, points_uvz: Floats) -> Floats:
        """Points (N, 3) of the plane's frame, height last, in the world."""
        turn = np.deg2rad(self.turn_deg)
        c, s = np.cos(turn), np.sin(turn)
        u, v = points_uvz[:, 0] - self.shift_uv[0], points_uvz[:, 1] - self.shift_uv[1]
        return np.stack([c * u - s * v, s * u + c * v, points_uvz[:, 2]], axis=1)

    @property
    def mean_colour(self) -> Floats:
        """float64 (3,) linear, around the infant."""
        middle = self.albedo[CELLS // 4 : -CELLS // 4 : 8, CELLS // 4 : -CELLS // 4 : 8]
        return np.asarray(middle.mean((0, 1)), np.float64)


class _Canvas:
    """The plane while cloths are laid on it."""

    def __init__(self, rng: np.random.Generator, colour: Floats) -> None:
        self.rng = rng
        self.albedo = np.empty((CELLS, CELLS, 3), np.float32)
        self.albedo[:] = colour
        self.height = np.zeros((CELLS, CELLS), np.float32)
        line = (np.arange(CELLS, dtype=np.float32) + 0.5) * np.float32(CELL_M) - np.float32(
            EXTENT_M
        )
        self.v, self.u = np.meshgrid(line, line, indexing="ij")
        self.layers: list[str] = []
        self.head_uv = (0.0, 0.2)
        self.head_deg = 0.0
        self.waves = noise(rng, CELLS, (3, 6, 12, 24), 0.6)
        self.bends = noise(rng, CELLS, (4, 9), 0.6)

    def outline(
        self, centre: tuple[float, float], half: tuple[float, float], turn_deg: float, ragged: float
    ) -> Floats32:
        """How far inside a turned rectangle each cell is, m (CELLS, CELLS); below 0 outside."""
        c, s = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
        u, v = self.u - centre[0], self.v - centre[1]
        across, along = np.abs(c * u + s * v) - half[0], np.abs(-s * u + c * v) - half[1]
        inside = -np.maximum(across, along)
        return np.asarray(
            inside + ragged * np.roll(self.bends, self.rng.integers(CELLS), 1), np.float32
        )

    def lay(
        self,
        name: str,
        inside: Floats32,
        colour: Floats32 | Floats,
        *,
        thick: float,
        folds: Floats32,
    ) -> None:
        """Put a cloth down: its colour, its edge with a shadow, its thickness and folds."""
        mask = np.clip(inside / (1.5 * CELL_M) + 0.5, 0, 1)[..., None]
        shadow = cv2.GaussianBlur(mask[..., 0], (0, 0), 0.006 / CELL_M)
        self.albedo *= (1 - 0.4 * shadow * (1 - mask[..., 0]))[..., None]
        self.albedo += mask * (np.asarray(colour, np.float32) - self.albedo)
        rounded = np.clip(inside / 0.006, 0, 1)
        self.height = (
            self.height * (1 - 0.6 * mask[..., 0]) + mask[..., 0] * folds + thick * rounded
        )
        self.layers.append(name)

    def folds(self) -> Floats32:
        """Heights of a cloth's folds in m, from ironed to crumpled."""
        rng = self.rng
        waves = np.roll(self.waves, tuple(rng.integers(0, CELLS, 2)), (0, 1))
        kind = rng.choice(["smooth", "soft", "creased", "crumpled"], p=[0.16, 0.38, 0.26, 0.20])
        if kind == "smooth":
            return np.asarray(waves * 0.0008, np.float32)
        if kind == "soft":
            return np.asarray(waves * rng.uniform(0.002, 0.0065), np.float32)
        crumpled = kind == "crumpled"
        octaves = ((4, 9), (9, 24)) if crumpled else ((2, 7), (4, 13))
        creases = ridges(elongated(rng, CELLS, octaves, 0.8))
        creases = bent(creases, waves, self.bends, rng.uniform(6, 22))
        creases = _spun(creases, rng.uniform(0, 360))
        if crumpled:
            other = ridges(elongated(rng, CELLS, ((9, 5), (22, 12)), 0.7))
            creases = 0.6 * creases + 0.6 * bent(other, self.bends, waves, rng.uniform(6, 22))
        height = rng.uniform(0.003, 0.007) if crumpled else rng.uniform(0.002, 0.006)
        return np.asarray(creases * height + waves * 0.003, np.float32)

    def finish(self) -> tuple[Floats32, Floats32]:
        """Colour with the light that valleys lose, and slopes."""
        hollow = cv2.GaussianBlur(self.height, (0, 0), 0.012 / CELL_M) - self.height
        light = np.clip(1 - 60 * hollow, 0.55, 1.12)
        slope_u = cv2.Scharr(self.height, cv2.CV_32F, 1, 0) / np.float32(32 * CELL_M)
        slope_v = cv2.Scharr(self.height, cv2.CV_32F, 0, 1) / np.float32(32 * CELL_M)
        grime = 1 + 0.025 * self.waves
        albedo = np.clip(self.albedo * (light * grime)[..., None], 0.005, 0.95)
        return (
            np.ascontiguousarray(albedo, np.float32),
            np.ascontiguousarray(np.clip(np.stack([slope_u, slope_v], -1), -1.2, 1.2), np.float32),
        )


def _spun(field: Floats32, turn_deg: float) -> Floats32:
    """Turn a field about its middle."""
    matrix = cv2.getRotationMatrix2D((CELLS / 2, CELLS / 2), turn_deg, 1.0)
    return cv2.warpAffine(field, matrix, (CELLS, CELLS), borderMode=cv2.BORDER_REFLECT)  # type: ignore[return-value]


def _cloth(canvas: _Canvas, printed: float) -> Floats32 | Floats:
    """A cloth's colour, printed with the given chance."""
    colour = cloth_colour(canvas.rng)
    if canvas.rng.random() < printed:
        return print_image(canvas.rng, CELLS, CELL_M, colour)
    return colour


def _couch_base(canvas: _Canvas) -> float:
    """Vinyl with seams; returns its gloss."""
    rng = canvas.rng
    base = [(36, 62, 150), (28, 50, 120), (92, 62, 44), (70, 74, 80), (60, 110, 120), (40, 44, 52)]
    colour = linear(base[int(rng.choice(6, p=[0.38, 0.2, 0.16, 0.1, 0.1, 0.06]))])
    canvas.albedo[:] = colour * rng.uniform(0.8, 1.3)
    for place in rng.uniform(-0.8, 0.8, int(rng.integers(0, 3))):
        seam = np.abs(canvas.v - np.float32(place))
        canvas.albedo *= (1 - 0.7 * np.exp(-((seam / 0.004) ** 2)))[..., None]
        canvas.height -= 0.004 * np.exp(-((seam / 0.008) ** 2))
    return float(rng.uniform(0.15, 0.5))


def _pad(canvas: _Canvas) -> None:
    """An absorbent pad: white or pale blue, with a coloured border."""
    rng = canvas.rng
    half = (rng.uniform(0.18, 0.32), rng.uniform(0.22, 0.42))
    centre = (rng.normal(0, 0.06), rng.normal(-0.03, 0.08))
    inside = canvas.outline(centre, half, rng.normal(0, 8), 0.004)
    edge = hue_colour(rng.choice([205.0, 195.0, 215.0, 150.0]), rng.uniform(0.35, 0.75), 0.85)
    middle = linear((236, 238, 240)) if rng.random() < 0.55 else edge * 0.9 + 0.08
    image = np.where((inside > rng.uniform(0.015, 0.04))[..., None], middle, edge)
    quilt = 0.0006 * np.sin(canvas.u * 400) * np.sin(canvas.v * 400)
    canvas.lay(
        "pad", inside, image.astype(np.float32), thick=0.002, folds=quilt + canvas.folds() * 0.6
    )


def _towel(canvas: _Canvas) -> None:
    """A folded towel under the head."""
    rng = canvas.rng
    colour = hue_colour(
        rng.choice([350.0, 345.0, 50.0, 205.0, 120.0]),
        rng.uniform(0.1, 0.5),
        rng.uniform(0.7, 0.95),
    )
    centre = (canvas.head_uv[0] + rng.normal(0, 0.015), canvas.head_uv[1] + rng.normal(0, 0.015))
    half = (rng.uniform(0.11, 0.2), rng.uniform(0.06, 0.13))
    inside = canvas.outline(centre, half, canvas.head_deg + rng.normal(0, 10), 0.003)
    image = np.empty((CELLS, CELLS, 3), np.float32)
    image[:] = colour
    if rng.random() < 0.5:
        image[(np.abs(inside - 0.03) < 0.008)] = colour * 0.75
    pile = noise(rng, CELLS, (160,)) * np.float32(0.0006)
    canvas.lay("towel", inside, image, thick=0.008, folds=pile)


def _label(canvas: _Canvas) -> None:
    """A paper label with letters, somewhere on the sheet."""
    rng = canvas.rng
    centre = (rng.choice([-1, 1]) * rng.uniform(0.2, 0.35), rng.uniform(-0.35, 0.35))
    half = (rng.uniform(0.03, 0.06), rng.uniform(0.012, 0.03))
    turn = rng.normal(0, 20)
    inside = canvas.outline(centre, half, turn, 0.0)
    canvas.lay("label", inside, linear((238, 238, 232)), thick=0.0006, folds=canvas.height * 0)
    text = "".join(chr(int(c)) for c in rng.integers(65, 91, 3)) + str(rng.integers(10, 999))
    at = [int((c + EXTENT_M) / CELL_M) for c in (centre[0] - half[0] * 0.8, centre[1])]
    ink = np.zeros((CELLS, CELLS), np.uint8)
    cv2.putText(
        ink,
        text,
        (at[0], CELLS - at[1] + 4),
        cv2.FONT_HERSHEY_SIMPLEX,
        half[0] * 9,
        255,
        1,
        cv2.LINE_AA,
    )
    canvas.albedo *= (1 - 0.95 * (ink[::-1].astype(np.float32) / 255))[..., None]


def _sheet(canvas: _Canvas, place: str) -> None:
    """The large cloth that most infants lie on."""
    rng = canvas.rng
    if place == "bed" or (place == "cot" and rng.random() < 0.75):
        inside = canvas.u * 0 + np.float32(1)
    else:
        half = (rng.uniform(0.26, 0.48), rng.uniform(0.34, 0.6))
        inside = canvas.outline(
            (rng.normal(0, 0.04), rng.normal(0, 0.05)),
            half,
            rng.normal(0, 14),
            rng.uniform(0, 0.02),
        )
    colour = _cloth(canvas, 0.16)
    canvas.lay("sheet", inside, colour, thick=0.003, folds=canvas.folds())


def _blanket(canvas: _Canvas) -> None:
    """A second, smaller cloth, patterned more often than not."""
    rng = canvas.rng
    inside = canvas.outline(
        (rng.normal(0, 0.1), rng.normal(0, 0.12)),
        (rng.uniform(0.2, 0.4), rng.uniform(0.24, 0.48)), rng.uniform(-35, 35),
        rng.uniform(0.004, 0.022),
    )  # fmt: skip
    canvas.lay("blanket", inside, _cloth(canvas, 0.6), thick=0.004, folds=canvas.folds())


def sample_ground(rng: np.random.Generator) -> Ground:
    """Draw a place and lay its cloths."""
    place = str(rng.choice(list(PLACES), p=list(PLACES.values())))
    across = place == "couch" and rng.random() < 0.35
    turn = rng.choice([90.0, -90.0]) if across else rng.choice([0.0, 180.0])
    turn += rng.normal(0, 5 if place == "cot" else 14)
    room = 0.35 if across else 1.0
    shift = (float(rng.normal(0, 0.02)), float(rng.normal(0, 0.04) * room))
    canvas = _Canvas(rng, cloth_colour(rng))
    sine, cosine = np.sin(np.deg2rad(turn)), np.cos(np.deg2rad(turn))
    canvas.head_uv = (0.21 * sine + shift[0], 0.21 * cosine + shift[1])
    canvas.head_deg = float(-turn)
    gloss = 0.02
    if place == "couch":
        gloss = _couch_base(canvas)
    elif place == "floor":
        canvas.albedo[:] = print_image(
            rng, CELLS, CELL_M, hue_colour(rng.uniform(0, 360), 0.25, 0.8)
        )
    bare = place == "couch" and rng.random() < 0.12
    if not bare and rng.random() < (0.35 if place == "floor" else 0.97):
        _sheet(canvas, place)
    for chance, lay in ((0.33, _blanket), (0.26, _pad), (0.2, _towel), (0.08, _label)):
        if rng.random() < chance:
            lay(canvas)
    albedo, slope = canvas.finish()
    half = {
        "cot": (rng.uniform(0.19, 0.25), rng.uniform(0.36, 0.42)),
        "couch": (rng.uniform(0.29, 0.4), 0.88),
        "bed": (rng.uniform(0.42, 0.88), 0.88),
        "floor": (rng.uniform(0.5, 0.88), rng.uniform(0.5, 0.88)),
    }[place]
    return Ground(
        place=place,
        layers=tuple(canvas.layers),
        turn_deg=float(turn),
        shift_uv=shift,
        half_uv=half,
        floor_depth_m=float(rng.uniform(0.05, 0.9) if place != "floor" else 0.015),
        floor_colours=_floor_colours(rng),
        boards_per_m=float(rng.choice([0, 0, 1.7, 3.3])),
        gloss=gloss,
        albedo=albedo,
        slope=slope,
    )


def _floor_colours(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Linoleum, wood, tiles, carpet or something dark."""
    base = linear(
        [
            (150, 175, 130),
            (150, 120, 92),
            (190, 188, 182),
            (130, 132, 136),
            (84, 80, 78),
            (170, 180, 188),
        ][int(rng.integers(6))]
    )
    base = base * rng.uniform(0.6, 1.2)
    return base, np.asarray(base * rng.uniform(0.6, 0.95) + rng.uniform(0, 0.03, 3))
