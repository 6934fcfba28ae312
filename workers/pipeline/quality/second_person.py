"""Frames in which the detector saw somebody beside the infant that is followed."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.spec.sequence import Rows, Sightings

LEAST_SCORE: Final = 0.3
"""Weaker sightings are not believed."""
SAME_INFANT: Final = 0.5
"""Two boxes of which at least this share of the smaller lies in the other are one infant."""
SAME_HEAD: Final = 0.3
"""Two heads that overlap by at least this IoU are one head."""
REACH: Final = 0.1
"""An infant's own head has its centre in the box, grown by this share of it to each side."""

_INFANT, _HEAD = 0, 1


def second_person_frames(rows: Rows, sightings: Sightings) -> NDArray[np.int64]:
    """The looked-at frames that show a second infant or a head that is not the infant's.

    In each looked-at frame the followed infant is the row's box or, where none is followed, the
    best scored infant. Another infant is one whose box neither contains most of the followed
    infant's nor lies mostly in it. Of the heads, the infant's is the best scored one with its
    centre in or near the followed box; each other head that does not lie over it is somebody's.

    The detector knows infants and heads: a hand or a leg of an adult alone is not seen here.

    Returns:
        int64 (S,) frame indices.
    """
    order = np.argsort(sightings.frame_index, kind="stable")
    strong = order[sightings.score[order] >= LEAST_SCORE]
    frames = sightings.frame_index[strong]
    shown = []
    for frame in np.intersect1d(sightings.looked_at, rows.frame_index):
        start, stop = np.searchsorted(frames, [frame, frame + 1])
        here = strong[start:stop]
        infants, heads = (
            _by_score(sightings, here[sightings.class_id[here] == kind])
            for kind in (_INFANT, _HEAD)
        )
        followed = rows.box_xyxy[np.searchsorted(rows.frame_index, frame)].astype(np.float64)
        if not np.isfinite(followed).all():
            followed = infants[0] if len(infants) else None
        if _others(followed, infants, heads):
            shown.append(frame)
    return np.array(shown, np.int64)


def judged_frames(rows: Rows, sightings: Sightings) -> int:
    """How many frames of the rows were looked at."""
    return len(np.intersect1d(sightings.looked_at, rows.frame_index))


def _by_score(sightings: Sightings, which: NDArray[np.int64]) -> NDArray[np.float64]:
    best_first = which[np.argsort(-sightings.score[which], kind="stable")]
    return sightings.xyxy[best_first].astype(np.float64)


def _others(
    followed: NDArray[np.float64] | None,
    infants: NDArray[np.float64],
    heads: NDArray[np.float64],
) -> bool:
    """Whether there is somebody else; boxes are (n, 4), the best scored first."""
    if followed is None:  # then there is no infant, and one head may be the unseen infant's
        own = heads[:1]
    else:
        shared, areas = _shared(followed, infants)
        smaller = np.minimum(areas, _area(followed[None]))
        if (shared < SAME_INFANT * smaller).any():
            return True
        reach = REACH * (followed[2:] - followed[:2])
        centres = (heads[:, :2] + heads[:, 2:]) / 2
        near = (centres >= followed[:2] - reach) & (centres <= followed[2:] + reach)
        own = heads[near.all(1)][:1]
    if not len(own):
        return len(heads) > 0
    shared, areas = _shared(own[0], heads)
    return bool((shared < SAME_HEAD * (areas + _area(own) - shared)).any())


def _shared(
    box: NDArray[np.float64], boxes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Area in px^2 that boxes (n, 4) share with one (4,), and their own."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    return (high - low + 1).clip(0).prod(1), _area(boxes)


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((boxes[:, 2:] - boxes[:, :2] + 1).prod(1))
