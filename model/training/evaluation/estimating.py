"""From pictures and boxes to keypoints in picture px, as the pipeline goes about it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import CropBatch, Keypoints
from model.spec.errors import ConfigurationError
from model.spec.geometry import CropFrame
from model.spec.turning import Turn, turned_frame
from model.spec.warp import warp_crop
from model.training.data.folder import Picture
from model.training.data.pictures import read_rgb
from model.training.evaluation.boxes import BoxSource, InfantBox
from model.training.evaluation.predictors import Predictor

_AT_ONCE = 64
"""Boxes that are worked on together, with their pictures in memory."""

_QUARTERS = (0.0, 90.0, 180.0, -90.0)

Rgb = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Estimates:
    """What a model found in N boxes.

    Attributes:
        boxes: N boxes.
        frames: N crops in which the keypoints were found.
        keypoints: N instances in picture px.
    """

    boxes: tuple[InfantBox, ...]
    frames: tuple[CropFrame, ...]
    keypoints: Keypoints

    @property
    def instance_scores(self) -> NDArray[np.float64]:
        """float64 (N,): the mean of the keypoints' scores times the box's (COCO's practice)."""
        box_scores = np.array([box.score for box in self.boxes], np.float64)
        return np.asarray(self.keypoints.scores.astype(np.float64).mean(-1) * box_scores)


def estimate(
    predictor: Predictor,
    pictures: Sequence[Picture],
    source: BoxSource,
    *,
    turn: Turn = "none",
    progress: Callable[[int], None] = lambda _done: None,
) -> Estimates:
    """Find the keypoints in all boxes of all pictures.

    Args:
        predictor: The model.
        pictures: Where to look.
        source: Gives the boxes of each picture.
        turn: How crops are turned.
        progress: Told how many pictures are done.

    Raises:
        DatasetError: A picture cannot be read, or is of another size than its labels say.
        ConfigurationError: Crops are to be turned by labels, and boxes have none.
    """
    count = predictor.skeleton.num_keypoints
    boxes: list[InfantBox] = []
    frames: list[CropFrame] = []
    found: list[Keypoints] = []
    for done, part in _parts(pictures, source):
        views = [(read_rgb(picture), picture_boxes) for picture, picture_boxes in part]
        rgbs = [rgb for rgb, theirs in views for _ in theirs]
        now = [box for _, theirs in views for box in theirs]
        if now:
            new_frames, keypoints = _look(predictor, rgbs, now, turn)
            boxes += now
            frames += new_frames
            found.append(keypoints)
        progress(done)
    empty = Keypoints(np.zeros((0, count, 2), np.float32), np.zeros((0, count), np.float32))
    return Estimates(tuple(boxes), tuple(frames), joined([empty, *found]))


def _parts(
    pictures: Sequence[Picture], source: BoxSource
) -> Iterator[tuple[int, list[tuple[Picture, Sequence[InfantBox]]]]]:
    """Pictures with boxes, so many at a time; with each part how many pictures are then done."""
    part: list[tuple[Picture, Sequence[InfantBox]]] = []
    for done, picture in enumerate(pictures, start=1):
        if boxes := source.boxes_in(picture):
            part.append((picture, boxes))
        if done == len(pictures) or sum(len(theirs) for _, theirs in part) >= _AT_ONCE:
            yield done, part
            part = []


def _look(
    predictor: Predictor,
    rgbs: list[Rgb],
    boxes: list[InfantBox],
    turn: Turn,
) -> tuple[list[CropFrame], Keypoints]:
    """Keypoints in picture px, and the crops that they were found in."""
    size = predictor.input_wh
    as_they_lie = [CropFrame.from_box(box.xyxy, size) for box in boxes]
    if turn == "none":
        return as_they_lie, _predict(predictor, rgbs, as_they_lie)
    if turn == "label":
        known_xy = [_labelled_points(box) for box in boxes]
    else:
        looks = [
            _predict(predictor, rgbs, list(map(_quarter, boxes, as_they_lie, repeat(angle))))
            for angle in (_QUARTERS if turn == "four-way" else _QUARTERS[:1])
        ]
        best = np.stack([look.scores.mean(-1) for look in looks]).argmax(0)
        known_xy = [looks[which].keypoints_xy[i] for i, which in enumerate(best)]
    frames = [
        turned_frame(box.xyxy, points, predictor.skeleton, size)
        for box, points in zip(boxes, known_xy, strict=True)
    ]
    return frames, _predict(predictor, rgbs, frames)


def _quarter(box: InfantBox, frame: CropFrame, angle_deg: float) -> CropFrame:
    """The frame of a box by quarter turns: its sides change places, its middle stays."""
    if angle_deg % 180 == 0:
        return frame.turned(angle_deg)
    x, y = frame.center_xy
    half_height, half_width = (box.xyxy[2:] - box.xyxy[:2]) / 2
    turned = np.array([x - half_width, y - half_height, x + half_width, y + half_height])
    return CropFrame.from_box(turned, frame.input_wh, angle_deg=angle_deg)


def _labelled_points(box: InfantBox) -> NDArray[np.float32]:
    if box.instance is None:
        raise ConfigurationError(
            "expected labelled boxes for crops turned by labels, got detected ones; turn by what "
            "is found (two-pass)"
        )
    return np.asarray(box.instance.labels.keypoints_xy[0])


def _predict(predictor: Predictor, rgbs: list[Rgb], frames: list[CropFrame]) -> Keypoints:
    crops = np.stack([warp_crop(rgb, frame) for rgb, frame in zip(rgbs, frames, strict=True)])
    found = predictor.predict(CropBatch(crops))
    in_picture = [
        frame.to_picture(points) for frame, points in zip(frames, found.keypoints_xy, strict=True)
    ]
    return Keypoints(np.stack(in_picture).astype(np.float32), found.scores)


def joined(parts: Sequence[Keypoints]) -> Keypoints:
    """Several instances' keypoints as one; at least one part."""
    return Keypoints(
        np.concatenate([part.keypoints_xy for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )
