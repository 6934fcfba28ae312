"""A data set whose pictures tell where one is: red is x, green is y."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from model.spec.arrays import CropBatch, Keypoints
from model.spec.geometry import Size
from model.spec.skeleton import Skeleton, load_skeleton
from model.training.data.folder import LabelledFolder, read_folder
from model.training.evaluation.predictors import Predictor, PredictorFacts

WIDTH, HEIGHT = 240, 200

UPRIGHT_XY = np.array(
    [[-6, -34], [-14, -20], [-24, -30], [-30, -40], [-32, -46], [-9, 10], [-16, 26], [-12, 42],
     [-12, 48], [6, -34], [14, -20], [26, -14], [34, -6], [38, -2], [9, 10], [18, 24], [12, 40],
     [14, 47], [0, -27], [0, -20], [0, -2]], np.float64,
)  # fmt: skip
"""infant21 lying with its head up; the trunk is 30 px long."""


def lying(angle_deg: float, center_xy: tuple[float, float]) -> NDArray[np.float64]:
    angle = np.radians(angle_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(UPRIGHT_XY @ turn.T + center_xy)


class Surveyor:
    """Finds given picture points in crops by the colours there.

    Args:
        points_xy: (K, 2) picture px that it looks for, whatever the picture.
        wants_upright: Finds nothing but noise unless the trunk points down, and scores low.
    """

    facts = PredictorFacts("surveyor", None, None, trained=True, engine="none",
                           precision="float32", flip_test=False)  # fmt: skip

    def __init__(
        self,
        points_xy: NDArray[np.float64],
        *,
        skeleton: Skeleton | None = None,
        wants_upright: bool = False,
    ) -> None:
        self.skeleton = load_skeleton("infant21") if skeleton is None else skeleton
        self.input_wh: Size = (96, 128)
        self.points_xy = points_xy
        self.wants_upright = wants_upright

    def predict(self, crops: CropBatch) -> Keypoints:
        found = np.stack([self._find(crop) for crop in crops.rgb])
        scores = np.full(found.shape[:2], 0.8, np.float32)
        if self.wants_upright:
            upper, lower = (found[:, list(group)].mean(1) for group in self.skeleton.trunk)
            along = lower - upper
            lying = along[:, 1] < 0.7 * np.linalg.norm(along, axis=-1)
            found[lying] = 10.0
            scores[lying] = 0.1
        return Keypoints(found.astype(np.float32), scores)

    def _find(self, crop: NDArray[np.uint8]) -> NDArray[np.float64]:
        inside = crop[..., 2] > 250
        offset = crop[None, ..., :2].astype(np.float64) - self.points_xy[:, None, None]
        distance = np.where(inside, np.abs(offset).sum(-1), np.inf).reshape(len(offset), -1)
        rows, columns = np.divmod(distance.argmin(-1), crop.shape[1])
        return np.stack([columns, rows], axis=-1).astype(np.float64)


@pytest.fixture
def infant() -> Callable[[float, tuple[float, float]], NDArray[np.float64]]:
    """Keypoints (21, 2) of an infant turned clockwise by degrees, with its middle at a point."""
    return lying


@pytest.fixture
def surveyor() -> Callable[..., Predictor]:
    """Make a predictor that finds given picture points by the colours of `make_folder`."""
    return Surveyor


MakeFolder = Callable[..., LabelledFolder]


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Make a data set: for each picture a list of infants (21, 2), unlabelled where NaN."""

    def make(*pictures: list[NDArray[np.float64]]) -> LabelledFolder:
        x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
        rgb = np.stack([x, y, np.full_like(x, 255)], axis=-1).astype(np.uint8)
        skeleton = load_skeleton("infant21")
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, infants in enumerate(pictures, start=1):
            cv2.imwrite(str(tmp_path / f"{number}.png"), rgb[..., ::-1])
            images.append(
                {"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT}
            )
            for points in infants:
                low, high = np.nanmin(points, 0) - 4, np.nanmax(points, 0) + 4
                seen = np.asarray(np.isfinite(points).all(-1))
                flat = np.column_stack([np.nan_to_num(points), 2 * seen])
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": 1,
                        "bbox": [*low.tolist(), *(high - low + 1).tolist()],
                        "area": float(np.prod(high - low + 1) / 2),
                        "iscrowd": 0,
                        "keypoints": flat.ravel().tolist(),
                        "num_keypoints": int(seen.sum()),
                    }
                )
        category = {"id": 1, "name": "infant", "keypoints": list(skeleton.keypoints)}
        content = {"images": images, "annotations": annotations, "categories": [category]}
        (tmp_path / "labels.json").write_text(json.dumps(content))
        return read_folder(tmp_path)

    return make
