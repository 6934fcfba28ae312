"""The figures of detections made by hand are those that can be counted by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.runtime.detector import Detections
from model.spec.arrays import Boxes
from model.training.data.folder import Picture, read_folder
from model.training.data.pictures import read_rgb
from model.training.detector.evaluation import (
    Judged,
    at_threshold,
    average_precision,
    box_iou,
    labels_of,
    report_on,
)
from model.training.detector.report import markdown, misses_sheet


def _boxes(*rows: list[float]) -> Boxes:
    return Boxes(np.array(rows, np.float32).reshape(-1, 4))


def _judged(
    picture_id: int, labels: dict[str, Boxes], *found: tuple[list[float], float, int]
) -> Judged:
    boxes, scores, class_ids = zip(*found, strict=True) if found else ((), (), ())
    return Judged(
        Picture(picture_id, Path("none.png"), (100, 100)),
        {"infant": _boxes(), "head": _boxes()} | labels,
        Detections(_boxes(*boxes), np.array(scores, np.float32), np.array(class_ids, np.int64)),
    )


INFANT = [10.0, 10, 59, 59]
HALF = [10.0, 10, 59, 34]  # half of it: an overlap of exactly 0.5
LESS = [10.0, 10, 59, 33]


def _set() -> list[Judged]:
    return [
        _judged(1, {"infant": _boxes(INFANT)}, (INFANT, 0.9, 0)),
        _judged(2, {"infant": _boxes(INFANT)}, (HALF, 0.3, 0)),
        _judged(3, {"infant": _boxes(INFANT)}, (LESS, 0.9, 0), (INFANT, 0.9, 1)),
        _judged(4, {"head": _boxes(INFANT)}, (INFANT, 0.2, 0), (INFANT, 0.6, 1)),
        _judged(5, {}),
    ]


def test_overlaps() -> None:
    overlap = box_iou(_boxes(INFANT), _boxes(INFANT, HALF, [80, 80, 90, 90]))
    np.testing.assert_allclose(overlap, [[1, 0.5, 0]])
    assert box_iou(_boxes(), _boxes(INFANT)).shape == (0, 1)


@pytest.mark.parametrize(
    ("threshold", "infants", "heads", "false"),
    [
        (0.1, 200, 0, 0.5),
        (0.25, 200, 0, 0),
        (0.5, 400, 0, 0),
        (0.7, 400, 200, 0),
        (0.95, 600, 200, 0),
    ],
)
def test_misses_and_false_infants(
    threshold: float, infants: float, heads: float, false: float
) -> None:
    row = at_threshold(_set(), threshold)
    assert row.missed_infants_per_1000 == pytest.approx(infants)
    assert row.missed_heads_per_1000 == pytest.approx(heads)
    assert row.false_infants_on_empty == pytest.approx(false)
    assert at_threshold(_set()[:3], threshold).false_infants_on_empty is None


def test_average_precision() -> None:
    """Infants by score: right, wrong, right at 0.5 only, wrong where there is none."""
    map50, map50_95 = average_precision(_set())
    # recall 1/3 at precision 1, 2/3 at 2/3: 34 and 33 of COCO's 101 points
    assert map50["infant"] == pytest.approx((34 * 1 + 33 * 2 / 3) / 101, abs=1e-3)
    assert map50_95["infant"] == pytest.approx(((34 + 22) + 9 * 34) / 1010, abs=1e-3)
    assert map50["head"] == pytest.approx(0.5)  # the higher score lies where no head is labelled
    nothing = [_judged(1, {"infant": _boxes(INFANT)})]
    assert average_precision(nothing)[0] == {"infant": 0.0, "head": None}
    unlabelled = [_judged(1, {}, (INFANT, 0.9, 0))]
    assert average_precision(unlabelled)[1] == {
        "infant": None,
        "head": None,
    }


def test_labels_and_a_report_with_a_sheet_that_covers_heads(drawn_set: Path) -> None:
    data = read_folder(drawn_set)
    labels = labels_of(data)
    assert [len(labels[picture.id]["infant"]) for picture in data.pictures] == [1] * 9 + [0] * 3
    none = Detections(_boxes(), np.zeros(0, np.float32), np.zeros(0, np.int64))
    judged = [Judged(picture, labels[picture.id], none) for picture in data.pictures]
    report = report_on(judged, model="m 1", data="drawn", threshold=0.3)
    assert (report.pictures, report.empty, report.map50["infant"]) == (12, 3, 0.0)
    text = markdown(report)
    assert "| infant | 0.0000 | 0.0000 |" in text
    assert "| 0.3 | 750.0 | 750.0 | 0.0% |" in text
    sheet = misses_sheet(judged, data, 0.3)
    assert sheet is not None
    assert sheet.shape == (3 * 240, 4 * 320, 3)
    # the drawn head is the only thing that is mostly red
    red = (sheet[..., 0].astype(int) - sheet[..., 2]) > 100
    assert not red.any()
    assert (read_rgb(data.pictures[0])[..., 0].astype(int) > 190).any()
    assert misses_sheet([judged[-1]], data, 0.3) is None
    # nor where nobody labelled or found it: all of the infant, whose head no keypoints place
    whole = [replace(one, box_xyxy=np.array([0, 0, 95, 95], np.float32)) for one in data.instances]
    unseen = replace(data, heads={}, head_polygons={}, instances=tuple(whole))
    blind = [replace(one, labels=one.labels | {"head": _boxes()}) for one in judged]
    sheet = misses_sheet(blind, unseen, 0.3)
    assert sheet is not None
    assert (np.subtract(sheet[..., 0], sheet[..., 2], dtype=int) > 100).sum() < 9
