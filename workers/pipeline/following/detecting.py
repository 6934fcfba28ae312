"""One look of the detector at one frame, and what all looks have seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model.runtime.detector import CLASSES, Detections, Detector
from model.runtime.letterbox import Letterbox
from model.spec.sequence import Sightings
from workers.pipeline.errors import PipelineError
from workers.pipeline.timing import StageClock
from workers.pipeline.video import VideoFrame

_INSIDE = 0.7
"""A head is in a box that holds so much of it."""


@dataclass(frozen=True, eq=False)
class Look:
    """What the detector saw in one frame.

    Attributes:
        frame_index: Which frame.
        time_s: Its time.
        infants: Detections of infants, best first.
        heads: Detections of heads, best first.
    """

    frame_index: int
    time_s: float
    infants: Detections
    heads: Detections

    @cached_property
    def sureness(self) -> NDArray[np.float64]:
        """How sure each infant is, float64 (M,), 0..1: its score, or with a head in its box more.

        The geometric mean of both scores, since the two are seen by themselves: detectors are often
        unsure of a body under cloths, and sure of its face.
        """
        common, _, areas = intersections(self.infants.boxes.xyxy, self.heads.boxes.xyxy)
        scores = self.infants.scores.astype(np.float64)
        inside = np.where(common >= _INSIDE * areas, self.heads.scores, 0.0)
        return np.asarray(np.maximum(scores, np.sqrt(scores * inside.max(axis=1, initial=0.0))))


def intersections(
    ours_xyxy: NDArray[np.floating], theirs_xyxy: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Areas in common (N, M), and those of each (N, 1) and (1, M); boxes of w px are w wide."""
    ours, theirs = ours_xyxy.astype(np.float64)[:, None], theirs_xyxy.astype(np.float64)[None]
    least = np.maximum(ours[..., :2], theirs[..., :2])
    most = np.minimum(ours[..., 2:], theirs[..., 2:])
    inner = np.prod((most - least + 1).clip(min=0), axis=-1)
    return inner, areas_of(ours), areas_of(theirs)


def areas_of(xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Areas of boxes (..., 4), px²."""
    return np.asarray(np.prod(xyxy[..., 2:] - xyxy[..., :2] + 1, axis=-1))


def look_at(
    frame: VideoFrame,
    detector: Detector,
    *,
    min_score: float,
    clock: StageClock,
    quarters: int = 0,
) -> Look:
    """Run the detector on one frame.

    One frame at a time, whatever the detector's batch: what is seen in a frame must not depend on
    which frames went with it.

    Args:
        frame: A frame with a picture.
        detector: Best opened with a batch of 1.
        min_score: Detections below are passed over.
        clock: Counts `letterbox` and `detect`.
        quarters: The detector is shown the picture turned by so many quarters, counter-clockwise.
            What it sees then is the same however the camera was held. (One whose input is no square
            is shown it as it lies.)

    Raises:
        PipelineError: The frame is damaged.
        EngineError: The engine gave something that is not a number.
    """
    if frame.picture is None:
        raise PipelineError(f"frame {frame.index}: expected a picture, got a damaged frame")
    height, width = detector.manifest.input_hw
    letterbox = Letterbox.of(frame.picture.displayed_wh, (width, height))
    with clock.stage("letterbox"):
        framed = frame.picture.letterboxed(letterbox)
    quarters = quarters % 4 if width == height else 0
    with clock.stage("detect"):
        (rows,) = detector.run(np.rot90(framed, quarters)[None])
        for _ in range(quarters):
            rows[:, :4] = np.stack(
                [width - rows[:, 3], rows[:, 0], width - rows[:, 1], rows[:, 2]], -1
            )
        found = detector.in_picture(rows, letterbox)
        infants, heads = (found.of(name, min_score=min_score) for name in CLASSES)
    return Look(frame.index, frame.time_s, infants, heads)


def sightings(looks: Sequence[Look]) -> Sightings:
    """All that was seen, in the looks' order: infants before heads, best first."""
    seen = [part for look in looks for part in (look.infants, look.heads)]
    counts = [len(part) for part in seen]
    looked_at = np.asarray([look.frame_index for look in looks], np.int64)
    class_ids = np.tile(np.arange(2, dtype=np.uint8), len(looks))
    return Sightings(
        looked_at=looked_at,
        frame_index=np.repeat(looked_at.repeat(2), counts),
        class_id=np.repeat(class_ids, counts),
        xyxy=np.concatenate([np.zeros((0, 4), np.float32), *(part.boxes.xyxy for part in seen)]),
        score=np.concatenate([np.zeros(0, np.float32), *(part.scores for part in seen)]),
    )
