"""Covering heads so that nobody can be recognised: where a head is, and what lies over it.

A cover keeps nothing fine: at most `MOSAIC_CELLS` squares across the head, or one flat grey. A
blur or a finer mosaic can be undone. The same functions cover heads in data sets before they are
published, in pictures while models are trained, and in previews, so that models see in training
what they will see later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import check_array
from model.spec.errors import ArrayError, SkeletonError
from model.spec.skeleton import Skeleton

Style = Literal["mosaic", "solid"]

MOSAIC_CELLS: Final = 8
"""Squares across a covered region's longer side, at most."""
SMALLEST_CELL_PX: Final = 4
"""Squares of a mosaic never get smaller, so that also a head of a few pixels is covered."""
SOLID_GREY: Final = 127
"""The flat cover's value in every channel."""

_CORNERS: Final = 24
"""Of the polygon that stands for a circle."""
_HEAD_PER_BOX: Final = 0.35
"""Diameter of a head per longer side of its infant's or person's box, measured like the rest."""


_RIM: Final = 0.15
"""What is covered beyond a labelled keypoint of the head, in head diameters."""


@dataclass(frozen=True)
class _Place:
    """A way to find a head's middle from keypoints.

    Attributes:
        weights: Groups of keypoints and the weights of their means, of sum 1: a straight line or
            a plane through the body keeps its proportions in a picture, however foreshortened.
        reach: Radius of the circle in head diameters: half, and how far the middle may be off.
    """

    weights: tuple[tuple[tuple[str, ...], float], ...]
    reach: float


@dataclass(frozen=True)
class _Anatomy:
    """What a skeleton says of heads.

    Attributes:
        diameters: Head diameters per distance between the means of two groups of keypoints. The
            largest product is taken: what is seen foreshortened is too short, never too long.
        places: The first whose groups are all labelled (one of a group is enough) is taken.
    """

    diameters: tuple[tuple[tuple[str, ...], tuple[str, ...], float], ...]
    places: tuple[_Place, ...]


_EYES = ("left_eye", "right_eye")
_EARS = ("left_ear", "right_ear")
_SHOULDERS = ("left_shoulder", "right_shoulder")
_HIPS = ("left_hip", "right_hip")
_CHIN, _CHEST, _NAVEL, _NOSE = ("chin",), ("chest",), ("navel",), ("nose",)

# infant21: fitted to the synthetic infants (the middles by least squares, the reaches to hold 99 of
# 100 heads). coco17: adult proportions (a head of 23 cm; 6.3 cm between the eyes, 15 between the
# ears, 12 from nose to ear, shoulders 36 apart and 50 above the hips) with room to spare, as
# children's heads are larger.
_ANATOMY: Final = {
    "infant21": _Anatomy(
        (
            (_EYES[:1], _EYES[1:], 3.2),
            (_EYES, _CHIN, 2.6),
            (_CHIN, _CHEST, 2.2),
            (_SHOULDERS[:1], _SHOULDERS[1:], 1.2),
            (_CHEST, _NAVEL, 1.7),
        ),
        (
            _Place(((_EYES, 0.34), (_CHEST, 1.28), (_NAVEL, -0.62)), 0.68),
            _Place(((_EYES, 0.5), (_SHOULDERS, 0.74), (_HIPS, -0.24)), 0.72),
            _Place(((_EYES, 0.84), (_CHEST, 0.16)), 0.82),
            _Place(((_EYES, 1.0),), 0.86),
            _Place(((_CHIN, 0.3), (_CHEST, 1.55), (_NAVEL, -0.85)), 0.72),
            _Place(((_CHIN, 0.49), (_SHOULDERS, 0.91), (_HIPS, -0.4)), 0.77),
            _Place(((_CHIN, 1.0),), 1.0),
            _Place(((_CHEST, 1.95), (_NAVEL, -0.95)), 0.77),
            _Place(((_SHOULDERS, 1.47), (_HIPS, -0.47)), 0.94),
            _Place(((_CHEST, 1.0),), 1.22),
        ),
    ),
    "coco17": _Anatomy(
        (
            (_EYES[:1], _EYES[1:], 4.2),
            (_EARS[:1], _EARS[1:], 1.8),
            (_NOSE, _EARS[:1], 2.2),
            (_NOSE, _EARS[1:], 2.2),
            (_SHOULDERS[:1], _SHOULDERS[1:], 0.9),
            (_SHOULDERS, _HIPS, 0.55),
        ),
        (
            _Place(((_EARS, 0.5), (_EYES, 0.5)), 0.75),
            _Place(((_EARS, 1.0),), 0.8),
            _Place(((_EYES, 1.0),), 0.85),
            _Place(((_NOSE, 1.0),), 0.9),
            _Place(((_SHOULDERS, 1.45), (_HIPS, -0.45)), 1.0),
            _Place(((_SHOULDERS, 1.0),), 1.6),
        ),
    ),
}


