"""Light of a room: ceiling lamps, a window, a dim ward, and shade that falls across the scene."""

from dataclasses import dataclass

import numpy as np

from model.synthetic.raster import Floats32
from model.synthetic.rig import Floats


@dataclass(frozen=True)
class Light:
    """One main light and what comes from all round; linear RGB.

    Attributes:
        kind: ceiling, window, dim or lamp.
        direction: Unit vector towards the main light.
        key: Colour and strength of the main light.
        sky: Of the light from above and around.
        bounce: Of the light that comes back from the mat.
        softness: Reach of the shadow's edge in shadow-map cells.
        gradient: Change of the main light per metre along x and y.
        shade: Edge of a shade: direction (x, y), offset m, softness m, depth 0..1.
    """

    kind: str
    direction: tuple[float, float, float]
    key: tuple[float, float, float]
    sky: tuple[float, float, float]
    bounce: tuple[float, float, float]
    softness: float
    gradient: tuple[float, float]
    shade: tuple[float, float, float, float, float]

    def row(self) -> Floats32:
        """float32 (20,): what the shading kernel reads."""
        numbers = (
            *self.direction, *self.key, *self.sky, *self.bounce,
            self.softness, *self.gradient, *self.shade,
        )  # fmt: skip
        return np.array(numbers, np.float32)

    @property
    def axes(self) -> Floats:
        """float64 (3, 3), rows: two axes across the light and one towards it."""
        towards = np.asarray(self.direction)
        across = np.cross(towards, [0.0, 1.0, 0.1])
        across /= np.linalg.norm(across)
        return np.stack([across, np.cross(towards, across), towards])


_KINDS = {"ceiling": 0.46, "window": 0.30, "dim": 0.14, "lamp": 0.10}


def sample_light(rng: np.random.Generator, mat_colour: Floats) -> Light:
    """Draw a room's light.

    Args:
        rng: Draws it.
        mat_colour: float64 (3,) mean linear colour of the mat, which reflects.
    """
    kind = str(rng.choice(list(_KINDS), p=list(_KINDS.values())))
    low, high = {
        "ceiling": (55, 88), "window": (18, 48), "dim": (35, 80), "lamp": (30, 65),
    }[kind]  # fmt: skip
    azimuth, height = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(low, high))
    direction = np.array(
        [np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)]
    )
    warmth = {"ceiling": 0.02, "window": -0.03, "dim": 0.06, "lamp": 0.12}[kind]
    warmth += rng.normal(0, 0.04)
    key_level = {"ceiling": 0.55, "window": 0.85, "dim": 0.35, "lamp": 0.9}[kind]
    key_level *= rng.uniform(0.7, 1.3)
    sky_level = {"ceiling": 0.62, "window": 0.42, "dim": 0.5, "lamp": 0.32}[kind]
    sky_level *= rng.uniform(0.75, 1.25)
    key = key_level * np.array([1 + warmth, 1.0, 1 - 1.3 * warmth])
    sky = sky_level * np.array([1 - 0.3 * warmth, 1.0, 1 + 0.5 * warmth])
    bounce = sky * 0.35 + 0.45 * (sky + 0.4 * key) * mat_colour
    steep = {"ceiling": 0.25, "window": 0.9, "dim": 0.5, "lamp": 0.8}[kind]
    slope = rng.uniform(0, steep)
    shade = (0.0, 0.0, 0.0, 1.0, 0.0)
    if rng.random() < 0.2:
        turn = rng.uniform(0, 2 * np.pi)
        shade = (
            float(np.cos(turn)), float(np.sin(turn)), float(rng.uniform(-0.25, 0.25)),
            float(rng.uniform(0.01, 0.08)), float(rng.uniform(0.3, 0.75)),
        )  # fmt: skip
    softness = {"ceiling": (4, 11), "window": (3, 9), "dim": (4, 11), "lamp": (1, 4)}[kind]
    return Light(
        kind=kind,
        direction=(float(direction[0]), float(direction[1]), float(direction[2])),
        key=(float(key[0]), float(key[1]), float(key[2])),
        sky=(float(sky[0]), float(sky[1]), float(sky[2])),
        bounce=(float(bounce[0]), float(bounce[1]), float(bounce[2])),
        softness=float(rng.uniform(*softness)),
        gradient=(float(slope * np.cos(azimuth)), float(slope * np.sin(azimuth))),
        shade=shade,
    )
