"""Everything in one picture or film but the posture: room, light, cloths, things, camera."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.synthetic.camera import Camera
from model.synthetic.clothing import UPPER
from model.synthetic.cot import Walls, sample_walls
from model.synthetic.drape import Drape, height_map, make_drape
from model.synthetic.landmarks import infant21
from model.synthetic.light import Light, sample_light
from model.synthetic.raster import Floats32
from model.synthetic.rendering import Rendered, render
from model.synthetic.rig import Floats, load_rig
from model.synthetic.setting import Ground
from model.synthetic.shading import COVER_EXTENT_M
from model.synthetic.subject import Posed, Subject, body_surface
from model.synthetic.surface import Print, Style, Surface
from model.synthetic.texture import cloth_colour, linear, print_colour
from model.synthetic.things import adult_arm, dummy, equipment, lead, patch, toy

_POINT = {name: i for i, name in enumerate(infant21().keypoints)}
_MOUTH_VERTEX = 485
_ELECTRODES = (1877, 1402, 4077, 4055, 8219, 8220, 11217, 4615)


@dataclass(frozen=True, eq=False)
class Scene:
    """What surrounds an infant.

    Attributes:
        ground: What it lies on.
        walls: Of its cot.
        light: Of the room.
        drapes: Loose cloths, blankets and gowns.
        things: Adults' arms, toys, equipment.
        attached: Names of what is fixed to the infant: electrode, lead, dummy.
        attach_seed: Draws their places and ways, the same in every frame.
        names: What is in the picture, for the record.
    """

    ground: Ground
    walls: Walls
    light: Light
    drapes: tuple[Drape, ...]
    things: tuple[Surface, ...]
    attached: tuple[str, ...]
    attach_seed: int
    names: tuple[str, ...]


def sample_scene(
    rng: np.random.Generator, ground: Ground, subject: Subject | None, posed: Posed | None,
    *, arm: bool | None = None,
) -> Scene:  # fmt: skip
    """Draw what surrounds an infant, or an empty place.

    Args:
        rng: Draws it.
        ground: What it lies on.
        subject: The infant, None for an empty place.
        posed: How it lies at first.
        arm: Whether an adult's arm reaches in; None leaves it to chance.
    """
    light = sample_light(rng, ground.mean_colour)
    walls = sample_walls(ground, rng)
    marks = None if posed is None else posed.keypoints_xyz
    drapes = _sample_drapes(rng, subject, marks)
    things: list[Surface] = []
    names = [drape.name for drape in drapes]
    reach_in = rng.random() < 0.15 if arm is None else arm
    for _ in range(int(rng.integers(1, 3)) if reach_in else 0):
        things += _sample_arm(rng, marks)
        names.append("arm")
    if rng.random() < 0.12:
        for _ in range(int(rng.integers(1, 3))):
            turn, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.4)
            things.append(toy(rng, np.array([np.cos(turn), np.sin(turn)]) * away))
        names.append("toy")
    if rng.random() < (0.4 if ground.place == "cot" else 0.25):
        for _ in range(int(rng.integers(1, 3))):
            things += equipment(rng, rng.uniform(0, 360))
        names.append("equipment")
    attached: list[str] = []
    if subject is not None:
        for name, chance in (("electrode", 0.08), ("lead", 0.12), ("dummy", 0.05)):
            if rng.random() < chance:
                attached.append(name)
    return Scene(
        ground=ground, walls=walls, light=light, drapes=tuple(drapes), things=tuple(things),
        attached=tuple(attached), attach_seed=int(rng.integers(1 << 31)),
        names=(*names, *attached),
    )  # fmt: skip


def _style(rng: np.random.Generator, printed: float) -> Style:
    colours = (cloth_colour(rng), print_colour(rng), print_colour(rng))
    patterns = (Print.MOTIFS, Print.STRIPES, Print.DOTS, Print.BLOTCHES)
    pattern = Print.PLAIN
    if rng.random() < printed:
        pattern = patterns[int(rng.choice(4, p=[0.6, 0.2, 0.1, 0.1]))]
    rows = tuple((float(c[0]), float(c[1]), float(c[2])) for c in colours)
    return Style(rows, pattern, float(rng.uniform(0.015, 0.05)), folds=float(rng.uniform(0.2, 0.8)))


def _sample_drapes(
    rng: np.random.Generator, subject: Subject | None, marks: Floats | None
) -> list[Drape]:
    drapes = []
    if subject is not None and marks is not None and subject.outfit.name == "gown":
        drapes.append(_gown(rng, subject, marks))
    if marks is not None and rng.random() < 0.13:
        drapes.append(_blanket(rng, marks))
    if rng.random() < (0.3 if marks is not None else 0.6):
        for _ in range(int(rng.integers(1, 3))):
            turn, away = (
                rng.uniform(-0.75 * np.pi - np.pi / 2, 0.25 * np.pi),
                rng.uniform(0.17, 0.36),
            )
            centre = np.array([np.cos(turn), 1.2 * np.sin(turn)]) * away
            half = (float(rng.uniform(0.06, 0.15)), float(rng.uniform(0.09, 0.24)))
            drapes.append(
                make_drape(
                    rng,
                    "crumple",
                    _style(rng, 0.35),
                    centre_xy=centre,
                    half_m=half,
                    turn_deg=float(rng.uniform(0, 360)),
                    under=_under(rng, centre, max(half), marks),
                )
            )
    return drapes


def _under(rng: np.random.Generator, centre: Floats, reach_m: float, marks: Floats | None) -> bool:
    """Whether a crumpled cloth lies under the infant: by chance, and always near its face."""
    by_chance = bool(rng.random() < 0.5)
    if marks is None:
        return by_chance
    face = marks[[_POINT["left_eye"], _POINT["right_eye"]], :2].mean(0)
    return by_chance or float(np.linalg.norm(face - centre)) < reach_m + 0.06


def _gown(rng: np.random.Generator, subject: Subject, marks: Floats) -> Drape:
    """A loose gown over the trunk and part of the thighs, cut from its sleeves' cloth."""
    chest, navel = marks[_POINT["chest"]], marks[_POINT["navel"]]
    hips = (marks[_POINT["left_hip"]] + marks[_POINT["right_hip"]]) / 2
    down = (hips - chest)[:2]
    length = float(np.linalg.norm(down))
    wide = float(
        np.linalg.norm((marks[_POINT["left_shoulder"]] - marks[_POINT["right_shoulder"]])[:2])
    )
    half = (wide * rng.uniform(0.52, 0.8), length * rng.uniform(0.42, 0.72))
    top = chest[:2] + 0.12 * down
    centre = top + down / length * half[1] + 0.1 * (navel[:2] - chest[:2]) * rng.normal()
    turn = float(np.rad2deg(np.arctan2(down[1], down[0]))) + 90
    return make_drape(
        rng, "gown", subject.outfit.styles[UPPER], centre_xy=centre, half_m=half,
        turn_deg=turn + float(rng.normal(0, 6)),
    )  # fmt: skip


