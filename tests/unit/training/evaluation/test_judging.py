"""A predictor that is right gets full marks, however crops are turned; one that errs does not."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.spec.errors import ConfigurationError, DatasetError
from model.spec.turning import Turn
from model.training.data.folder import LabelledFolder
from model.training.evaluation.boxes import DetectedBoxes
from model.training.evaluation.judging import judge, spread
from model.training.evaluation.predictors import Predictor
from model.training.evaluation.report import as_json, as_markdown

Infant = Callable[[float, tuple[float, float]], NDArray[np.float64]]
MakeFolder = Callable[..., LabelledFolder]
MakeSurveyor = Callable[..., Predictor]

LYING_DEG = 115.0


@pytest.mark.parametrize("turn", ["none", "label", "two-pass", "four-way"])
def test_points_come_back_to_the_picture(
    infant: Infant, make_folder: MakeFolder, surveyor: MakeSurveyor, turn: Turn
) -> None:
    points = infant(LYING_DEG, (118.0, 96.0))
    folder = make_folder([points], [points])
    judgement = judge(surveyor(points), folder, turn=turn)
    scale = judgement.estimates.frames[0].scale
    errors = np.linalg.norm(judgement.keypoints_xy - points, axis=-1)
    assert errors.max() < 1.5 * scale
    evaluation = judgement.evaluation
    assert evaluation.accuracy.pck10.share == 1.0
    assert evaluation.oks["AP"] > 0.9  # type: ignore[operator]
    assert evaluation.boxes.turned == (0 if turn == "none" else 2)
    angle = judgement.estimates.frames[0].angle_deg
    assert angle == pytest.approx(0 if turn == "none" else LYING_DEG, abs=4)


def test_four_ways_find_what_is_found_upright_only(
    infant: Infant, make_folder: MakeFolder, surveyor: MakeSurveyor
) -> None:
    points = infant(LYING_DEG, (118.0, 96.0))
    folder = make_folder([points])
    predictor = surveyor(points, wants_upright=True)
    shares = [
        judge(predictor, folder, turn=turn).evaluation.accuracy.pck20.share
        for turn in ("two-pass", "four-way")
    ]
    assert shares[0] is not None
    assert shares[0] < 0.2
    assert shares[1] == 1.0


def test_detected_boxes(
    infant: Infant, make_folder: MakeFolder, surveyor: MakeSurveyor, tmp_path: Path
) -> None:
    """One infant is found by a loose box, one is missed, and one box holds nobody."""
    points = infant(0, (118.0, 96.0))
    folder = make_folder([points], [points], [])
    results = [
        {"image_id": 1, "category_id": 1, "bbox": [80, 40, 80, 112], "score": 0.9},
        {"image_id": 1, "category_id": 9, "bbox": [100, 50, 30, 30], "score": 0.9},
        {"image_id": 1, "category_id": 1, "bbox": [100, 50, 30, 30], "score": 0.04},
        {"image_id": 3, "category_id": 1, "bbox": [10, 10, 60, 90], "score": 0.3},
    ]
    file = tmp_path / "found" / "boxes.json"
    file.parent.mkdir()
    file.write_text(json.dumps(results))
    judgement = judge(surveyor(points), folder, source=DetectedBoxes(file, 1))
    boxes, accuracy = judgement.evaluation.boxes, judgement.evaluation.accuracy
    assert (boxes.source, boxes.boxes, boxes.missed, boxes.surplus) == ("boxes.json", 2, 1, 1)
    assert accuracy.pck20.share == 0.5
    assert judgement.evaluation.oks["AR"] == pytest.approx(0.5, abs=0.05)
    assert [row["image_id"] for row in judgement.results] == [1, 3]
    assert judgement.results[0]["score"] == pytest.approx(0.8 * 0.9, abs=1e-6)
    with pytest.raises(ConfigurationError, match="expected labelled boxes for crops turned by"):
        judge(surveyor(points), folder, source=DetectedBoxes(file, 1), turn="label")


def test_no_boxes_at_all(
    infant: Infant, make_folder: MakeFolder, surveyor: MakeSurveyor, tmp_path: Path
) -> None:
    points = infant(0, (118.0, 96.0))
    folder = make_folder([points])
    file = tmp_path / "none.txt"
    file.write_text("[]")
    evaluation = judge(surveyor(points), folder, source=DetectedBoxes(file, 1)).evaluation
    assert (evaluation.oks["AP"], evaluation.accuracy.pck20.share) == (0.0, 0.0)
    assert evaluation.boxes.missed == 1


def test_several_in_a_picture_all_count(
    infant: Infant, make_folder: MakeFolder, surveyor: MakeSurveyor
) -> None:
    """The predictor knows one of the two; in the other's box it finds the wrong infant."""
    one, other = infant(0, (60.0, 96.0)), infant(180, (180.0, 100.0))
    folder = make_folder([one, other])
    judgement = judge(surveyor(one), folder)
    assert judgement.evaluation.data.infants == 2
    assert judgement.evaluation.accuracy.pck20.share == pytest.approx(0.5, abs=0.1)
    assert judgement.evaluation.accuracy.pck20_by_direction["up"].share == 1.0


def test_a_few_spread_over_all(infant: Infant, make_folder: MakeFolder) -> None:
    folder = make_folder(*([infant(0, (118.0, 96.0))] for _ in range(10)))
    few = spread(folder, 4)
    assert [picture.id for picture in few.pictures] == [1, 3, 6, 8]
    assert [one.picture.id for one in few.instances] == [1, 3, 6, 8]
    assert spread(folder, 10) is folder


def test_a_picture_of_another_size(
    infant: Infant, make_folder: MakeFolder, surveyor: MakeSurveyor
) -> None:
    points = infant(0, (118.0, 96.0))
    folder = make_folder([points])
    content = json.loads(folder.file.read_text())
    content["images"][0]["width"] += 1
    folder.file.write_text(json.dumps(content))
    changed = type(folder.pictures[0])(1, folder.pictures[0].path, (241, 200))
    with pytest.raises(DatasetError, match="expected 241x200 as the labels say, got 240x200"):
        judge(
            surveyor(points),
            type(folder)(folder.file, folder.skeleton, (changed,), folder.instances, {}, ()),
        )


def test_the_report_says_the_same_twice(
    infant: Infant, make_folder: MakeFolder, surveyor: MakeSurveyor
) -> None:
    points = infant(20, (118.0, 96.0))
    labelled = points.copy()
    labelled[0] = np.nan
    evaluation = judge(surveyor(points), make_folder([labelled])).evaluation
    content = json.loads(as_json(evaluation))
    assert list(content) == ["schema_version", "model", "data", "boxes", "oks", "accuracy"]
    assert content["accuracy"]["keypoints"][0] == {
        "name": "right_eye", "labelled": 0, "pck10": None, "pck20": None, "median_px": None,
        "p95_px": None, "median_trunk": None, "p95_trunk": None,
    }  # fmt: skip
    text = as_markdown(evaluation)
    assert "- data: 1 pictures, 1 infants, 20 labelled keypoints (infant21)" in text
    assert "| PCK@0.2 | 100.0 | 20 |" in text
    assert "| right_eye | 0 | - | - | - | - | - | - |" in text
