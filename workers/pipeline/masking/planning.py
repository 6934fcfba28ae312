"""What of every frame is covered so that nobody can be recognised: planned from numbers alone.

Three things may be recognised in a frame: the infant's face, the faces of others, and what else
lies around. So a frame keeps clear only what lies inside the followed infant's box and outside of
every head, and where that is not known nothing stays clear. The infant's head is looked for in two
ways that fail independently, by keypoints and by the detector, and in the frames before and after
too: a face that shows in one frame of a thousand is known for ever.
"""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.spec.errors import ArrayError
from model.spec.geometry import Size
from model.spec.head_mask import MOSAIC_CELLS, head_regions
from model.spec.sequence import STATUSES, Rows, Sightings
from model.spec.skeleton import Skeleton
from workers.pipeline.forward_time import going_forward
from workers.pipeline.masking.plan import MaskPlan, MaskSettings, Polygon, Reason
from workers.pipeline.masking.seen_heads import grown_corners, heads_by_frame

_OK: Final = STATUSES.index("ok")
_LOW: Final = STATUSES.index("low_confidence")
_AT_ONCE: Final = 1024
"""Frames that are planned together."""
_MOST_NEIGHBOURS: Final = 64
"""Frames on each side that lend their circles at most, whatever their time stamps say."""
_ENDLESS_S: Final = 1e12
"""No film is longer; seconds are still told apart."""
_JOINED_S: Final = 1.0
"""Time that runs back by so much or more begins another recording."""
_CELL_STEPS: Final = 80
"""Squares are multiples of this share of the picture, so that they seldom change their size."""
_STEADY_S: Final = 0.1
"""Frames this near in time outvote a keypoint that went astray."""
_LEAST_CIRCLE: Final = 0.15
"""Least radius of a head's circle per longer side of the infant's box: where keypoints fall
together, they give no size. Of a stretched infant the head is 0.27 of the length."""
_UPPER_BODY_MARGIN: Final = 0.4
"""How much the box of the upper body's keypoints grows, for the head beyond them."""


