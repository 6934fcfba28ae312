"""Labels as COCO keypoint JSON, with boxes for the detector's two classes."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.synthetic.labels import Labels
from model.synthetic.landmarks import infant21

INFANT, HEAD = 1, 2
"""Category ids, which are the detector's classes."""


def categories() -> list[dict[str, Any]]:
    """The two categories; `infant` carries the skeleton, 1-based as COCO has it."""
    skeleton = infant21()
    return [
        {
            "id": INFANT,
            "name": "infant",
            "supercategory": "person",
            "keypoints": list(skeleton.keypoints),
            "skeleton": [[a + 1, b + 1] for a, b in skeleton.edges],
        },
        {"id": HEAD, "name": "head", "supercategory": "person"},
    ]


def annotations_of(labels: Labels) -> dict[str, Any]:
    """One picture's labels as JSON values: `infant` and `head`, each a dictionary or None.

    The infant's area is its visible pixels with clothes, its segmentation the same pixels (run
    lengths); the head's segmentation is the polygon of its region.
    """
    infant = head = None
    if labels.infant_xyxy is not None:
        xy = labels.keypoints.keypoints_xy[0].astype(np.float64)
        visibility = labels.keypoints.visibility[0]
        points = np.where(visibility[:, None] > 0, xy, 0.0).round(3)
        flat = [
            value
            for (x, y), v in zip(points.tolist(), visibility.tolist(), strict=True)
            for value in (x, y, v)
        ]
        infant = {
            "bbox": xywh(labels.infant_xyxy),
            "area": int(labels.mask.sum()),
            "segmentation": run_lengths(labels.mask),
            "keypoints": flat,
            "num_keypoints": int((visibility > 0).sum()),
        }
    if labels.head_xyxy is not None:
        polygon = labels.head_polygon.astype(np.float64).round(2)
        head = {
            "bbox": xywh(labels.head_xyxy),
            "area": round(_polygon_area(polygon), 1),
            "segmentation": [polygon.ravel().tolist()],
        }
    return {"infant": infant, "head": head}


def dataset(rows: Iterable[Mapping[str, Any]], about: Mapping[str, Any]) -> dict[str, Any]:
    """A COCO data set.

    Args:
        rows: One a picture: index, file_name, width, height, infant, head, record.
        about: What the `info` says.
    """
    images, annotations = [], []
    for row in rows:
        image_id = row["index"] + 1
        images.append(
            {
                "id": image_id, "file_name": row["file_name"],
                "width": row["width"], "height": row["height"], "scene": row["record"],
            }
        )  # fmt: skip
        for number, (name, category) in enumerate((("infant", INFANT), ("head", HEAD))):
            if row[name] is not None:
                annotations.append(
                    {
                        "id": 2 * row["index"] + number + 1, "image_id": image_id,
                        "category_id": category, "iscrowd": 0, **row[name],
                    }
                )  # fmt: skip
    return {
        "info": dict(about), "licenses": [], "images": images,
        "annotations": annotations, "categories": categories(),
    }  # fmt: skip


def xywh(box_xyxy: NDArray[np.floating]) -> list[float]:
    """COCO's box: x, y, width, height; w pixels wide where first and last px are w - 1 apart."""
    x1, y1, x2, y2 = (float(value) for value in box_xyxy)
    return [x1, y1, x2 - x1 + 1, y2 - y1 + 1]


def _polygon_area(polygon: NDArray[np.float64]) -> float:
    x, y = polygon[:, 0], polygon[:, 1]
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def run_lengths(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask as COCO's compressed run lengths, column by column.

    Args:
        mask: bool (H, W).
    """
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    bounds = np.concatenate([[0], edges, [flat.size]])
    counts = np.diff(bounds).tolist()
    if flat.size and flat[0]:
        counts = [0, *counts]
    return {"size": [int(mask.shape[0]), int(mask.shape[1])], "counts": _pack(counts)}


def _pack(counts: list[int]) -> str:
    """Differences to the count two before, five bits a character."""
    out = []
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        while True:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            out.append(chr((bits | (0x20 if more else 0)) + 48))
            if not more:
                break
    return "".join(out)
