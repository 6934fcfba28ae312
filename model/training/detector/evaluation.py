"""What a detector finds and misses on labelled pictures."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from model.runtime.detector import CLASSES, Detections, Detector
from model.spec.arrays import Boxes
from model.training.data.folder import LabelledFolder, Picture
from model.training.data.pictures import read_rgb, read_unlabelled

MATCH_IOU = 0.5
"""A label counts as found where a detection overlaps it by at least this much."""

THRESHOLDS = (0.1, 0.15, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8)
"""From 0.1 on the pipeline reports a detection, and from 0.15 on it goes on with an infant."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One picture with what is in it and what was found.

    Attributes:
        picture: Where it lies.
        labels: Labelled boxes by class name.
        detections: All of the detector's, of every score.
    """

    picture: Picture
    labels: dict[str, Boxes]
    detections: Detections

    def missed(self, name: str, threshold: float) -> NDArray[np.bool_]:
        """Which labels of a class no detection of it with at least this score overlaps enough."""
        found = self.detections.of(name, min_score=threshold).boxes
        overlap = box_iou(self.labels[name], found)
        return np.asarray(overlap.max(axis=1, initial=0) < MATCH_IOU)


@dataclass(frozen=True)
class AtThreshold:
    """What a caller that takes detections from this score on would see.

    Attributes:
        threshold: The score.
        missed_infants_per_1000: Labelled infants not found, per 1000 pictures.
        missed_heads_per_1000: Labelled heads not found, per 1000 pictures.
        false_infants_on_empty: Share of the pictures without an infant in which one is seen, or
            None where there is no such picture.
    """

    threshold: float
    missed_infants_per_1000: float
    missed_heads_per_1000: float
    false_infants_on_empty: float | None


@dataclass(frozen=True)
class DetectorReport:
    """A detector's figures on one data set.

    Attributes:
        model: Name and version.
        data: Name of the data set.
        pictures: How many are labelled.
        empty: How many pictures show no infant, labelled or known to show nobody.
        map50: Average precision at an overlap of 0.5, by class; None where it has no labels.
        map50_95: Mean over overlaps from 0.5 to 0.95, by class.
        threshold: The score that `missed` in `misses.png` is about.
        sweep: The figures by score.
    """

    model: str
    data: str
    pictures: int
    empty: int
    map50: dict[str, float | None]
    map50_95: dict[str, float | None]
    threshold: float
    sweep: tuple[AtThreshold, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def judge(detector: Detector, data: LabelledFolder) -> Iterator[Judged]:
    """Run a detector over a data set, batch by batch.

    Raises:
        DatasetError: A picture cannot be read, or is not of the size that its labels say.
    """
    labels = labels_of(data)
    shown = ((picture, read_rgb(picture)) for picture in data.pictures)
    for picture, detections in _detected(detector, shown):
        yield Judged(picture, labels[picture.id], detections)


def judge_empty(detector: Detector, paths: Sequence[Path]) -> Iterator[Judged]:
    """Run a detector over pictures that show nobody, batch by batch.

    Raises:
        DatasetError: A picture cannot be read.
    """
    nobody = dict.fromkeys(CLASSES, Boxes(np.zeros((0, 4), np.float32)))
    for picture, detections in _detected(detector, map(read_unlabelled, count(), paths)):
        yield Judged(picture, nobody, detections)


def _detected(
    detector: Detector, shown: Iterator[tuple[Picture, NDArray[np.uint8]]]
) -> Iterator[tuple[Picture, Detections]]:
    while batch := list(islice(shown, detector.options.batch_size)):
        found = detector.detect([rgb for _, rgb in batch])
        yield from zip((picture for picture, _ in batch), found, strict=True)


def labels_of(data: LabelledFolder) -> dict[int, dict[str, Boxes]]:
    """Labelled boxes by picture and class."""
    boxes: dict[int, dict[str, list[NDArray[np.float32]]]] = {
        picture.id: {name: [] for name in CLASSES} for picture in data.pictures
    }
    for one in data.instances:
        boxes[one.picture.id]["infant"].append(one.box_xyxy)
    for picture_id, theirs in data.unlabelled.items():
        boxes[picture_id]["infant"].extend(theirs)
    for picture_id, heads in data.heads.items():
        boxes[picture_id]["head"].extend(heads)
    return {
        picture_id: {
            name: Boxes(np.array(rows, np.float32).reshape(-1, 4)) for name, rows in theirs.items()
        }
        for picture_id, theirs in boxes.items()
    }


def box_iou(boxes: Boxes, others: Boxes) -> NDArray[np.float64]:
    """Overlap over union of N boxes with M others, float64 (N, M)."""
    first, second = boxes.xywh.astype(np.float64), others.xywh.astype(np.float64)
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(
        first[:, None, :2] + first[:, None, 2:], second[None, :, :2] + second[None, :, 2:]
    )
    shared = (high - low).clip(min=0).prod(-1)
    area = first[:, 2:].prod(-1)[:, None] + second[:, 2:].prod(-1)[None]
    return np.asarray(shared / (area - shared))


def report_on(
    judged: Sequence[Judged],
    empty: Sequence[Judged] = (),
    *,
    model: str,
    data: str,
    threshold: float,
) -> DetectorReport:
    """The figures of a data set's judged pictures.

    Args:
        judged: The labelled pictures.
        empty: More pictures, which show nobody: for false infants alone.
        model: Name and version.
        data: Name of the data set.
        threshold: The score that `missed` in `misses.png` is about.
    """
    map50, map50_95 = average_precision(judged)
    thresholds = sorted({*THRESHOLDS, threshold})
    return DetectorReport(
        model,
        data,
        len(judged),
        len(_without_infant(judged, empty)),
        map50,
        map50_95,
        threshold,
        tuple(at_threshold(judged, value, empty) for value in thresholds),
    )


def at_threshold(
    judged: Sequence[Judged], threshold: float, empty: Sequence[Judged] = ()
) -> AtThreshold:
    """What is missed and what is seen where nothing is, from a score on."""
    missed = {
        name: 1000 * sum(int(one.missed(name, threshold).sum()) for one in judged) / len(judged)
        for name in CLASSES
    }
    scenes = _without_infant(judged, empty)
    false = sum(len(one.detections.of("infant", min_score=threshold)) > 0 for one in scenes)
    return AtThreshold(
        threshold, missed["infant"], missed["head"], false / len(scenes) if scenes else None
    )


def _without_infant(judged: Sequence[Judged], empty: Sequence[Judged]) -> list[Judged]:
    return [one for one in (*judged, *empty) if not len(one.labels["infant"])]


def average_precision(
    judged: Sequence[Judged],
) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """COCO's average precision by class, at an overlap of 0.5 and over 0.5 to 0.95."""
    found = [row for one in judged for row in _found_rows(one)]
    labels = [row for one in judged for row in _label_rows(one)]
    none: dict[str, float | None] = dict.fromkeys(CLASSES)
    if not labels:
        return none, dict(none)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
        truth = COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": one.picture.id} for one in judged],
            "categories": [{"id": i, "name": name} for i, name in enumerate(CLASSES)],
            "annotations": [row | {"id": i + 1} for i, row in enumerate(labels)],
        }
        truth.createIndex()
        if not found:
            return (
                {n: 0.0 if any(r["category_id"] == i for r in labels) else None
                 for i, n in enumerate(CLASSES)},
            ) * 2  # fmt: skip
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    # overlap, recall, class, every area, 100 detections a picture
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    means = [[_mean(precision[:1, :, i]), _mean(precision[:, :, i])] for i in range(len(CLASSES))]
    return (
        {name: mean[0] for name, mean in zip(CLASSES, means, strict=True)},
        {name: mean[1] for name, mean in zip(CLASSES, means, strict=True)},
    )


def _mean(precision: NDArray[np.float64]) -> float | None:
    """The mean, or None where the class has no labels: COCO marks that by -1."""
    return None if (precision < 0).all() else float(precision.mean())


def _label_rows(one: Judged) -> Iterator[dict[str, Any]]:
    for i, name in enumerate(CLASSES):
        for box in one.labels[name].xywh.tolist():
            area = box[2] * box[3]
            yield {
                "image_id": one.picture.id, "category_id": i, "bbox": box, "area": area,
                "iscrowd": 0,
            }  # fmt: skip


def _found_rows(one: Judged) -> Iterator[dict[str, Any]]:
    for i, name in enumerate(CLASSES):
        theirs = one.detections.of(name)
        for box, score in zip(theirs.boxes.xywh.tolist(), theirs.scores.tolist(), strict=True):
            yield {"image_id": one.picture.id, "category_id": i, "bbox": box, "score": score}
