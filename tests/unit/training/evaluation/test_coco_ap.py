"""The average precision is pycocotools' own."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from model.spec.arrays import Keypoints
from model.spec.geometry import CropFrame
from model.spec.skeleton import load_skeleton
from model.training.data.folder import LabelledFolder, read_folder
from model.training.evaluation.boxes import InfantBox
from model.training.evaluation.coco_ap import (
    STATS,
    average_precision,
    read_coco_file,
    result_rows,
)
from model.training.evaluation.estimating import Estimates
from model.training.evaluation.judging import spread


def make_labels(folder: Path, skeleton_id: str, rng: np.random.Generator) -> LabelledFolder:
    """Up to four a picture of all areas, names in another order, crowds and unlabelled ones."""
    skeleton = load_skeleton(skeleton_id)
    names = [str(name) for name in rng.permutation(skeleton.keypoints)]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id in range(11, 51):
        name = f"{image_id}.jpg"
        (folder / name).touch()
        images.append({"id": image_id, "file_name": name, "width": 640, "height": 480})
        for _ in range(rng.integers(0, 5)):
            side = rng.uniform(25, 220)
            corner = rng.uniform(0, (640 - side, 480 - side))
            points = corner + side * rng.random((len(names), 2))
            visibility = rng.choice([0, 1, 2], len(names), p=[0.2, 0.2, 0.6])
            if rng.random() < 0.1:
                visibility[:] = 0
            points[visibility == 0] = 0
            annotations.append(
                {
                    "id": 100 + len(annotations),
                    "image_id": image_id,
                    "category_id": 7,
                    "bbox": [*corner.tolist(), side, side],
                    "area": float(0.6 * side**2),
                    "iscrowd": int(rng.random() < 0.08),
                    "keypoints": np.column_stack([points, visibility]).ravel().tolist(),
                    "num_keypoints": int((visibility > 0).sum()),
                }
            )
    categories = [{"id": 7, "name": "infant", "keypoints": names}, {"id": 9, "name": "head"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "labels.json").write_text(json.dumps(content))
    return read_folder(folder)


def make_estimates(folder: LabelledFolder, rng: np.random.Generator) -> Estimates:
    """Labels with noise from nothing to a lot; some missed, some found twice."""
    boxes, found, scores = [], [], []
    for one in folder.instances:
        for _ in range(rng.choice([0, 1, 2], p=[0.15, 0.7, 0.15])):
            points = np.nan_to_num(one.labels.keypoints_xy[0], nan=100.0)
            noise = rng.normal(size=points.shape) * rng.choice([0.01, 0.05, 0.1, 0.4])
            boxes.append(InfantBox(one.picture, one.box_xyxy, float(rng.random()), None))
            found.append(points + noise * np.sqrt(one.area_px))
            scores.append(rng.random(len(points)))
    frame = CropFrame((100.0, 100.0), 100.0, 0.0, (192, 256))
    keypoints = Keypoints(np.stack(found).astype(np.float32), np.stack(scores).astype(np.float32))
    return Estimates(tuple(boxes), (frame,) * len(boxes), keypoints)


def pycocotools_itself(
    labels: Path, results: Path, constant_of: dict[str, float]
) -> NDArray[np.float64]:
    """What anybody gets who runs pycocotools on the two files."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(labels))
        judge = COCOeval(truth, truth.loadRes(str(results)), "keypoints")
        judge.params.catIds = [7]
        names = truth.loadCats([7])[0]["keypoints"]
        judge.params.kpt_oks_sigmas = np.array([constant_of[name] for name in names])
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return np.asarray(judge.stats)


@pytest.mark.parametrize("skeleton_id", ["infant21", "coco17"])
@pytest.mark.parametrize("seed", range(3))
def test_ap_is_that_of_pycocotools_on_the_files(
    skeleton_id: str, seed: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(seed)
    folder = make_labels(tmp_path, skeleton_id, rng)
    coco_file = read_coco_file(folder)
    rows = result_rows(make_estimates(folder, rng), coco_file)
    skeleton = folder.skeleton
    got = average_precision(rows, coco_file, folder.pictures, skeleton)
    results = tmp_path / "results" / "results.json"
    results.parent.mkdir()
    results.write_text(json.dumps(rows))
    constants = dict(zip(skeleton.keypoints, skeleton.oks_sigmas, strict=True))
    expected = pycocotools_itself(folder.file, results, constants)
    assert list(got) == list(STATS)
    assert [got[name] for name in STATS] == pytest.approx(expected.tolist(), abs=1e-6)
    assert 0.1 < expected[0] < 0.9
    assert (expected > 0).all()


def test_coco17_has_cocos_own_constants() -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        constants = COCOeval(iouType="keypoints").params.kpt_oks_sigmas
    assert load_skeleton("coco17").oks_sigmas == pytest.approx(constants)


def test_nothing_found_is_an_ap_of_zero(tmp_path: Path) -> None:
    folder = make_labels(tmp_path, "infant21", np.random.default_rng(0))
    got = average_precision([], read_coco_file(folder), folder.pictures, folder.skeleton)
    assert (got["AP"], got["AR"]) == (0.0, 0.0)


def test_pictures_that_were_not_looked_at_do_not_count(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    whole = make_labels(tmp_path, "infant21", rng)
    few = spread(whole, 8)
    assert [picture.id for picture in few.pictures] == list(range(11, 51, 5))
    coco_file = read_coco_file(whole)
    rows = [exact_row(row) for row in coco_file.annotations if counts(row)]
    ids = {picture.id for picture in few.pictures}
    rows = [row for row in rows if row["image_id"] in ids]
    got = average_precision(rows, coco_file, few.pictures, whole.skeleton)
    assert got["AP"] == pytest.approx(1.0)
    assert average_precision(rows, coco_file, whole.pictures, whole.skeleton)["AR"] < 0.5  # type: ignore[operator]


def test_no_medium_objects_is_none_not_a_number(tmp_path: Path) -> None:
    folder = make_labels(tmp_path, "infant21", np.random.default_rng(2))
    coco_file = read_coco_file(folder)
    large = [row for row in coco_file.annotations if row["area"] > 96**2 and counts(row)]
    coco_file = type(coco_file)(coco_file.category, coco_file.order, tuple(large))
    rows = [exact_row(row) for row in large]
    got = average_precision(rows, coco_file, folder.pictures, folder.skeleton)
    assert got["APM"] is None
    assert got["APL"] == pytest.approx(1.0)


def counts(row: dict[str, Any]) -> bool:
    """Whether a label is neither a crowd nor without keypoints."""
    return bool(row["num_keypoints"] and not row["iscrowd"])


def exact_row(row: dict[str, Any]) -> dict[str, Any]:
    """A label as a result."""
    return {
        "image_id": row["image_id"], "category_id": 7, "keypoints": row["keypoints"], "score": 0.9,
    }  # fmt: skip


def test_the_score_is_the_mean_keypoints_times_the_boxes(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    folder = make_labels(tmp_path, "coco17", rng)
    estimates = make_estimates(folder, rng)
    rows = result_rows(estimates, read_coco_file(folder))
    for i in (0, 5):
        expected = estimates.keypoints.scores[i].astype(float).mean() * estimates.boxes[i].score
        assert rows[i]["score"] == pytest.approx(expected)
        names = json.loads(folder.file.read_text())["categories"][0]["keypoints"]
        x, y = estimates.keypoints.keypoints_xy[i, folder.skeleton.index(names[4])]
        assert rows[i]["keypoints"][12:14] == pytest.approx([x, y], abs=6e-4)
