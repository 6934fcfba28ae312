"""Things round an infant: adults' arms, toys, dummies, tubes and leads, cot walls, equipment."""

from functools import cache

import numpy as np

from model.synthetic.complexion import SKINS
from model.synthetic.raster import Floats32, Ints32
from model.synthetic.rig import Floats, Rig
from model.synthetic.surface import Style, Surface, thing
from model.synthetic.texture import cloth_colour, hue_colour, linear

Mesh = tuple[Floats32, Ints32]


@cache
def ball(rows: int = 16) -> Mesh:
    """A unit ball: float32 (N, 3) and int32 (M, 3)."""
    columns = 2 * rows
    polar, turn = np.meshgrid(
        np.linspace(0, np.pi, rows),
        np.linspace(0, 2 * np.pi, columns, endpoint=False),
        indexing="ij",
    )
    vertices = np.stack(
        [np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], -1
    ).reshape(-1, 3)
    i, j = (grid.ravel() for grid in np.mgrid[: rows - 1, :columns])
    a, b = i * columns + j, i * columns + (j + 1) % columns
    faces = np.stack([a, a + columns, b, b, a + columns, b + columns], 1).reshape(-1, 3)
    return vertices.astype(np.float32), np.ascontiguousarray(faces, np.int32)


def block() -> Mesh:
    """A cube of side 2 with rounded edges: a ball blown out to its corners."""
    vertices, faces = ball()
    blown = np.sign(vertices) * np.abs(vertices) ** 0.3
    return blown.astype(np.float32), faces


def turned(rng: np.random.Generator) -> Floats:
    """A random rotation (3, 3)."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return np.asarray(q if np.linalg.det(q) > 0 else -q)


def tube(path: Floats, radius_m: float, sides: int = 6) -> Mesh:
    """A tube along a path float64 (P, 3)."""
    ahead = np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1)[:, None] + 1e-9
    across = np.cross(ahead, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across, axis=1)[:, None] + 1e-9
    over = np.cross(across, ahead)
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = across[:, None] * np.cos(turn)[:, None] + over[:, None] * np.sin(turn)[:, None]
    vertices = (path[:, None] + radius_m * ring).reshape(-1, 3)
    i, j = (grid.ravel() for grid in np.mgrid[: len(path) - 1, :sides])
    a, b = i * sides + j, i * sides + (j + 1) % sides
    faces = np.stack([a, b, a + sides, b, b + sides, a + sides], 1).reshape(-1, 3)
    return vertices.astype(np.float32), np.ascontiguousarray(faces, np.int32)


def _between(start: Floats, end: Floats) -> Floats:
    """The smallest rotation (3, 3) from one direction to another."""
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    axis = np.cross(start, end)
    cosine = float(start @ end)
    if cosine < -0.9999:
        return np.diag([1.0, -1.0, -1.0])
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.asarray(np.eye(3) + k + k @ k / (1 + cosine))


def adult_arm(
    rig: Rig, rng: np.random.Generator, reach_to: Floats, from_deg: float
) -> list[Surface]:
    """An adult's forearm and hand that reach in from a side, with or without a sleeve.

    Args:
        rig: Holds the arm.
        rng: Draws hand, skin and sleeve.
        reach_to: float64 (3,) where the palm is, m.
        from_deg: Direction from which the arm comes.
    """
    vertices = rig.adult_arm[rng.integers(len(rig.adult_arm))].astype(np.float64)
    if rng.random() < 0.5:
        vertices = vertices * [-1, 1, 1]
    faces = rig.adult_arm_faces
    low = vertices[:, 2] < np.quantile(vertices[:, 2], 0.5)
    vertices = vertices - vertices[low].mean(0)
    elbow = vertices[vertices[:, 2] > np.quantile(vertices[:, 2], 0.985)].mean(0)
    turn = np.deg2rad(from_deg)
    rise = rng.uniform(0.25, 0.7)
    out = np.array([np.cos(turn), np.sin(turn), rise])
    spin = rng.uniform(-0.9, 0.9)
    axis = elbow / np.linalg.norm(elbow)
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    spun = np.eye(3) + np.sin(spin) * k + (1 - np.cos(spin)) * k @ k
    pose = _between(elbow, out) @ spun
    along = np.clip((vertices @ axis) / np.linalg.norm(elbow), -1, 1.2)
    skin = linear(SKINS[rng.integers(len(SKINS))]) * rng.uniform(0.8, 1.05)
    sleeve_from = rng.uniform(0.35, 1.3)
    cloth = cloth_colour(rng) if rng.random() < 0.6 else hue_colour(rng.uniform(0, 360), 0.4, 0.5)
    tip = pose @ vertices[np.argmin(vertices @ axis)]
    reach = reach_to - 0.4 * tip
    arm = thing(vertices @ pose.T + reach, faces, skin, gloss=0.15)
    arm.layers[:, 0] = (along - sleeve_from) * 0.2
    style = Style((tuple(float(c) for c in cloth),), folds=0.8)  # type: ignore[arg-type]
    joint = pose @ elbow + reach
    rest_of_arm = joint + np.linspace(-0.03, 0.8, 8)[:, None] * out / np.linalg.norm(out)
    upper, upper_faces = tube(rest_of_arm, 0.043, 12)
    upper_arm = thing(upper, upper_faces, skin if sleeve_from > 1.0 else cloth, gloss=0.05)
    styled = Surface(
        arm.vertices,
        arm.faces,
        arm.colour,
        arm.part,
        arm.gloss,
        arm.pattern_xyz,
        arm.layers,
        (style,),
    )
    return [styled, upper_arm]


def toy(rng: np.random.Generator, at_xy: Floats) -> Surface:
    """A small coloured ball or block on the mat."""
    vertices, faces = ball() if rng.random() < 0.5 else block()
    shape = (vertices * rng.uniform(0.012, 0.045, 3)) @ turned(rng).T
    place = np.array([at_xy[0], at_xy[1], -float(shape[:, 2].min())])
    colour = hue_colour(rng.uniform(0, 360), rng.uniform(0.1, 0.75), rng.uniform(0.4, 0.95))
    return thing(shape + place, faces, colour, gloss=0.35)


def box(
    centre: Floats, half: Floats, turn_deg: float, colour: Floats, *, gloss: float = 0.2
) -> Surface:
    """A block with rounded edges, its sides half[0], half[1], half[2] from the middle."""
    vertices, faces = block()
    c, s = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    spun = (vertices * half) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])
    return thing(spun + centre, faces, colour, gloss=gloss)


def equipment(rng: np.random.Generator, from_deg: float) -> list[Surface]:
    """A monitor, a bag, cables: what stands at the picture's border."""
    colours = [(205, 208, 210), (160, 165, 170), (52, 54, 60), (120, 140, 170), (225, 222, 212)]
    away, turn = rng.uniform(0.44, 0.75), np.deg2rad(from_deg)
    centre = np.array([np.cos(turn) * away, np.sin(turn) * away, rng.uniform(-0.1, 0.06)])
    half = rng.uniform(0.03, 0.13, 3)
    made = [box(centre, half, rng.uniform(0, 90), linear(colours[int(rng.integers(5))]))]
    if rng.random() < 0.5:
        screen = centre + np.array([0, 0, float(half[2])])
        size = np.array([half[0] * 0.7, half[1] * 0.6, 0.004])
        made.append(box(screen, size, rng.uniform(0, 90), linear((20, 26, 34)), gloss=0.6))
    if rng.random() < 0.6:
        t = np.linspace(0, 1, 24)[:, None]
        end = centre + np.append(rng.normal(0, 0.35, 2), -0.05)
        bow = np.sin(np.pi * t) * np.append(rng.normal(0, 0.12, 2), 0.0)
        path, faces = tube(centre * (1 - t) + end * t + bow, rng.uniform(0.002, 0.004))
        made.append(thing(path, faces, linear((40, 40, 44)) * rng.uniform(0.5, 8), gloss=0.3))
    return made