def _blanket(rng: np.random.Generator, marks: Floats) -> Drape:
    """A blanket over the legs, over one limb, or half over the trunk."""
    kind = rng.choice(["legs", "limb", "side"], p=[0.4, 0.4, 0.2])
    if kind == "legs":
        spots = [_POINT["left_knee"], _POINT["right_knee"], _POINT["left_ankle"]]
        half = (rng.uniform(0.13, 0.26), rng.uniform(0.07, 0.2))
    elif kind == "limb":
        limb = str(
            rng.choice(["left_wrist", "right_wrist", "left_ankle", "right_ankle", "left_knee"])
        )
        spots = [_POINT[limb]]
        half = (rng.uniform(0.05, 0.13), rng.uniform(0.05, 0.16))
    else:
        spots = [_POINT["navel"], _POINT[str(rng.choice(["left_elbow", "right_elbow"]))]]
        half = (rng.uniform(0.07, 0.13), rng.uniform(0.06, 0.12))
    centre = marks[spots, :2].mean(0) + rng.normal(0, 0.025, 2)
    return make_drape(
        rng, "blanket", _style(rng, 0.45), centre_xy=centre,
        half_m=(float(half[0]), float(half[1])), turn_deg=float(rng.normal(0, 30)),
    )  # fmt: skip


