"""Skin, eyes, lips and hair of one infant, as colours on the mesh."""

from dataclasses import dataclass

import numpy as np

from model.synthetic.body import Body
from model.synthetic.clothing import Tailor
from model.synthetic.raster import Floats32
from model.synthetic.rig import CROWN_VERTEX, Floats, Rig
from model.synthetic.surface import Print, Style
from model.synthetic.texture import linear

SKINS = np.array(
    [
        [250, 218, 200], [244, 200, 178], [232, 184, 158], [222, 168, 138],
        [206, 150, 118], [186, 128, 98], [150, 100, 72], [112, 74, 52], [84, 54, 38],
    ],
    np.float64,
)  # fmt: skip
"""sRGB of well lit skin, light to dark."""
_SKIN_SHARES = (0.07, 0.14, 0.17, 0.17, 0.15, 0.11, 0.08, 0.06, 0.05)
HAIRS = np.array(
    [[16, 13, 12], [28, 21, 18], [44, 31, 24], [72, 50, 34], [120, 88, 58], [160, 128, 90]],
    np.float64,
)  # fmt: skip
IRISES = np.array([[40, 27, 20], [62, 42, 28], [78, 88, 104], [52, 58, 70]], np.float64)
HAIR_KINDS = {"bald": 0.20, "down": 0.24, "short": 0.28, "thick": 0.28}


@dataclass(frozen=True, eq=False)
class Complexion:
    """An infant's colours.

    Attributes:
        tone: Index into SKINS.
        hair: A key of HAIR_KINDS.
        colour: float32 (V, 3) linear RGB.
        gloss: float32 (V,).
        hair_field: float64 (V,) m, above 0 where hair covers the scalp.
        hair_style: How it looks.
        hair_stand_m: How far it stands off the scalp.
        mottle: Unevenness of the skin.
    """

    tone: int
    hair: str
    colour: Floats32
    gloss: Floats32
    hair_field: Floats
    hair_style: Style
    hair_stand_m: float
    mottle: float


def sample_complexion(tailor: Tailor, rng: np.random.Generator) -> Complexion:
    """Draw skin, face colours and hair."""
    rig = tailor.rig
    tone = int(rng.choice(len(SKINS), p=_SKIN_SHARES))
    skin = linear(SKINS[tone]) * rng.uniform(0.85, 1.1)
    ruddy = rng.uniform(-0.05, 0.13) if tone < 6 else rng.uniform(-0.03, 0.06)
    skin = skin * np.array([1 + 0.3 * ruddy, 1 - 0.5 * ruddy, 1 - 0.45 * ruddy])
    if rng.random() < 0.1:
        skin = skin * np.array([1.0, 0.99, 0.86])  # a newborn's jaundice
    colour = np.tile(skin, (rig.num_vertices, 1))
    gloss = np.full(rig.num_vertices, 0.10 + 0.12 * rng.random())
    _redden(tailor, colour, skin, rng)
    hair_colour = linear(HAIRS[rng.choice(6, p=[0.32, 0.26, 0.2, 0.12, 0.06, 0.04])])
    _paint_face(tailor, colour, gloss, skin, hair_colour, rng)
    hair = str(rng.choice(list(HAIR_KINDS), p=list(HAIR_KINDS.values())))
    stand = {"bald": 0.0, "down": 0.0, "short": 0.0025, "thick": 0.006}[hair]
    field = _scalp(tailor, rng)
    if hair == "down":
        share = np.clip(field / 0.012 + 0.4, 0, 1)[:, None] * rng.uniform(0.3, 0.75)
        colour += share * (hair_colour - colour)
    if hair in ("bald", "down"):
        field = np.full(rig.num_vertices, -1.0)
    rows = (tuple(float(c) for c in hair_colour),)
    return Complexion(
        tone=tone, hair=hair,
        colour=np.ascontiguousarray(colour, np.float32), gloss=gloss.astype(np.float32),
        hair_field=field, hair_style=Style(rows, Print.HAIR, gloss=0.12),  # type: ignore[arg-type]
        hair_stand_m=stand * rng.uniform(0.6, 1.4), mottle=float(rng.uniform(0.4, 1.3)),
    )  # fmt: skip