def plan_masks(  # noqa: PLR0913 - what a plan follows from
    rows: Rows,
    sightings: Sightings,
    skeleton: Skeleton,
    displayed_wh: Size,
    settings: MaskSettings,
    *,
    on_progress: Callable[[], None] = lambda: None,
) -> MaskPlan:
    """Plan what is covered in all frames of a video.

    Args:
        rows: Every frame of the video, from the first.
        sightings: What the detector saw in it.
        skeleton: Of the rows' keypoints.
        displayed_wh: Size of the displayed picture, px.
        settings: How much is covered.
        on_progress: Called now and then: a long film takes minutes. It may raise, to end this.

    Raises:
        ArrayError: Rows that leave out frames, other keypoints than the skeleton's, or sightings in
            frames that are not there.
        SkeletonError: A skeleton of which no head is known.
    """
    count = len(rows)
    if not np.array_equal(rows.frame_index, np.arange(count)):
        raise ArrayError("rows: expected every frame from 0 on, got others")
    time_s = _forward(rows.time_s)
    steady_xy = _steadied(rows, time_s)
    found_in_turn: list[Polygon | None] = []
    for start in range(0, count, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        found_in_turn += _head_circles(steady_xy[part], rows.box_xyxy[part], skeleton, settings)
        on_progress()
    found = tuple(found_in_turn)
    trusted = rows.status == _OK
    circles = tuple(
        one if ok else None for one, ok in zip(found, trusted, strict=True)
    )  # what is not trusted is not lent to the frames around
    neighbours = _neighbours(time_s, settings.hold_s)
    seen = heads_by_frame(sightings, rows.box_xyxy, time_s, settings)
    on_progress()
    unsure = _unsure_covers(rows, found, circles, neighbours, skeleton)
    own = tuple((*heads, *covers) for heads, covers in zip(seen, unsure, strict=True))
    reasons = _reasons(circles, neighbours, unsure, seen)
    reasons |= _seen_reasons(seen, found, rows.box_xyxy)
    on_progress()
    return MaskPlan(
        displayed_wh=displayed_wh,
        style=settings.style,
        reasons=reasons,
        cell_px=_cells(_largest(own, circles, neighbours), reasons, displayed_wh, settings),
        clear_corners=tuple(grown_corners(box, settings.box_margin) for box in rows.box_xyxy),
        own=own,
        circles=circles,
        neighbours=neighbours,
    )


def _forward(time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Times that never fall, so that they can be searched and no time passes twice."""
    bounded = time_s.clip(-_ENDLESS_S, _ENDLESS_S)
    times = [time if math.isfinite(time) else None for time in bounded.tolist()]
    return np.array(going_forward(times, joined=_JOINED_S, least=0.0), np.float64)


def _neighbours(time_s: NDArray[np.float64], hold_s: float) -> NDArray[np.int64]:
    """The first and last frame (N, 2) within `hold_s`; at least the next one on each side."""
    index = np.arange(len(time_s))
    first = np.searchsorted(time_s, time_s - hold_s, "left")
    last = np.searchsorted(time_s, time_s + hold_s, "right") - 1
    first = np.clip(first, index - _MOST_NEIGHBOURS, index - 1)
    last = np.clip(last, index + 1, index + _MOST_NEIGHBOURS)
    return np.stack([first.clip(0), last.clip(max=len(index) - 1)], 1).astype(np.int64)


def _steadied(rows: Rows, time_s: NDArray[np.float64]) -> NDArray[np.float32]:
    """Keypoints (N, K, 2) of which single ones that went astray are gone, and single gaps closed.

    In trusted frames each is the median over the trusted frames within `_STEADY_S`, at most two on
    each side; in others it is as it was found.
    """
    trusted_xy = np.where((rows.status == _OK)[:, None, None], rows.keypoints_xy, np.nan)
    steady_xy = rows.keypoints_xy.copy()
    index = np.arange(len(rows))
    around = index[:, None] + np.arange(-2, 3)
    inside = around.clip(0, max(len(rows) - 1, 0))
    apart = (around != inside) | (np.abs(time_s[inside] - time_s[:, None]) > _STEADY_S)
    for k in range(rows.scores.shape[1]):  # one by one, for the sake of memory
        points = trusted_xy[inside, k]
        points[apart] = np.nan
        points.sort(axis=1)  # NaN goes last
        known = np.isfinite(points).sum(1, keepdims=True)
        low = np.take_along_axis(points, (known - 1).clip(0) // 2, 1)[:, 0]
        high = np.take_along_axis(points, known // 2 * (known > 0), 1)[:, 0]
        steady_xy[:, k] = np.where((rows.status == _OK)[:, None], (low + high) / 2, steady_xy[:, k])
    return steady_xy


def _head_circles(
    keypoints_xy: NDArray[np.float32],
    box_xyxy: NDArray[np.float32],
    skeleton: Skeleton,
    settings: MaskSettings,
) -> list[Polygon | None]:
    """Circles around the head that frames' keypoints give; None where they make no sense."""
    regions = head_regions(keypoints_xy, skeleton)
    middles, radii = regions.mean(1), np.ptp(regions[..., 0], axis=1) / 2
    nearest = middles.clip(box_xyxy[:, :2], box_xyxy[:, 2:])
    # Not where either is missing, and not where the head is nowhere near the infant.
    near = np.linalg.norm(middles - nearest, axis=1) <= radii
    sensible = near & np.isfinite(box_xyxy).all(1)
    least = _LEAST_CIRCLE * ((box_xyxy[:, 2:] - box_xyxy[:, :2]).max(1) + 1)
    grown = np.maximum(1.0, least / radii) * (1 + settings.head_margin)
    circles = middles[:, None] + (regions - middles[:, None]) * grown[:, None, None]
    return [
        np.asarray(circle, np.float32) if makes_sense else None
        for circle, makes_sense in zip(circles, sensible.tolist(), strict=True)
    ]


def _unsure_covers(
    rows: Rows,
    found: tuple[Polygon | None, ...],
    circles: tuple[Polygon | None, ...],
    neighbours: NDArray[np.int64],
    skeleton: Skeleton,
) -> list[tuple[Polygon, ...]]:
    """What else is covered where keypoints are of low confidence: circle and upper body.

    Empty where no trusted frame is near that says where the head is.
    """
    trusted = np.concatenate([[0], np.cumsum([one is not None for one in circles])])
    anyone = trusted[neighbours[:, 1] + 1] > trusted[neighbours[:, 0]]
    covers: list[tuple[Polygon, ...]] = [()] * len(rows)
    for i in np.flatnonzero((rows.status == _LOW) & anyone):
        points = rows.keypoints_xy[i][list(skeleton.upper_body)]
        points = points[np.isfinite(points).all(1)]
        circle = found[i]
        if circle is not None and len(points):
            box = np.concatenate([points.min(0), points.max(0)])
            covers[i] = (circle, grown_corners(box, _UPPER_BODY_MARGIN))
    return covers


def _reasons(
    circles: tuple[Polygon | None, ...],
    neighbours: NDArray[np.int64],
    unsure: list[tuple[Polygon, ...]],
    seen: list[list[Polygon]],
) -> NDArray[np.uint16]:
    """What keypoints, or the lack of them, cover in each frame.

    A circle that neither a frame nearby nor the detector bears out is not believed.
    """
    reasons = np.full(len(circles), Reason.OUTSIDE, np.uint16)
    for i, (first, last) in enumerate(neighbours):
        near = any(circles[j] is not None for j in range(first, last + 1) if j != i)
        if circles[i] is not None or unsure[i]:
            reasons[i] |= Reason.KEYPOINTS
        if near:
            reasons[i] |= Reason.NEIGHBOUR
        if unsure[i]:
            reasons[i] |= Reason.UPPER_BODY
        elif circles[i] is None or not (near or seen[i]):
            reasons[i] |= Reason.WHOLE_FRAME
    return reasons


def _seen_reasons(
    seen: list[list[Polygon]], found: tuple[Polygon | None, ...], box_xyxy: NDArray[np.float32]
) -> NDArray[np.uint16]:
    """What heads that were seen cover in each frame; whose they are is judged by their middles.

    Where some lie in the infant's box and none where its keypoints say, one of the two is wrong.
    """
    reasons = np.zeros(len(seen), np.uint16)
    for i, (heads, circle, box) in enumerate(zip(seen, found, box_xyxy, strict=True)):
        middles = np.array([head.mean(0) for head in heads], np.float32).reshape(-1, 2)
        inside = _within(middles, box.reshape(2, 2))
        own = inside if circle is None else _within(middles, circle)
        if own.any():
            reasons[i] |= Reason.HEAD_BOX
        elif inside.any():
            reasons[i] |= Reason.WHOLE_FRAME
        if not own.all():
            reasons[i] |= Reason.OTHER_HEAD
    return reasons


def _within(points_xy: NDArray[np.float32], corners_xy: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which points (M, 2) lie in the box around corners; none where these are NaN."""
    low, high = corners_xy.min(0), corners_xy.max(0)
    return np.asarray(((points_xy >= low) & (points_xy <= high)).all(1))


def _largest(
    own: tuple[tuple[Polygon, ...], ...],
    circles: tuple[Polygon | None, ...],
    neighbours: NDArray[np.int64],
) -> NDArray[np.float64]:
    """The longest side in px (N,) of anything that covers a head in a frame."""
    sides = np.array([0.0 if one is None else np.ptp(one, 0).max() for one in circles])
    return np.array([
        max(sides[first : last + 1].max(), *(np.ptp(one, 0).max() for one in polygons), 0.0)
        for (first, last), polygons in zip(neighbours, own, strict=True)
    ])  # fmt: skip


def _cells(
    largest_px: NDArray[np.float64],
    reasons: NDArray[np.uint16],
    displayed_wh: Size,
    settings: MaskSettings,
) -> NDArray[np.float32]:
    """Sides of the squares (N,): at most MOSAIC_CELLS across anything that may be a head."""
    longer = max(displayed_wh)
    # Where nothing is known a head may be as large as the picture.
    sides = np.where(reasons & Reason.WHOLE_FRAME, longer, largest_px.clip(max=longer))
    cells = np.maximum(sides / MOSAIC_CELLS, longer / settings.cells_across_picture)
    step = longer / _CELL_STEPS
    return np.asarray(np.ceil(cells / step - 1e-6) * step, np.float32)