def _sample_arm(rng: np.random.Generator, marks: Floats | None) -> list[Surface]:
    """An arm at the border, or one that holds a limb or the trunk."""
    if marks is not None and rng.random() < 0.4:
        spot = marks[int(rng.integers(len(marks)))] + [0, 0, 0.025]
        from_deg = np.rad2deg(np.arctan2(spot[1], spot[0])) + rng.normal(0, 45)
    else:
        from_deg = rng.uniform(0, 360)
        turn, away = np.deg2rad(from_deg), rng.uniform(0.2, 0.36)
        spot = np.array([np.cos(turn) * away, np.sin(turn) * away, rng.uniform(0.02, 0.1)])
    return adult_arm(load_rig(), rng, np.asarray(spot, np.float64), float(from_deg))


def surfaces_of(scene: Scene, subject: Subject | None, posed: Posed | None) -> list[Surface]:
    """All meshes of one moment, the infant's first."""
    made: list[Surface] = []
    tops = np.zeros((160, 160), np.float32)
    worn = tops
    if subject is not None and posed is not None:
        made.append(body_surface(subject, posed))
        faces = subject.body.rig.faces
        if scene.drapes or "lead" in scene.attached:
            tops = height_map(posed.vertices, faces)
        if any(drape.name == "gown" for drape in scene.drapes):
            worn = height_map(posed.vertices, _trunk_faces(subject))
        made += _attached(scene, subject, posed, tops)
    for drape in scene.drapes:
        made.append(drape.fall(worn if drape.name == "gown" else tops))
    return [*made, *scene.things, *scene.walls.solid]


def _trunk_faces(subject: Subject) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    """Triangles of trunk and thighs, over which a gown falls."""
    rig = subject.body.rig
    limbs = rig.vertices_of(
        "upperarm01.L", "upperarm01.R", "lowerleg01.L", "lowerleg01.R", "neck01"
    )
    return np.ascontiguousarray(rig.faces[~limbs[rig.faces[:, 0]]])


def _attached(scene: Scene, subject: Subject, posed: Posed, tops: Floats32) -> Sequence[Surface]:
    """What is fixed to the infant, in places that stay the same from frame to frame."""
    rng = np.random.default_rng(scene.attach_seed)
    made: list[Surface] = []
    up = np.array([0.0, 0.0, 1.0])
    spots = rng.choice(_ELECTRODES, 3, replace=False)
    if "electrode" in scene.attached:
        colour = linear((225, 226, 224)) * rng.uniform(0.5, 1.0)
        made += [
            patch(posed.vertices[v].astype(np.float64), up, rng.uniform(0.008, 0.013), colour)
            for v in spots
        ]
    if "lead" in scene.attached:
        made += [
            lead(rng, posed.vertices[v].astype(np.float64), tops, COVER_EXTENT_M)
            for v in spots[: int(rng.integers(1, 4))]
        ]
    if "dummy" in scene.attached:
        head = posed.transforms[subject.body.rig.bone["head"], :, :3]
        mouth = posed.vertices[_MOUTH_VERTEX].astype(np.float64) + head @ [0, 0, 0.012]
        made += dummy(rng, mouth, head @ np.array([0.0, -1.0, 0.0]))
    return made


def draw(scene: Scene, subject: Subject | None, posed: Posed | None, camera: Camera) -> Rendered:
    """Draw one moment of a scene."""
    made = surfaces_of(scene, subject, posed)
    if not made:
        made = [toy(np.random.default_rng(0), np.array([9.0, 9.0]))]
    mottle = 0.8 if subject is None else subject.complexion.mottle
    return render(
        made, ground=scene.ground, walls=scene.walls, light=scene.light, camera=camera,
        skin_mottle=mottle,
    )  # fmt: skip
