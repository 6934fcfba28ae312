"""Detected boxes are read strictly, and find their labels."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.runtime.detector import Detector
from model.runtime.engines import EngineOptions
from model.spec.arrays import LabelledKeypoints
from model.spec.errors import DatasetError
from model.training.data.folder import Instance, Picture, read_folder
from model.training.evaluation.boxes import DetectedBoxes, FoundBoxes, InfantBox, match_to_labels

PICTURE = Picture(4, Path("4.jpg"), (640, 480))
OTHER = Picture(5, Path("5.jpg"), (640, 480))


def labelled(number: int, xyxy: tuple[float, ...], picture: Picture = PICTURE) -> Instance:
    labels = LabelledKeypoints(np.zeros((1, 21, 2), np.float32), np.ones((1, 21), np.uint8))
    return Instance(number, picture, np.array(xyxy, np.float32), labels, 100.0, None)


def found(score: float, xyxy: tuple[float, ...], picture: Picture = PICTURE) -> InfantBox:
    return InfantBox(picture, np.array(xyxy, np.float32), score, None)


def test_the_best_score_takes_the_nearest_that_is_free() -> None:
    instances = [
        labelled(1, (0, 0, 99, 99)), labelled(2, (20, 0, 119, 99)), labelled(3, (300, 0, 399, 99)),
        labelled(4, (0, 0, 99, 99), OTHER),
    ]  # fmt: skip
    boxes = [
        found(0.5, (8, 0, 107, 99)),  # overlaps 1 most, which is taken
        found(0.9, (0, 0, 99, 99)),
        found(0.8, (300, 50, 399, 149)),  # a third
    ]
    assert match_to_labels(boxes, instances) == [1, 0, None, None]
    assert match_to_labels(boxes, instances, least_iou=0.3) == [1, 0, 2, None]


def test_labelled_boxes_are_their_own() -> None:
    instances = [labelled(1, (0, 0, 99, 99)), labelled(2, (0, 0, 99, 99))]
    boxes = [InfantBox(PICTURE, one.box_xyxy, 1.0, one) for one in reversed(instances)]
    assert match_to_labels(boxes, instances) == [1, 0]


def test_a_box_of_w_px_spans_w_less_one(tmp_path: Path) -> None:
    file = tmp_path / "boxes.json"
    row = {"image_id": 4, "category_id": 1, "bbox": [10, 20, 30, 40], "score": 0.05}
    file.write_text(json.dumps([row]))
    (box,) = DetectedBoxes(file, 1).boxes_in(PICTURE)
    assert box.xyxy.tolist() == [10, 20, 39, 59]
    assert DetectedBoxes(file, 1).boxes_in(OTHER) == []
    assert DetectedBoxes(file, 2).boxes_in(PICTURE) == []


GOOD = {"image_id": 4, "category_id": 1, "bbox": [10, 20, 30, 40], "score": 0.5}


@pytest.mark.parametrize(
    "change",
    [{"bbox": [1, 2, 3]}, {"bbox": [1, 2, 0.5, 9]}, {"bbox": [1, 2, float("nan"), 9]},
     {"bbox": None}, {"score": "high"}, {"score": float("inf")}, {"image_id": None}],
)  # fmt: skip
def test_rows_that_are_no_results(tmp_path: Path, change: dict[str, Any]) -> None:
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps([GOOD, GOOD | change]))
    with pytest.raises(DatasetError, match=r"boxes\.json: result 1: expected image_id"):
        DetectedBoxes(file, 1)


def test_files_that_are_no_results(tmp_path: Path) -> None:
    file = tmp_path / "boxes.json"
    with pytest.raises(DatasetError, match="cannot be read"):
        DetectedBoxes(file, 1)
    file.write_text("{]")
    with pytest.raises(DatasetError, match="damaged"):
        DetectedBoxes(file, 1)
    file.write_text("{}")
    with pytest.raises(DatasetError, match="expected a list of COCO results, got dict"):
        DetectedBoxes(file, 1)


def test_a_detector_looks_for_infants_on_the_spot(
    tmp_path: Path, write_detector: Callable[..., Path], drawn_set: Path
) -> None:
    rows = [[4, 4, 24, 34, 0.6, 0], [8, 8, 20, 20, 0.9, 1], [30, 30, 50, 50, 0.01, 0]]
    path = write_detector(tmp_path / "d.onnx", rows, graph_hw=(160, 160))
    picture = read_folder(drawn_set).pictures[0]
    source = FoundBoxes(Detector.open(path, EngineOptions(engine="cpu", batch_size=1)))
    boxes = source.boxes_in(picture)
    assert source.name == "hand-made"
    assert all(box.instance is None and box.picture is picture for box in boxes)
    assert boxes[0].score >= 0.6
    assert (boxes[0].xyxy >= 0).all()
    assert (boxes[0].xyxy[2:] < picture.size_wh).all()
    assert len(boxes) < len(rows)  # the head is none of them