def _redden(tailor: Tailor, colour: Floats, skin: Floats, rng: np.random.Generator) -> None:
    """Hands, feet, elbows, knees and cheeks are redder than the rest."""
    rig, rest = tailor.rig, tailor.rig.rest_vertices
    red = skin * np.array([1.02, 0.72, 0.72])
    amount = np.zeros(rig.num_vertices)
    for bones, strength in ((("wrist.L", "wrist.R"), 0.6), (("foot.L", "foot.R"), 0.7)):
        limb = rig.vertices_of(*bones).astype(np.float64)
        for _ in range(6):
            limb = rig.neighbour_mean @ limb
        amount = np.maximum(amount, strength * limb)
    for name in ("lowerarm01", "lowerleg01"):
        for side in "LR":
            joint = rig.rest_joints[rig.bone[f"{name}.{side}"]]
            near = np.exp(-(((rest - joint) ** 2).sum(1) / 0.03**2))
            amount = np.maximum(amount, 0.45 * near)
    cheeks = np.hypot(np.abs(rest[:, 0]) - 0.03, rest[:, 2] - rest[5155, 2] - 0.032)
    face = tailor.head & (rest[:, 1] < -0.03)
    amount = np.maximum(amount, np.where(face, 0.5 * np.exp(-((cheeks / 0.016) ** 2)), 0))
    colour += (amount * rng.uniform(0.2, 1.0))[:, None] * (red - colour)


def _paint_face(
    tailor: Tailor, colour: Floats, gloss: Floats, skin: Floats, hair: Floats,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Lips, brows, eyes and mouth."""
    rig, rest = tailor.rig, tailor.rig.rest_vertices
    head = tailor.head
    lips = (np.clip(rig.lips * 1.6 - 0.25, 0, 1) * head * 0.85)[:, None]
    colour += lips * (skin * np.array([0.86, 0.5, 0.52]) - colour)
    brows = (np.clip(rig.brows * 2 - 1, 0, 1) * rng.uniform(0.1, 0.6))[:, None]
    colour += brows * (hair * 0.5 + skin * 0.3 - colour)
    iris = linear(IRISES[rng.choice(4, p=[0.5, 0.25, 0.15, 0.1])])
    for side, apex in (("L", 13583), ("R", 13655)):
        ball = rig.eyeball[side]
        centre = rig.rest_joints[rig.bone[f"eye.{side}"]]
        ahead = rest[apex] - centre
        ahead /= np.linalg.norm(ahead)
        rays = rest[ball] - centre
        rays /= np.linalg.norm(rays, axis=1)[:, None]
        angle = np.degrees(np.arccos(np.clip(rays @ ahead, -1, 1)))[:, None]
        colour[ball] = np.where(angle < 13, 0.005, np.where(angle < 33, iris, 0.7))
        gloss[ball] = 1.0
    inside = np.unique(rig.faces[np.isin(rig.face_parts, (3, 4))])
    colour[inside] = (0.22, 0.05, 0.05)


def _scalp(tailor: Tailor, rng: np.random.Generator) -> Floats:
    """Above 0 where hair grows: above a line that falls from the forehead to the nape."""
    rest = tailor.rig.rest_vertices
    eyes = rest[13583, 2]
    line = eyes + rng.uniform(0.027, 0.04)
    back = np.clip((rest[:, 1] + 0.035) / 0.05, 0, 1)
    field = rest[:, 2] - line + back * rng.uniform(0.035, 0.05)
    ear = (np.abs(rest[:, 0] - rest[CROWN_VERTEX, 0]) > 0.047) & (rest[:, 2] < eyes + 0.012)
    field = np.where(ear, -0.03, field)
    field = np.where(tailor.head, np.clip(field, -0.06, 0.06), -1.0)
    return np.asarray(tailor.rig.neighbour_mean @ field)


def express(rig: Rig, body: Body, rng: np.random.Generator) -> Floats:
    """Displacements of a drawn facial expression, float64 (V, 3)."""
    amounts = dict.fromkeys(rig.action_names, 0.0)
    blink = float(rng.choice([0, 0.15, 0.5, 1.0], p=[0.4, 0.22, 0.1, 0.28]))
    amounts["eyeBlinkLeft"] = amounts["eyeBlinkRight"] = blink
    for name, chance, most in (
        ("jawOpen", 0.35, 0.8), ("mouthPucker", 0.2, 0.7), ("browInnerUp", 0.3, 1.0),
        ("cheekPuff", 0.2, 0.6), ("tongueOut", 0.05, 0.7),
    ):  # fmt: skip
        if rng.random() < chance:
            amounts[name] = rng.uniform(0, most)
    for name, chance, most in (
        ("mouthSmile", 0.2, 0.8), ("mouthFrown", 0.2, 0.8), ("mouthStretch", 0.15, 0.8),
        ("noseSneer", 0.15, 0.8), ("browDown", 0.2, 0.8),
    ):  # fmt: skip
        if rng.random() < chance:
            for side in ("Left", "Right"):
                amounts[name + side] = rng.uniform(0.6, 1.0) * most
    weights = np.array([amounts[name] for name in rig.action_names])
    return np.asarray(np.tensordot(weights, rig.actions, 1) * body.scale, np.float64)


def hair_displacement(complexion: Complexion, rng: np.random.Generator) -> Floats:
    """How far hair stands off each vertex, float64 (V,) m."""
    cover = np.clip(complexion.hair_field / 0.01, 0, 1)
    tufts = rng.uniform(0.5, 1.5, len(cover))
    return np.asarray(cover * complexion.hair_stand_m * tufts)
