"""A small data set whose keypoints are coloured dots: quick to draw, and learnable."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from model.spec.skeleton import load_skeleton
from model.training.data.folder import LabelledFolder, read_folder

MakeFolder = Callable[..., LabelledFolder]


def write_folder(
    folder: Path, count: int = 6, *, skeleton_id: str = "infant21", seed: int = 0
) -> LabelledFolder:
    """Write `count` pictures of 160x120 with one instance each, and read them."""
    skeleton = load_skeleton(skeleton_id)
    rng = np.random.default_rng(seed)
    images, annotations = [], []
    for number in range(1, count + 1):
        middle = rng.uniform((60, 45), (100, 75))
        points = middle + rng.uniform(-40, 40, (skeleton.num_keypoints, 2))
        points = np.clip(points, 6, (153, 113)).round()
        picture = np.full((120, 160, 3), rng.integers(90, 160), np.uint8)
        for k, point in enumerate(points.astype(int)):
            hue = np.array([[[180 * k // len(points), 255, 255]]], np.uint8)
            colour = cv2.cvtColor(hue, cv2.COLOR_HSV2BGR)[0, 0].tolist()
            cv2.circle(picture, point.tolist(), 4, colour, -1, cv2.LINE_AA)
        name = f"{number:03}.png"
        assert cv2.imwrite(str(folder / name), picture)
        low, high = points.min(0) - 6, points.max(0) + 6
        visibility = np.full(len(points), 2)
        visibility[number % len(points)] = 1
        visibility[(number + 7) % len(points)] = 0
        rows = np.concatenate([points, visibility[:, None]], axis=1)
        rows[visibility == 0] = 0
        annotations.append(
            {
                "id": number, "image_id": number, "category_id": 1, "iscrowd": 0,
                "bbox": [*low.tolist(), *(high - low + 1).tolist()],
                "area": float(np.prod(high - low + 1) * 0.6),
                "keypoints": rows.ravel().tolist(),
                "num_keypoints": int((visibility > 0).sum()),
            }
        )  # fmt: skip
        images.append({"id": number, "file_name": name, "width": 160, "height": 120})
    category = {"id": 1, "name": "infant", "keypoints": list(skeleton.keypoints)}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    (folder / "labels.json").write_text(json.dumps(content))
    return read_folder(folder)
