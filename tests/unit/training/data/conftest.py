"""A tiny data set that a test can bend out of shape before it is written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from model.spec.skeleton import load_skeleton

SIZE_WH = (160, 120)
_BODY = {
    "eye": 40, "shoulder": 55, "elbow": 65, "wrist": 72, "middle_finger": 76, "hip": 85,
    "knee": 95, "ankle": 104, "toe": 108, "ear": 42, "chin": 48, "chest": 58, "navel": 75,
    "nose": 43,
}  # fmt: skip


def point(name: str) -> list[float]:
    """x, y and visibility of one of an upright infant's keypoints; the left is on the right."""
    side, _, part = name.partition("_")
    height = _BODY[part or side]
    beside = {"eye": 5, "ear": 8, "shoulder": 12, "hip": 9}.get(part, 15)
    return [80 + {"left": beside, "right": -beside}.get(side, 0), height, 2]


def make_content(skeleton_id: str = "infant21") -> dict[str, Any]:
    """Labels of two pictures: one infant with a head polygon, and nobody."""
    names = list(load_skeleton(skeleton_id).keypoints)
    infant = {
        "id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [60, 25, 45, 90],
        "area": 2000, "keypoints": [value for name in names for value in point(name)],
    }  # fmt: skip
    head = {
        "id": 2, "image_id": 1, "category_id": 2, "iscrowd": 0, "bbox": [66, 26, 28, 26],
        "area": 600, "segmentation": [[70, 26, 90, 26, 94, 40, 86, 51, 74, 51, 66, 40]],
    }  # fmt: skip
    width, height = SIZE_WH
    pictures = [
        {"id": i + 1, "file_name": name, "width": width, "height": height}
        for i, name in enumerate(("a.jpg", "b.png"))
    ]
    return {
        "images": pictures,
        "annotations": [infant, head],
        "categories": [{"id": 1, "name": "infant", "keypoints": names}, {"id": 2, "name": "head"}],
    }


Write = Callable[..., Path]


@pytest.fixture
def content() -> dict[str, Any]:
    return make_content()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write labels and a picture of noise for each of its names; returns the folder."""

    def written(
        content: dict[str, Any], labels: str = "annotations.json", pictures: str = "images"
    ) -> Path:
        root = tmp_path / "set"
        (root / labels).parent.mkdir(parents=True, exist_ok=True)
        (root / labels).write_text(json.dumps(content))
        (root / pictures).mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        for name in ("a.jpg", "b.png"):
            noise = rng.integers(0, 256, (SIZE_WH[1], SIZE_WH[0], 3)).astype(np.uint8)
            assert cv2.imwrite(str(root / pictures / name), noise)
        return root

    return written
