"""Where heads that the detector saw are in the frames between those that it looked at."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.errors import ArrayError
from model.spec.sequence import Sightings
from workers.pipeline.masking.plan import MaskSettings, Polygon

INFANT, HEAD = 0, 1
"""Classes of sightings."""
_FARTHEST = 2.0
"""What moved farther between two looks than its size times this is not the same head."""

Seen = tuple[int, NDArray[np.float32]]
"""A class and a box (4,)."""


def grown_corners(xyxy: NDArray[np.floating], margin: float) -> Polygon:
    """Corners (4, 2) of a box whose sides moved out by a share of its longer side."""
    x1, y1, x2, y2 = np.asarray(xyxy, np.float64)
    out = margin * (max(x2 - x1, y2 - y1) + 1) + 0.5  # half a pixel beyond the last centre
    left, top, right, bottom = x1 - out, y1 - out, x2 + out, y2 + out
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def heads_by_frame(
    sightings: Sightings,
    box_xyxy: NDArray[np.float32],
    time_s: NDArray[np.float64],
    settings: MaskSettings,
) -> list[list[Polygon]]:
    """What covers the heads that were seen, frame by frame.

    Between two looks a head is somewhere between its two places: the hull of both is covered all
    the way. A head that one of the looks misses stays where it was seen for `gap_s`, and at least
    until that look. Another infant counts as a head with all of its box.

    Args:
        sightings: What was seen.
        box_xyxy: float32 (N, 4), the followed infant, to tell it from others.
        time_s: float64 (N,), never falling.
        settings: Of the masks.

    Raises:
        ArrayError: A sighting in a frame that is not there.
    """
    margin = settings.head_margin
    looks = np.union1d(sightings.looked_at, sightings.frame_index)
    count = len(time_s)
    if len(looks) and not 0 <= looks[0] <= looks[-1] < count:
        raise ArrayError(f"sightings: expected frames 0 to {count - 1}, got others")
    order = np.argsort(sightings.frame_index, kind="stable")
    in_order = sightings.frame_index[order]
    starts, stops = np.searchsorted(in_order, looks), np.searchsorted(in_order, looks, "right")
    seen = [
        _others_and_heads(sightings, order[start:stop], box_xyxy[look])
        for look, start, stop in zip(looks, starts, stops, strict=True)
    ]
    frames: list[list[Polygon]] = [[] for _ in range(count)]

    def put(polygon: Polygon, first: int, last: int) -> None:
        for i in range(first, last + 1):
            frames[i].append(polygon)

    for before, after in _pairs(len(looks)):
        one = seen[before] if before is not None else []
        other = seen[after] if after is not None else []
        first = int(looks[before]) if before is not None else 0
        last = int(looks[after]) if after is not None else count - 1
        pairs = _matched(one, other)
        for a, b in pairs:
            both = np.concatenate([grown_corners(box, margin) for _, box in (one[a], other[b])])
            put(np.asarray(cv2.convexHull(both)[:, 0], np.float32), first, last)
        for a in set(range(len(one))) - {a for a, _ in pairs}:
            until = int(np.searchsorted(time_s, time_s[first] + settings.gap_s, "right")) - 1
            put(grown_corners(one[a][1], margin), first, max(last, until))
        for b in set(range(len(other))) - {b for _, b in pairs}:
            since = int(np.searchsorted(time_s, time_s[last] - settings.gap_s, "left"))
            put(grown_corners(other[b][1], margin), min(first, since), last)
    return frames


def _pairs(count: int) -> Iterator[tuple[int | None, int | None]]:
    """Neighbouring looks, and what lies before the first and behind the last."""
    if count:
        yield None, 0
        yield from ((k, k + 1) for k in range(count - 1))
        yield count - 1, None


def _others_and_heads(
    sightings: Sightings, here: NDArray[np.intp], followed_xyxy: NDArray[np.float32]
) -> list[Seen]:
    """What is to be covered of what one look saw: all but the followed infant itself."""
    boxes, classes = sightings.xyxy[here], sightings.class_id[here]
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    low, high = followed_xyxy[:2], followed_xyxy[2:]
    other = ~((middles >= low) & (middles <= high)).all(1)  # everyone, where none is followed
    kept = (classes == HEAD) | other
    return list(zip(classes[kept].tolist(), boxes[kept], strict=True))


def _matched(one: list[Seen], other: list[Seen]) -> set[tuple[int, int]]:
    """Pairs of places in two looks that may be the same head: each goes with its nearest."""
    apart = np.array([[_distance(a, b) for b in other] for a in one]).reshape(len(one), len(other))
    if not apart.size:
        return set()
    pairs = {(a, int(b)) for a, b in enumerate(apart.argmin(1))}
    pairs |= {(int(a), b) for b, a in enumerate(apart.argmin(0))}
    return {(a, b) for a, b in pairs if apart[a, b] <= _FARTHEST}


def _distance(one: Seen, other: Seen) -> float:
    """How far the sides of two boxes are apart, in units of the larger's longer side."""
    (class_a, box_a), (class_b, box_b) = one, other
    if class_a != class_b:
        return np.inf
    size = max(float((box[2:] - box[:2]).max()) + 1 for box in (box_a, box_b))
    return float(np.abs(box_a - box_b).max()) / size
