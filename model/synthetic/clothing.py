"""Clothes that follow the body: where each covers the skin, how it looks, how it thickens it.

A layer is a field over the rest mesh in metres: above 0 cloth covers the skin, and 0 is its hem.
Every infant wears at least a nappy.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.synthetic.body import Body
from model.synthetic.landmarks import CHEST_VERTEX
from model.synthetic.raster import Floats32, vertex_normals
from model.synthetic.rig import Floats, Rig
from model.synthetic.surface import NUM_LAYERS, Print, Style
from model.synthetic.texture import cloth_colour, hue_colour, linear, print_colour

NAPPY, HAIR, LOWER, UPPER, EXTRAS, BANDS = range(NUM_LAYERS)
"""Layers of the body, the later over the earlier."""

OUTFITS = {
    "nappy": 0.36, "vest": 0.12, "bodysuit": 0.13, "long_bodysuit": 0.06, "sleepsuit": 0.09,
    "top": 0.06, "top_trousers": 0.08, "gown": 0.10,
}  # fmt: skip
_OPEN, _SHUT = 9.0, -1.0


@dataclass(frozen=True, eq=False)
class Tailor:
    """Measures on the rest mesh that hems are cut along; one for all infants.

    Attributes:
        rig: Its mesh.
    """

    rig: Rig

    @cached_property
    def _height(self) -> Floats:
        return np.asarray(self.rig.rest_vertices[:, 2])

    @cached_property
    def _aside(self) -> Floats:
        return np.asarray(np.abs(self.rig.rest_vertices[:, 0]))

    @cached_property
    def hip_height(self) -> float:
        """Height of the thigh bones' heads."""
        return float(self.rig.rest_joints[self.rig.bone["upperleg01.L"], 2])

    @cached_property
    def head(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Boolean (V,): the head's vertices."""
        return self.rig.vertices_of("head")

    @cached_property
    def _arms(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return self.rig.vertices_of("upperarm01.L", "upperarm01.R")

    def _along(self, start: str, end: str, side: str) -> tuple[Floats, float]:
        """Distance of each vertex along a bone, and the bone's length."""
        joints, bone = self.rig.rest_joints, self.rig.bone
        origin = joints[bone[f"{start}.{side}"]]
        axis = joints[bone[f"{end}.{side}"]] - origin
        length = float(np.linalg.norm(axis))
        return (self.rig.rest_vertices - origin) @ (axis / length), length

    def above(self, start: str, end: str, share: float, *, slant: float = 0.0) -> Floats:
        """Above 0 nearer to the trunk than a share of a limb's bone; open elsewhere."""
        field = np.full(self.rig.num_vertices, _OPEN)
        for side in "LR":
            along, length = self._along(start, end, side)
            on_limb = self.rig.vertices_of(f"{start}.{side}")
            cut = share * length - along + slant * (self._aside - 0.035)
            field[on_limb] = np.minimum(field[on_limb], cut[on_limb])
        return field

    def below_waist(self, height: float) -> Floats:
        """Above 0 below a height; shut on the arms."""
        return np.where(self._arms, _SHUT, height - self._height)

    def above_waist(self, height: float) -> Floats:
        """Above 0 above a height; the arms are open."""
        return np.where(self._arms, _OPEN, self._height - height)

    @cached_property
    def neckline(self) -> Floats:
        """Above 0 below a collar that dips in front."""
        joints, bone = self.rig.rest_joints, self.rig.bone
        vertices = self.rig.rest_vertices
        collar = joints[bone["neck01"], 2] - 0.012 - self._height
        collar = collar + 0.25 * np.clip(self._aside - 0.012, 0, 0.04)
        collar = collar + np.where(vertices[:, 1] > -0.005, 0.012, 0.0)
        low = self._height < joints[bone["spine02"], 2]
        return np.asarray(np.where(low, 1.0, np.minimum(collar, 1.0)))

    @cached_property
    def crotch(self) -> Floats:
        """0..1 between the legs, where cloth spans the gap."""
        vertices, hips = self.rig.rest_vertices, self.hip_height
        middle = np.clip((0.034 - self._aside) / 0.008, 0, 1)
        under = np.clip((hips - 0.004 - vertices[:, 2]) / 0.01, 0, 1)
        return np.asarray(middle * under * np.clip((vertices[:, 2] - hips + 0.10) / 0.01, 0, 1))

    def nappy(self, rise: float, leg: float) -> Floats:
        """A nappy: up to `rise` above the hips, down to a share of the thighs, and the crotch."""
        hips = self.hip_height
        field = np.minimum(
            self.below_waist(hips + rise), self.above("upperleg01", "lowerleg01", leg, slant=0.25)
        )
        gusset = np.minimum(0.026 - self._aside, hips + 0.03 - self._height)
        gusset = np.minimum(gusset, self._height - (hips - 0.085))
        gusset = np.where(self._arms, _SHUT, gusset)
        return np.maximum(field, gusset)

    def smooth(self, field: Floats) -> Floats:
        """Round a hem's corners over the mesh, and keep it off the head."""
        field = np.where(self.head, _SHUT, field)
        near = np.clip(field, -0.06, 0.06)
        mean = self.rig.neighbour_mean
        return np.asarray(0.25 * near + 0.5 * (mean @ near) + 0.25 * (mean @ (mean @ near)))


@dataclass(frozen=True, eq=False)
class Outfit:
    """What one infant wears.

    Attributes:
        name: A key of OUTFITS.
        layers: float32 (V, NUM_LAYERS) in m.
        styles: NUM_LAYERS styles.
        thickness: float64 (V,) m, how far cloth stands off the skin.
        loose: How crumpled the clothes are, 0..1.
        extras: Names of bibs, caps, mittens, socks, bands and tape.
    """

    name: str
    layers: Floats32
    styles: tuple[Style, ...]
    thickness: Floats
    loose: float
    extras: tuple[str, ...]

    @property
    def covered(self) -> Floats:
        """float64 (V,) 0..1: how much cloth, not hair, lies over each vertex."""
        cloth = [NAPPY, LOWER, UPPER, EXTRAS]
        return np.asarray(np.clip(self.layers[:, cloth].max(1) / 0.006, 0, 1), np.float64)


def _cloth_style(rng: np.random.Generator, loose: float, *, printed: float = 0.42) -> Style:
    ground = cloth_colour(rng)
    colours = (ground, print_colour(rng), print_colour(rng))
    pattern, pitch = Print.PLAIN, 0.03
    if rng.random() < printed:
        patterns = [Print.MOTIFS, Print.STRIPES, Print.DOTS, Print.BLOTCHES, Print.CHECK]
        pattern = patterns[int(rng.choice(5, p=[0.46, 0.2, 0.16, 0.12, 0.06]))]
        pitch = float(rng.uniform(0.008, 0.03))
    rows = tuple((float(c[0]), float(c[1]), float(c[2])) for c in colours)
    return Style(rows, pattern, pitch, folds=float(0.25 + 0.75 * loose))


def _nappy_style(rng: np.random.Generator) -> Style:
    white = linear((236, 238, 238)) * rng.uniform(0.8, 1.0)
    tint = hue_colour(rng.uniform(0, 360), rng.uniform(0.1, 0.5), rng.uniform(0.7, 0.95))
    side = hue_colour(rng.uniform(80, 220), rng.uniform(0.05, 0.3), 0.92)
    rows = tuple((float(c[0]), float(c[1]), float(c[2])) for c in (white, tint, side))
    pattern = Print.NAPPY if rng.random() < 0.75 else Print.PLAIN
    return Style(rows, pattern, 0.03, folds=float(rng.uniform(0.15, 0.5)), gloss=0.03)


def dress(tailor: Tailor, rng: np.random.Generator) -> Outfit:
    """Draw an outfit; a nappy is always part of it."""
    name = str(rng.choice(list(OUTFITS), p=list(OUTFITS.values())))
    loose = float(rng.uniform(0.1, 1.0))
    count = tailor.rig.num_vertices
    layers = np.full((count, NUM_LAYERS), -1.0)
    rise, leg = rng.uniform(0.036, 0.062), rng.uniform(0.26, 0.42)
    nappy = tailor.nappy(rise, leg)
    layers[:, NAPPY] = tailor.smooth(nappy)
    thickness = np.clip(layers[:, NAPPY] / 0.012, 0, 1) * rng.uniform(0.009, 0.016)
    upper, lower = _cut(tailor, name, nappy, rng)
    styles = [
        _nappy_style(rng), Style(((0.02, 0.015, 0.01),), Print.HAIR),
        _cloth_style(rng, loose), _cloth_style(rng, loose),
        _cloth_style(rng, loose * 0.6), Style(((0.86, 0.84, 0.8),), folds=0.1),
    ]  # fmt: skip
    if rng.random() < 0.3:
        styles[LOWER] = styles[UPPER]
    for layer, field in ((UPPER, upper), (LOWER, lower)):
        if field is not None:
            layers[:, layer] = tailor.smooth(field)
            stand = rng.uniform(0.002, 0.004) + 0.006 * loose
            thickness += np.clip(layers[:, layer] / 0.008, 0, 1) * stand
    extras = _extras(tailor, layers, thickness, rng)
    return Outfit(name, layers.astype(np.float32), tuple(styles), thickness, loose, tuple(extras))


def _cut(
    tailor: Tailor, name: str, nappy: Floats, rng: np.random.Generator
) -> tuple[Floats | None, Floats | None]:
    """Fields of what is worn above and below, over the nappy."""
    if name == "nappy":
        return None, None
    hips = tailor.hip_height
    sleeves = {
        "vest": tailor.above("upperarm01", "lowerarm01", rng.uniform(0.05, 0.3)),
        "short": tailor.above("upperarm01", "lowerarm01", rng.uniform(0.15, 0.75)),
        "long": tailor.above("lowerarm01", "wrist", rng.uniform(0.6, 1.0)),
    }
    drawn = "short" if rng.random() < 0.5 else "long"
    sleeve = {
        "vest": "vest", "bodysuit": "short", "long_bodysuit": "long", "sleepsuit": "long",
        "gown": "short",
    }.get(name, drawn)  # fmt: skip
    top = np.minimum(tailor.neckline, sleeves[sleeve])
    if name in ("bodysuit", "long_bodysuit"):
        thighs = tailor.above("upperleg01", "lowerleg01", rng.uniform(0.1, 0.3), slant=0.25)
        return np.minimum(top, np.maximum(thighs, nappy)), None
    if name == "sleepsuit":
        footed = rng.random() < 0.5
        cuff = tailor.above("lowerleg01", "foot", rng.uniform(0.7, 0.95))
        return top if footed else np.minimum(top, cuff), None
    top = np.minimum(top, tailor.above_waist(hips + rng.uniform(-0.01, 0.05)))
    if name != "top_trousers":
        return top, None
    trousers = tailor.below_waist(hips + rng.uniform(0.04, 0.065))
    cuff = tailor.above("lowerleg01", "foot", rng.uniform(0.5, 1.0))
    return top, np.minimum(trousers, cuff)


def _extras(
    tailor: Tailor, layers: Floats, thickness: Floats, rng: np.random.Generator
) -> list[str]:
    """Caps, bibs, mittens, socks, name bands and tape, into the layers."""
    worn: list[str] = []
    rest, rig = tailor.rig.rest_vertices, tailor.rig
    field = np.full(rig.num_vertices, -1.0)
    eyes = float(rig.rest_joints[rig.bone["eye.L"], 2])
    if rng.random() < 0.13:
        worn.append("cap")
        line = eyes + rng.uniform(0.024, 0.036) - 0.5 * np.clip(rest[:, 1] + 0.03, 0, 0.06)
        cap = np.where(tailor.head, rest[:, 2] - line, -1.0)
        field = np.maximum(field, cap)
    if rng.random() < 0.06:
        worn.append("bib")
        collar = rest[CHEST_VERTEX, 2] + 0.004
        radius = np.hypot(rest[:, 0], np.maximum(collar - 0.045 - rest[:, 2], 0))
        front = (rest[:, 1] < rest[CHEST_VERTEX, 1] + 0.02) & ~tailor.head & (rest[:, 2] < collar)
        field = np.maximum(field, np.where(front, rng.uniform(0.042, 0.055) - radius, -0.02))
    for name, chance, bones in (
        ("mittens", 0.06, ("wrist.L", "wrist.R")), ("socks", 0.10, ("foot.L", "foot.R")),
    ):  # fmt: skip
        if rng.random() < chance:
            worn.append(name)
            side = rig.vertices_of(*bones)
            field = np.where(side, 0.02, field)
    layers[:, EXTRAS] = np.clip(rig.neighbour_mean @ (rig.neighbour_mean @ field), -0.06, 0.06)
    thickness += np.clip(layers[:, EXTRAS] / 0.006, 0, 1) * 0.003
    bands = np.full(rig.num_vertices, -1.0)
    for start, end, share in (
        ("lowerleg01", "foot", 0.86), ("lowerarm01", "wrist", 0.9), ("lowerleg01", "foot", 0.5),
    ):  # fmt: skip
        if rng.random() < 0.11:
            worn.append("band")
            limb = str(rng.choice(["L", "R"]))
            ring = _ring(tailor, start, end, limb, share, rng.uniform(0.005, 0.014))
            bands = np.maximum(bands, ring)
    layers[:, BANDS] = bands
    return worn


def _ring(
    tailor: Tailor, start: str, end: str, side: str, share: float, half_width: float
) -> Floats:
    """Above 0 in a band round a limb."""
    rig = tailor.rig
    origin = rig.rest_joints[rig.bone[f"{start}.{side}"]]
    axis = rig.rest_joints[rig.bone[f"{end}.{side}"]] - origin
    length = float(np.linalg.norm(axis))
    along = (rig.rest_vertices - origin) @ (axis / length)
    on_limb = rig.vertices_of(f"{start}.{side}")
    return np.where(on_limb, half_width - np.abs(along - share * length), -1.0)


def put_on(body: Body, tailor: Tailor, outfit: Outfit, rng: np.random.Generator) -> Floats32:
    """The body at rest with its clothes on, float32 (V, 3): cloth smooths and thickens it."""
    cover = outfit.covered
    vertices = body.vertices.copy()
    mean = body.rig.neighbour_mean
    for _ in range(14):
        vertices += (cover * tailor.crotch)[:, None] * (mean @ vertices - vertices)
    for _ in range(2 + round(6 * outfit.loose)):
        vertices += 0.6 * cover[:, None] * (mean @ vertices - vertices)
    normals = np.empty((body.rig.num_vertices, 3), np.float32)
    vertex_normals(vertices.astype(np.float32), body.rig.faces, normals)
    rest = body.rig.rest_vertices
    waves = np.zeros(len(rest))
    for _ in range(4):
        direction = rng.normal(0, 1, 3) * rng.uniform(60, 170)
        waves += np.sin(rest @ direction + rng.uniform(0, 6.28)) / 4
    swell = outfit.thickness * (1 + (0.35 + 0.6 * outfit.loose) * waves)
    return (vertices + normals * swell[:, None]).astype(np.float32)
