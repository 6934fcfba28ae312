"""Covering heads as published recordings and our previews have them: the detector meets both."""

import cv2
import numpy as np
from numpy.typing import NDArray

_CELLS_ACROSS = (3, 8)
"""Of the mosaic, as coarse as that of the previews."""


def cover_heads(
    picture: NDArray[np.uint8], polygons_xy: list[NDArray[np.floating]], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A copy with every head under a mosaic, one colour, or speckles.

    Args:
        picture: uint8 (H, W, 3).
        polygons_xy: (P, 2) px around each head.
        rng: Draws the kind of cover, its shape and its colour.

    Returns:
        uint8 (H, W, 3).
    """
    covered = picture.copy()
    for polygon in polygons_xy:
        region = _region(picture.shape[:2], polygon, rng)
        kind = rng.choice(["mosaic", "plain", "speckles"])
        if kind == "mosaic":
            cells = int(rng.integers(*_CELLS_ACROSS, endpoint=True))
            paint = _mosaic(picture, region, cells)
        elif kind == "plain":
            colour = rng.choice([(0, 0, 0), (255, 255, 255), tuple(rng.integers(0, 256, 3))])
            paint = np.broadcast_to(np.asarray(colour, np.uint8), picture.shape)
        else:
            grain = rng.integers(0, 256, (*region.shape, 1), dtype=np.uint8)
            paint = np.where(rng.random((*region.shape, 1)) < 0.5, grain, picture)
        covered[region] = paint[region]
    return covered


def _region(
    shape_hw: tuple[int, ...], polygon: NDArray[np.floating], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Where the cover lies: the polygon, its box, or the circle around it, bool (H, W)."""
    region = np.zeros(shape_hw[:2], np.uint8)
    points = np.rint(polygon).astype(np.int32)
    shape = rng.choice(["polygon", "box", "circle"])
    if shape == "polygon":
        cv2.fillPoly(region, [points], 1)
    elif shape == "box":
        cv2.rectangle(region, points.min(0).tolist(), points.max(0).tolist(), 1, -1)
    else:
        (x, y), radius = cv2.minEnclosingCircle(points.astype(np.float32))
        cv2.circle(region, (round(x), round(y)), round(radius), 1, -1)
    return region.astype(bool)


def _mosaic(picture: NDArray[np.uint8], region: NDArray[np.bool_], cells: int) -> NDArray[np.uint8]:
    """The picture with the region's box in so many cells across."""
    ys, xs = np.nonzero(region)
    paint = picture.copy()
    if len(xs):
        window = (slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1))
        patch = picture[window]
        height, width = patch.shape[:2]
        step = max(width, height) / cells
        grid_wh = (max(1, round(width / step)), max(1, round(height / step)))
        small = cv2.resize(patch, grid_wh, interpolation=cv2.INTER_AREA)
        paint[window] = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    return paint
