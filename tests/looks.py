"""Looks of a detector made up out of boxes."""

import numpy as np

from model.runtime.detector import Detections
from model.spec.arrays import Boxes
from workers.pipeline.following.detecting import Look

Scored = tuple[tuple[float, float, float, float], float]


def made_up_look(frame_index: int, *infants: Scored, fps: float = 25.0) -> Look:
    """A look that saw these infants, each a box (x1, y1, x2, y2) and its score."""
    ordered = sorted(infants, key=lambda one: -one[1])
    boxes = Boxes(np.array([box for box, _ in ordered], np.float32).reshape(-1, 4))
    scores = np.array([score for _, score in ordered], np.float32)
    found = Detections(boxes, scores, np.zeros(len(ordered), np.int64))
    nothing = Detections(
        Boxes(np.zeros((0, 4), np.float32)), np.zeros(0, np.float32), np.zeros(0, np.int64)
    )
    return Look(frame_index, frame_index / fps, found, nothing)