def lead(rng: np.random.Generator, start: Floats, tops: Floats32, extent_m: float) -> Surface:
    """A wire or a thin tube from a place on the infant over body and mat to the border.

    Args:
        rng: Draws its way and colour.
        start: float64 (3,) where it is fixed.
        tops: float32 (n, n) m, height map of what it lies on, row by y.
        extent_m: Half the side that the map covers.
    """
    turn, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 0.7)
    end = np.array([np.cos(turn), np.sin(turn)]) * away
    t = np.linspace(0, 1, 60)[:, None]
    bow = np.sin(np.pi * t) * rng.normal(0, 0.09, 2) + np.sin(2 * np.pi * t) * rng.normal(
        0, 0.04, 2
    )
    xy = start[:2] * (1 - t) + end * t + bow
    cells = tops.shape[0]
    at = np.clip(((xy / extent_m * 0.5 + 0.5) * cells).astype(int), 0, cells - 1)
    z = tops[at[:, 1], at[:, 0]].astype(np.float64)
    z = np.maximum(z, np.convolve(np.pad(z, 3, mode="edge"), np.ones(7) / 7, "valid"))
    z[0] = start[2]
    path, faces = tube(np.concatenate([xy, z[:, None] + 0.003], 1), rng.uniform(0.0009, 0.0022))
    colours = [
        (225, 225, 220),
        (40, 42, 46),
        (210, 60, 60),
        (60, 150, 90),
        (230, 200, 60),
        (90, 110, 200),
    ]
    return thing(path, faces, linear(colours[int(rng.integers(6))]), gloss=0.3)


def patch(at: Floats, normal: Floats, radius_m: float, colour: Floats) -> Surface:
    """A flat round thing on the skin: an electrode, a plaster, a dummy's shield."""
    vertices, faces = ball(10)
    flat = vertices * [radius_m, radius_m, 0.0022]
    return thing(flat @ _between(np.array([0.0, 0, 1]), normal).T + at, faces, colour, gloss=0.25)


def dummy(rng: np.random.Generator, mouth: Floats, ahead: Floats) -> list[Surface]:
    """A dummy in the mouth: shield and knob."""
    colour = hue_colour(rng.uniform(0, 360), rng.uniform(0.1, 0.6), rng.uniform(0.6, 0.95))
    knob, faces = ball(10)
    return [
        patch(mouth + 0.004 * ahead, ahead, rng.uniform(0.017, 0.021), colour),
        thing(knob * 0.008 + mouth + 0.011 * ahead, faces, colour * 0.8, gloss=0.3),
    ]


def pane(
    corners: Floats, colour: Floats, opacity: tuple[float, float]
) -> tuple[Floats, Ints32, Floats32]:
    """A translucent quad: corners (4, 3) in order, opacity at its foot (0, 1) and top (2, 3)."""
    rgba = np.empty((4, 4), np.float32)
    rgba[:, :3] = colour
    rgba[:2, 3], rgba[2:, 3] = opacity
    return corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32), rgba
