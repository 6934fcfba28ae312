"""Average precision over object keypoint similarity, by pycocotools itself.

The ground truth is the data set's own file, and the results are rows that pycocotools would read
from a file: whoever runs it on both with the skeleton's constants gets the same numbers.
"""

import contextlib
import copy
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from model.spec.skeleton import Skeleton
from model.training.data.folder import LabelledFolder, Picture
from model.training.evaluation.estimating import Estimates

STATS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
"""pycocotools' ten numbers for keypoints, in its order: over OKS .50 to .95; at .50; at .75; of
medium objects (area 32^2 to 96^2 px); of large ones; recalls likewise."""


@dataclass(frozen=True)
class CocoFile:
    """What of a data set's file pycocotools needs.

    Attributes:
        category: The keypoints' category as it stands in the file.
        order: For each of the category's names, the keypoint's index in the skeleton.
        annotations: Of that category, as they stand in the file.
    """

    category: dict[str, Any]
    order: tuple[int, ...]
    annotations: tuple[dict[str, Any], ...]

    @property
    def category_id(self) -> int:
        """The keypoints' category."""
        return int(self.category["id"])


def read_coco_file(folder: LabelledFolder) -> CocoFile:
    """Take what pycocotools needs out of a data set that was read without a problem."""
    content = json.loads(folder.file.read_bytes())
    (category,) = (one for one in content["categories"] if one.get("keypoints"))
    order = tuple(folder.skeleton.index(name) for name in category["keypoints"])
    rows = [row for row in content["annotations"] if row.get("category_id") == category["id"]]
    return CocoFile(category, order, tuple(_complete(row) for row in rows if "bbox" in row))


def _complete(row: dict[str, Any]) -> dict[str, Any]:
    """An annotation with what pycocotools takes for granted; it ignores those without keypoints."""
    keypoints = row.get("keypoints") or []
    labelled = sum(1 for visibility in keypoints[2::3] if visibility)
    named = {key: row[key] for key in ("id", "image_id", "category_id", "bbox")}
    return {
        **named,
        "area": row.get("area", row["bbox"][2] * row["bbox"][3]),
        "iscrowd": row.get("iscrowd", 0),
        "keypoints": keypoints,
        "num_keypoints": row.get("num_keypoints", labelled),
    }


def result_rows(estimates: Estimates, coco_file: CocoFile) -> list[dict[str, Any]]:
    """Estimates as COCO results, keypoints in the file's order, rounded to 1/1000 px.

    Returns:
        One dictionary a box: image_id, category_id, keypoints (x, y, score), score.
    """
    order = list(coco_file.order)
    points = estimates.keypoints.keypoints_xy[:, order].astype(np.float64).round(3)
    scores = estimates.keypoints.scores[:, order].astype(np.float64).round(6)
    flat = np.concatenate([points, scores[..., None]], axis=-1).reshape(len(points), 3 * len(order))
    return [
        {
            "image_id": box.picture.id,
            "category_id": coco_file.category_id,
            "keypoints": values,
            "score": score,
        }
        for box, values, score in zip(
            estimates.boxes, flat.tolist(), estimates.instance_scores.tolist(), strict=True
        )
    ]


def average_precision(
    rows: Sequence[dict[str, Any]],
    coco_file: CocoFile,
    pictures: Sequence[Picture],
    skeleton: Skeleton,
) -> dict[str, float | None]:
    """The ten numbers of pycocotools.

    Args:
        rows: COCO results of these pictures.
        coco_file: The ground truth.
        pictures: All that were looked at; infants missed in them count.
        skeleton: Gives the constants that stand where COCO's sigmas do.

    Returns:
        Numbers in 0..1 by the names of `STATS`; None where there is nothing to measure (no
        medium infants, say).
    """
    ids = {picture.id for picture in pictures}
    annotations = [row for row in coco_file.annotations if row["image_id"] in ids]
    sigmas = np.array(skeleton.oks_sigmas)[list(coco_file.order)]
    with contextlib.redirect_stdout(io.StringIO()):  # it prints as it goes
        truth = _coco(coco_file, pictures, annotations)
        results = truth.loadRes(copy.deepcopy(list(rows))) if rows else _coco(coco_file, pictures)
        judge = COCOeval(truth, results, "keypoints")
        judge.params.kpt_oks_sigmas = sigmas
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return {
        name: None if value < 0 else float(value)
        for name, value in zip(STATS, judge.stats, strict=True)
    }


def _coco(
    coco_file: CocoFile, pictures: Sequence[Picture], annotations: Sequence[dict[str, Any]] = ()
) -> Any:  # noqa: ANN401 - pycocotools has no types
    coco = COCO()
    coco.dataset = {
        "images": [{"id": picture.id} for picture in pictures],
        "categories": [coco_file.category],
        "annotations": copy.deepcopy(list(annotations)),
    }
    coco.createIndex()
    return coco
