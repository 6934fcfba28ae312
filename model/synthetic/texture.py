"""Colours, noise, folds and prints for cloth, as arrays."""

import cv2
import numpy as np
from numpy.typing import NDArray

from model.synthetic.raster import Floats32
from model.synthetic.rig import Floats

WHITES = np.array([[236, 236, 234], [228, 230, 233], [240, 236, 226], [222, 222, 220]], np.float64)
"""Bed linen is white or nearly so; sRGB 0..255."""


def linear(srgb: NDArray[np.floating] | tuple[float, float, float]) -> Floats:
    """SRGB 0..255 to linear 0..1 (a plain power of 2.2)."""
    return np.asarray((np.asarray(srgb, np.float64) / 255) ** 2.2)


def hue_colour(hue_deg: float, saturation: float, value: float) -> Floats:
    """Linear RGB of an HSV colour."""
    pixel = np.array([[[hue_deg % 360, saturation, value]]], np.float32)
    return np.asarray(cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64) ** 2.2)


def cloth_colour(rng: np.random.Generator) -> Floats:
    """Linear RGB of linen or clothes: white mostly, pastel often, strong seldom."""
    kind = rng.random()
    if kind < 0.5:
        colour = linear(WHITES[rng.integers(len(WHITES))])
        return np.asarray(colour * rng.uniform(0.75, 1.0))
    if kind < 0.92:
        return hue_colour(rng.uniform(0, 360), rng.uniform(0.06, 0.28), rng.uniform(0.72, 0.95))
    return hue_colour(rng.uniform(0, 360), rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.85))


def print_colour(rng: np.random.Generator) -> Floats:
    """Linear RGB of what is printed on cloth: mid tones, livelier than the cloth."""
    return hue_colour(rng.uniform(0, 360), rng.uniform(0.1, 0.5), rng.uniform(0.4, 0.9))


def noise(
    rng: np.random.Generator, size: int, octaves: tuple[int, ...], fade: float = 0.5
) -> Floats32:
    """Smooth random field float32 (size, size) with mean near 0 and deviation 1.

    Args:
        rng: Draws it.
        size: Side in cells.
        octaves: Waves across the side, coarse to fine.
        fade: Strength of each octave against the one before.
    """
    return elongated(rng, size, tuple((waves, waves) for waves in octaves), fade)


def elongated(
    rng: np.random.Generator, size: int, octaves: tuple[tuple[int, int], ...], fade: float = 0.5
) -> Floats32:
    """As `noise`, with other waves down than across: (rows, columns) for each octave."""
    out = np.zeros((size, size), np.float32)
    strength = 1.0
    for rows, columns in octaves:
        grid = rng.standard_normal((rows + 3, columns + 3)).astype(np.float32) * strength
        fine = min(size, 8 * max(rows, columns))
        tall, wide = (int(np.ceil(fine * (n + 3) / n)) for n in (rows, columns))
        field = cv2.resize(grid, (wide, tall), interpolation=cv2.INTER_CUBIC)
        top, left = (tall - fine) // 2, (wide - fine) // 2
        field = field[top : top + fine, left : left + fine]
        out += cv2.resize(field, (size, size), interpolation=cv2.INTER_LINEAR)
        strength *= fade
    return np.asarray(out / max(float(out.std()), 1e-6), np.float32)


def ridges(field: Floats32) -> Floats32:
    """Turn a noise field into creases: 1 on its zero lines, falling off to both sides."""
    return np.asarray(np.exp(-3.0 * np.abs(field)), np.float32)


def bent(field: Floats32, along: Floats32, across: Floats32, reach_px: float) -> Floats32:
    """Shift a field's cells by two other fields, so that straight structures wander."""
    size = field.shape[0]
    ys, xs = np.mgrid[:size, :size].astype(np.float32)
    moved = cv2.remap(
        field, xs + reach_px * along, ys + reach_px * across,
        cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
    return np.asarray(moved, np.float32)


def print_image(rng: np.random.Generator, size: int, cell_m: float, ground: Floats) -> Floats32:
    """A printed cloth, float32 (size, size, 3) linear.

    Args:
        rng: Draws the print.
        size: Side in cells.
        cell_m: Side of a cell.
        ground: float64 (3,) linear colour between the figures.
    """
    image = np.empty((size, size, 3), np.float32)
    image[:] = ground
    kind = rng.choice(
        ["motifs", "stripes", "check", "dots", "blotches"], p=[0.5, 0.2, 0.1, 0.1, 0.1]
    )
    ys, xs = np.mgrid[:size, :size].astype(np.float32) * np.float32(cell_m)
    colours = [print_colour(rng) for _ in range(3)]
    pitch = rng.uniform(0.012, 0.09)
    if kind == "stripes":
        image[(xs / pitch) % 1 < rng.uniform(0.15, 0.6)] = colours[0]
    elif kind == "check":
        share = ((xs / pitch) % 1 < 0.5).astype(np.float32) + ((ys / pitch) % 1 < 0.5)
        image += (share / 2)[..., None] * (colours[0] - ground).astype(np.float32)
    elif kind == "dots":
        rows = np.floor(ys / pitch)
        du, dv = ((xs / pitch + 0.5 * (rows % 2)) % 1) - 0.5, (ys / pitch) % 1 - 0.5
        image[du**2 + dv**2 < rng.uniform(0.03, 0.08)] = colours[0]
    elif kind == "blotches":
        image[noise(rng, size, (12, 24)) > 1.0] = colours[0]
    else:
        _stamp_motifs(image, rng, cell_m, colours)
    return image


def _stamp_motifs(
    image: Floats32, rng: np.random.Generator, cell_m: float, colours: list[Floats]
) -> None:
    """Small figures scattered over a cloth: blobs with a few limbs, rings, letters."""
    size = image.shape[0]
    count = int(rng.integers(60, 260))
    scale = rng.uniform(0.006, 0.03) / cell_m
    inks = np.zeros((size, size), np.uint8)
    for x, y, turn in zip(
        rng.uniform(0, size, count), rng.uniform(0, size, count), rng.uniform(0, 360, count),
        strict=True,
    ):  # fmt: skip
        ink = int(rng.integers(1, 4))
        at = (int(x), int(y))
        kind = rng.integers(4)
        if kind == 3:
            letter = chr(int(rng.integers(65, 91)))
            cv2.putText(inks, letter, at, cv2.FONT_HERSHEY_SIMPLEX, scale / 12, ink, 2)
            continue
        cv2.ellipse(inks, at, (int(scale) + 1, int(scale * 0.7) + 1), turn, 0, 360, ink, -1)
        if kind:
            other = (int(x + scale * np.cos(turn)), int(y + scale * np.sin(turn)))
            cv2.circle(inks, other, int(scale * 0.6) + 1, int(rng.integers(1, 4)), -1)
    inks = inks[::-1]  # rows run up the plane, so that letters read right
    for ink, colour in enumerate(colours, 1):
        share = cv2.GaussianBlur((inks == ink).astype(np.float32), (0, 0), 0.8)[..., None]
        image += share * (colour.astype(np.float32) - image)
