"""Following one infant from look to look: which of the boxes is the one that was followed.

`keep_score` and `start_score` below are those of `Look.sureness`, to which a head adds.

The rules, in order:

1. The first window's looks choose it together: the detection with the best score for its size.
2. While it is followed, it is the detection that overlaps its last box most, from `keep_score` on;
   of several that cover each other, as they do where a detector sees parts of one infant, the best
   scored. A detection that lies rather where another infant was seen is that other infant, however
   well it scores.
3. Where no detection is, the infant is missed, and its last box stays what it is compared with:
   it is taken up again at the same place first, from `start_score` on.
4. `elsewhere_after_s` after it was last seen, or where time ran back since (recordings were
   joined), it may be another place (the camera was moved): the detection with the best score for
   its size is taken, but never one that is known as another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.runtime.detector import Detections
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.following.detecting import Look, areas_of, intersections

_ONE_INFANT = 0.7
"""Boxes are of one infant if they share so much of the smaller one."""
_NEVER = -(2**62)
"""A frame that no frame is near to."""
_MOST_OTHERS = 8
"""So many others are remembered, those that were seen last."""


@dataclass(frozen=True)
class Sight:
    """An infant's box in one frame.

    Attributes:
        frame_index: Which frame.
        time_s: Its time.
        xyxy: The box in px of the displayed picture.
        score: The detector's.
    """

    frame_index: int
    time_s: float
    xyxy: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True)
class Memory:
    """What is remembered from look to look.

    Attributes:
        looked_at: The last frame that was looked at; -1 before the first.
        followed: Where the followed infant was last seen; None before it was found.
        others: Where each other infant was last seen.
    """

    looked_at: int = -1
    followed: Sight | None = None
    others: tuple[Sight, ...] = ()

    @property
    def in_sight(self) -> Sight | None:
        """The followed infant in the last look; None where it was missed there."""
        seen = self.followed is not None and self.followed.frame_index == self.looked_at
        return self.followed if seen else None

    def after(self, look: Look, settings: ExtractionSettings) -> "Memory":
        """What is remembered after one more look."""
        found = look.infants
        chosen = self._chosen(look, settings)
        left = np.arange(len(found)) != chosen
        followed = self.followed if chosen is None else _sight(look, chosen)
        others, free = [], left & (look.sureness >= settings.keep_score)
        for other in self.others:
            overlap = np.where(free, iou([other], found)[0], 0.0)
            best = int(overlap.argmax()) if len(overlap) else 0
            again = len(overlap) > 0 and overlap[best] >= settings.min_overlap
            others.append(_sight(look, best) if again else other)
            free[overlap >= settings.min_overlap] = False
        if chosen is not None and followed is not None:  # else one of these could be the followed
            near = iou([followed], found)[0] >= settings.min_overlap
            new = free & ~near & (look.sureness >= settings.start_score)
            others += [_sight(look, int(i)) for i in np.flatnonzero(new)]
        others.sort(key=lambda sight: sight.frame_index)
        return Memory(look.frame_index, followed, tuple(others[-_MOST_OTHERS:]))

    def expecting(self, looks: Sequence[Look], settings: ExtractionSettings) -> "Memory":
        """Before anyone was followed: as if the best of these looks had been seen long ago.

        So the first look need not be the one that decides, and a weak detection in it is enough
        where a later one is strong.
        """
        if self.followed is not None:
            return self
        best, most = None, 0.0
        for look in looks:
            found = look.infants
            i = _best_for_its_size(found, look.sureness >= settings.start_score)
            if i is not None and _worth(found)[i] > most:
                best, most = _sight(look, i), float(_worth(found)[i])
        if best is None:
            return self
        return replace(self, looked_at=_NEVER, followed=replace(best, frame_index=_NEVER))

    def _chosen(self, look: Look, settings: ExtractionSettings) -> int | None:
        """Which detection is the followed infant."""
        found = look.infants
        others = iou(self.others, found).max(axis=0, initial=0.0)
        if self.followed is None:
            return None
        least = settings.start_score if self.in_sight is None else settings.keep_score
        overlap = iou([self.followed], found)[0]
        same = (overlap >= settings.min_overlap) & (overlap > others) & (look.sureness >= least)
        if same.any():
            nearest = _sight(look, int(np.where(same, overlap, -1.0).argmax()))
            same &= shared_of_smaller([nearest], found)[0] >= _ONE_INFANT
            return int(np.where(same, found.scores, -1.0).argmax())
        if self.in_sight is not None or not _long_gone(self.followed, look, settings):
            return None
        strange = (look.sureness >= settings.start_score) & (others < settings.min_overlap)
        return _best_for_its_size(found, strange)


def _long_gone(followed: Sight, look: Look, settings: ExtractionSettings) -> bool:
    """Whether so much time lies between that the infant may be elsewhere.

    Where time ran back, recordings were joined: nobody knows how much. One who is only expected
    was not seen before.
    """
    gone_s = look.time_s - followed.time_s
    ran_back = gone_s < 0 and followed.frame_index != _NEVER
    return ran_back or gone_s >= settings.elsewhere_after_s


def _best_for_its_size(found: Detections, eligible: NDArray[np.bool_]) -> int | None:
    """The detection of the greatest score times side: films are of the infant in front."""
    return int(np.where(eligible, _worth(found), -1.0).argmax()) if eligible.any() else None


def _worth(found: Detections) -> NDArray[np.float64]:
    return np.asarray(found.scores * np.sqrt(areas_of(found.boxes.xyxy.astype(np.float64))))


def _sight(look: Look, i: int) -> Sight:
    x1, y1, x2, y2 = look.infants.boxes.xyxy[i].tolist()
    score = float(look.infants.scores[i])
    return Sight(look.frame_index, look.time_s, (x1, y1, x2, y2), score)


def iou(sights: Sequence[Sight], found: Detections) -> NDArray[np.float64]:
    """Intersection over union, float64 (sights, detections); boxes of w px are w wide."""
    inner, ours, theirs = _intersections(sights, found)
    return np.asarray(inner / (ours + theirs - inner))


def shared_of_smaller(sights: Sequence[Sight], found: Detections) -> NDArray[np.float64]:
    """Intersection over the smaller area, float64 (sights, detections)."""
    inner, ours, theirs = _intersections(sights, found)
    return np.asarray(inner / np.minimum(ours, theirs))


def _intersections(
    sights: Sequence[Sight], found: Detections
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Areas in common, and those of each (sights, 1) and (1, detections)."""
    ours = np.array([sight.xyxy for sight in sights], np.float64).reshape(-1, 4)
    return intersections(ours, found.boxes.xyxy)
