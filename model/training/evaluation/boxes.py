"""Where infants are looked for: in the labelled boxes, or in those that a detector found."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from model.runtime.detector import Detector
from model.spec.errors import DatasetError
from model.training.data.folder import Instance, Picture
from model.training.data.pictures import read_rgb

LEAST_SCORE: Final = 0.05
"""Detected boxes below this score are not looked at."""


@dataclass(frozen=True, eq=False)
class InfantBox:
    """One box to look for an infant in.

    Attributes:
        picture: Where it is.
        xyxy: float32 (4,) px, first and last pixel centre.
        score: Of the detection; 1 for a labelled box.
        instance: Whose labelled box it is; None for a detected one.
    """

    picture: Picture
    xyxy: NDArray[np.float32]
    score: float
    instance: Instance | None


class BoxSource(Protocol):
    """Says where to look in a picture."""

    @property
    def name(self) -> str:
        """What the report calls it."""

    def boxes_in(self, picture: Picture) -> Sequence[InfantBox]:
        """The boxes to look in, in a fixed order."""


class LabelledBoxes:
    """The labelled box of every labelled infant."""

    name = "gt"

    def __init__(self, instances: Sequence[Instance]) -> None:
        self._of: dict[int, list[InfantBox]] = {}
        for one in instances:
            boxes = self._of.setdefault(one.picture.id, [])
            boxes.append(InfantBox(one.picture, one.box_xyxy, 1.0, one))

    def boxes_in(self, picture: Picture) -> Sequence[InfantBox]:
        """The labelled boxes."""
        return self._of.get(picture.id, ())


class DetectedBoxes:
    """Boxes out of a file of COCO results: a list of image_id, category_id, bbox and score.

    Only boxes of the keypoints' category count, from `LEAST_SCORE` up; those of pictures that are
    not evaluated are passed over.

    Raises:
        DatasetError: The file cannot be read, or a row is no such result.
    """

    def __init__(self, file: Path, category_id: int) -> None:
        self.name = file.name
        self._of: dict[int, list[tuple[NDArray[np.float32], float]]] = {}
        for number, row in enumerate(_read_rows(file)):
            try:
                image_id, category, xywh, score = _result(row)
            except (KeyError, TypeError, ValueError) as error:
                raise DatasetError(
                    f"{file}: result {number}: expected image_id, category_id, a bbox of at least "
                    f"one pixel and a score, got {str(row)[:200]}"
                ) from error
            if category == category_id and score >= LEAST_SCORE:
                x, y, width, height = xywh
                box = np.array([x, y, x + width - 1, y + height - 1], np.float32)
                self._of.setdefault(image_id, []).append((box, score))

    def boxes_in(self, picture: Picture) -> Sequence[InfantBox]:
        """The detected boxes, in the file's order."""
        found = self._of.get(picture.id, [])
        return [InfantBox(picture, box, score, None) for box, score in found]


class FoundBoxes:
    """What a detector finds on the spot: infants from `LEAST_SCORE` up, best first."""

    def __init__(self, detector: Detector) -> None:
        self.name = detector.model_file.manifest.name
        self._detector = detector

    def boxes_in(self, picture: Picture) -> Sequence[InfantBox]:
        """The boxes found.

        Raises:
            DatasetError: The picture cannot be read.
        """
        (everything,) = self._detector.detect([read_rgb(picture)])
        found = everything.of("infant", min_score=LEAST_SCORE)
        pairs = zip(found.boxes.xyxy, found.scores.tolist(), strict=True)
        return [InfantBox(picture, box, score, None) for box, score in pairs]


def _read_rows(file: Path) -> list[Any]:
    try:
        rows = json.loads(file.read_bytes())
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DatasetError(f"{file}: expected JSON, got a file that is damaged: {error}") from error
    if not isinstance(rows, list):
        raise DatasetError(f"{file}: expected a list of COCO results, got {type(rows).__name__}")
    return rows


def _result(row: Any) -> tuple[int, int, list[float], float]:  # noqa: ANN401 - JSON
    xywh, score = [float(value) for value in row["bbox"]], float(row["score"])
    if len(xywh) != 4 or min(xywh[2:]) < 1 or not all(map(math.isfinite, (*xywh, score))):
        raise ValueError(xywh)
    return int(row["image_id"]), int(row["category_id"]), xywh, score


def match_to_labels(
    boxes: Sequence[InfantBox], instances: Sequence[Instance], *, least_iou: float = 0.5
) -> list[int | None]:
    """For each labelled infant, which box is its own.

    A labelled box is its own infant's. Detected boxes take, best score first, the free infant of
    the same picture that they overlap most, if the overlap is an IoU of `least_iou` or more.

    Returns:
        For each instance the index of its box, or None where it was missed.
    """
    place = {one.id: i for i, one in enumerate(instances)}
    matched: list[int | None] = [None] * len(instances)
    in_picture: dict[int, list[int]] = {}
    for i, one in enumerate(instances):
        in_picture.setdefault(one.picture.id, []).append(i)
    for number in sorted(range(len(boxes)), key=lambda i: -boxes[i].score):
        box = boxes[number]
        if box.instance is not None:
            matched[place[box.instance.id]] = number
            continue
        free = [i for i in in_picture.get(box.picture.id, []) if matched[i] is None]
        overlaps = [_iou(box.xyxy, instances[i].box_xyxy) for i in free]
        if overlaps and max(overlaps) >= least_iou:
            matched[free[int(np.argmax(overlaps))]] = number
    return matched


def _iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]) + 1
    shared = float(np.prod(np.maximum(sides, 0.0)))
    both = float(np.prod(a[2:] - a[:2] + 1) + np.prod(b[2:] - b[:2] + 1))
    return shared / (both - shared)