def head_region(
    keypoints_xy: NDArray[np.float32],
    skeleton: Skeleton,
    box_xyxy: NDArray[np.float32] | None = None,
) -> NDArray[np.float32] | None:
    """The circle that holds an infant's or person's head, judged from keypoints; generous.

    Args:
        keypoints_xy: float32 (K, 2) px, NaN where missing.
        skeleton: Says which keypoint is which; infant21 or coco17.
        box_xyxy: float32 (4,) px around the whole infant; a scale that foreshortening spares.

    Returns:
        float32 (P, 2) px, a polygon around the circle, which may reach out of the picture; None
        where the head cannot be placed: cover more then, never nothing.

    Raises:
        ArrayError: Another shape or dtype.
        SkeletonError: A skeleton of which no head is known.
    """
    check_array("keypoints_xy", keypoints_xy, (skeleton.num_keypoints, 2), np.float32)
    if box_xyxy is not None:
        check_array("box_xyxy", box_xyxy, (4,), np.float32)
        box_xyxy = box_xyxy[None]
    region = head_regions(keypoints_xy[None], skeleton, box_xyxy)[0]
    return region if np.isfinite(region).all() else None


def head_regions(
    keypoints_xy: NDArray[np.float32],
    skeleton: Skeleton,
    box_xyxy: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """`head_region` of N infants or frames.

    Args:
        keypoints_xy: float32 (N, K, 2) px, NaN where missing.
        skeleton: Says which keypoint is which; infant21 or coco17.
        box_xyxy: float32 (N, 4) px, if known.

    Returns:
        float32 (N, P, 2) px; NaN where the head cannot be placed.

    Raises:
        ArrayError: Another shape or dtype.
        SkeletonError: A skeleton of which no head is known.
    """
    check_array("keypoints_xy", keypoints_xy, ("N", skeleton.num_keypoints, 2), np.float32)
    if skeleton.id not in _ANATOMY:
        known = ", ".join(_ANATOMY)
        raise SkeletonError(f"expected a skeleton of {known} to find heads, got {skeleton.id!r}")
    anatomy, count = _ANATOMY[skeleton.id], len(keypoints_xy)
    diameter = np.zeros(count)
    for one, other, diameters in anatomy.diameters:
        apart = _means(keypoints_xy, skeleton, one) - _means(keypoints_xy, skeleton, other)
        diameter = np.fmax(diameter, diameters * np.linalg.norm(apart, axis=1))
    if box_xyxy is not None:
        check_array("box_xyxy", box_xyxy, (count, 4), np.float32)
        longer = (box_xyxy[:, 2:] - box_xyxy[:, :2]).max(1).astype(np.float64)
        diameter = np.fmax(diameter, _HEAD_PER_BOX * (longer + 1))
    middle_xy, reach = np.full((count, 2), np.nan), np.zeros(count)
    for place in anatomy.places:
        means = (weight * _means(keypoints_xy, skeleton, names) for names, weight in place.weights)
        here_xy = np.sum(list(means), axis=0)
        first = np.isnan(middle_xy[:, 0]) & np.isfinite(here_xy).all(1)
        middle_xy[first], reach[first] = here_xy[first], place.reach
    middle_xy[diameter <= 0] = np.nan
    own_xy = keypoints_xy[:, list(skeleton.head)].astype(np.float64)
    own_xy[~np.isfinite(own_xy)] = np.nan
    farthest = np.fmax.reduce(np.linalg.norm(own_xy - middle_xy[:, None], axis=2), axis=1)
    radius = np.fmax(reach * diameter, farthest + _RIM * diameter)
    return _around_circles(middle_xy, np.fmax(radius, SMALLEST_CELL_PX))


def cover(
    picture: NDArray[np.uint8], polygon_xy: NDArray[np.float32], style: Style = "mosaic"
) -> NDArray[np.uint8]:
    """Cover a region of a picture; the same input gives the same bytes.

    Every pixel that the polygon touches is replaced. A mosaic's squares are as many px wide as
    makes `MOSAIC_CELLS` of them across the polygon's longer side, and hold the mean of the picture
    under them; a small picture may be one square.

    Args:
        picture: uint8 (H, W, C).
        polygon_xy: float32 (P, 2) px, P at least 3, any winding; parts outside the picture are
            welcome and keep the squares coarse.
        style: `mosaic`, or `solid` for flat grey.

    Returns:
        uint8 (H, W, C), a copy.

    Raises:
        ArrayError: Another shape or dtype, fewer than 3 corners, or one that is not finite.
    """
    check_array("picture", picture, ("H", "W", "C"), np.uint8)
    if style not in ("mosaic", "solid"):
        raise ArrayError(f"style: expected mosaic or solid, got {style!r}")
    covered = picture.copy()
    inside = region_mask(polygon_xy, (picture.shape[1], picture.shape[0]))
    if not inside.any():
        return covered
    if style == "solid":
        covered[inside] = SOLID_GREY
        return covered
    longer = float((polygon_xy.max(0) - polygon_xy.min(0)).max()) + 1
    cell_px = max(int(np.ceil(longer / MOSAIC_CELLS)), SMALLEST_CELL_PX)
    part = tuple(_whole_cells(np.asarray(inside.any(axis)), cell_px) for axis in (1, 0))
    covered[part][inside[part]] = _mosaic(picture[part], cell_px)[inside[part]]
    return covered


def region_mask(polygon_xy: NDArray[np.float32], size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels that a polygon touches.

    Args:
        polygon_xy: float32 (P, 2) px, P at least 3.
        size_wh: Of the picture, px.

    Returns:
        bool (H, W): the polygon's pixels and a rim of one, so that rounding uncovers none.

    Raises:
        ArrayError: Another shape or dtype, fewer than 3 corners, or one that is not finite.
    """
    return regions_mask([polygon_xy], size_wh)


def regions_mask(
    polygons_xy: Sequence[NDArray[np.float32]], size_wh: tuple[int, int]
) -> NDArray[np.bool_]:
    """The pixels that any of several polygons touches: `region_mask` of each, joined.

    Raises:
        ArrayError: As `region_mask`.
    """
    width, height = size_wh
    # Drawn with a margin, so that what ends just outside reaches in with its rim.
    far = 4.0 * max(width, height)
    drawn = np.zeros((height + 4, width + 4), np.uint8)
    for polygon_xy in polygons_xy:
        check_array("polygon_xy", polygon_xy, ("P", 2), np.float32)
        if len(polygon_xy) < 3 or not np.isfinite(polygon_xy).all():
            raise ArrayError(
                f"polygon_xy: expected at least 3 finite corners, got {len(polygon_xy)}, "
                f"{int(np.isfinite(polygon_xy).all(1).sum())} of them finite"
            )
        corners = np.rint(np.clip(polygon_xy, -far, far + max(width, height))) + 2
        cv2.fillPoly(drawn, [corners.astype(np.int32)], 1)
    grown = cv2.dilate(drawn, np.ones((3, 3), np.uint8))
    return np.asarray(grown[2:-2, 2:-2], np.bool_)


def _means(
    keypoints_xy: NDArray[np.float32], skeleton: Skeleton, names: Sequence[str]
) -> NDArray[np.float64]:
    """The means (N, 2) of those of the named keypoints that are labelled; NaN where none is."""
    points = keypoints_xy[:, [skeleton.index(name) for name in names]].astype(np.float64)
    known = np.asarray(np.isfinite(points).all(2))
    sums = np.where(known[..., None], points, 0.0).sum(1)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / known.sum(1)[:, None])


def _around_circles(
    middle_xy: NDArray[np.float64], radius_px: NDArray[np.float64]
) -> NDArray[np.float32]:
    angles = np.arange(_CORNERS) * 2 * np.pi / _CORNERS
    ring = np.stack([np.cos(angles), np.sin(angles)], 1) / np.cos(np.pi / _CORNERS)
    return np.asarray(middle_xy[:, None] + ring * radius_px[:, None, None], np.float32)


def _whole_cells(touched: NDArray[np.bool_], cell_px: int) -> slice:
    """The stretch of whole cells over what is touched, moved into the picture where it leaves."""
    places = np.flatnonzero(touched)
    first, last = int(places[0]), int(places[-1])
    length = -(-(last - first + 1) // cell_px) * cell_px
    start = max(0, min(first, len(touched) - length))
    return slice(start, min(start + length, len(touched)))


def _mosaic(picture: NDArray[np.uint8], cell_px: int) -> NDArray[np.uint8]:
    """Every cell at its mean, in integers; (H, W, C) as it came."""
    height, width = picture.shape[:2]
    rows, columns = (
        np.arange(max(length // cell_px, 1)) * cell_px for length in (height, width)
    )  # what is left over at the picture's end joins the last cell
    sums = np.add.reduceat(picture, columns, axis=1, dtype=np.int64)
    sums = np.add.reduceat(sums, rows, axis=0)
    tall, wide = np.diff(np.append(rows, height)), np.diff(np.append(columns, width))
    counts = (tall[:, None] * wide[None, :])[..., None]
    means = ((sums + counts // 2) // counts).astype(np.uint8)
    return np.asarray(means.repeat(tall, axis=0).repeat(wide, axis=1), np.uint8)
