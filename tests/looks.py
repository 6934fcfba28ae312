"""Looks of a detector made up out of boxes."""

from collections.abc import Sequence

import numpy as np

from model.runtime.detector import Detections
from model.spec.arrays import Boxes
from workers.pipeline.following.detecting import Look

Scored = tuple[tuple[float, float, float, float], float]


def made_up_look(
    frame_index: int, *infants: Scored, heads: Sequence[Scored] = (), fps: float = 25.0
) -> Look:
    """A look that saw these infants and heads, each a box (x1, y1, x2, y2) and its score."""
    return Look(frame_index, frame_index / fps, _detections(infants), _detections(heads))


def _detections(seen: Sequence[Scored]) -> Detections:
    ordered = sorted(seen, key=lambda one: -one[1])
    boxes = Boxes(np.array([box for box, _ in ordered], np.float32).reshape(-1, 4))
    scores = np.array([score for _, score in ordered], np.float32)
    return Detections(boxes, scores, np.zeros(len(ordered), np.int64))
