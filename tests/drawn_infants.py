"""Infants drawn by numbers, and a detector and a pose model that can read them: true to the pixel.

A drawn infant is a turned rectangle. Its red says who it is; green and blue say where on the body a
pixel lies, across and along, so that a fake network finds keypoints in any crop by a linear fit.
Like a real one it is sure of itself only where the trunk points down.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.runtime.detector import CLASSES, Detector
from model.runtime.engines import EngineOptions
from model.runtime.pose import PoseEstimator
from model.spec.geometry import Size
from model.spec.manifest import CodecFacts, Manifest, Provenance
from model.spec.onnx_file import ModelFile
from model.spec.skeleton import load_skeleton

SKELETON = load_skeleton("infant21")
_RED = 120
_PER_INFANT = 20
_NETWORK_HW = (128, 96)


def _places() -> NDArray[np.float64]:
    """Where on the body each keypoint lies: float64 (K, 2), across and along, 0 to 1."""
    places = np.random.default_rng(3).uniform(0.1, 0.9, (SKELETON.num_keypoints, 2))
    (upper,), (left, right) = SKELETON.trunk
    places[[upper, left, right]] = (0.5, 0.35), (0.6, 0.65), (0.4, 0.65)
    return places


PLACES = _places()


@dataclass(frozen=True)
class Drawn:
    """One infant in one picture.

    Attributes:
        center_xy: Its middle, px.
        angle_deg: Of a crop in which its trunk points down.
        wh: Across and along the body, px.
        who: 0 to 5.
    """

    center_xy: tuple[float, float] = (80.0, 60.0)
    angle_deg: float = 0.0
    wh: tuple[float, float] = (30.0, 60.0)
    who: int = 0

    @property
    def _axes(self) -> NDArray[np.float64]:
        angle = math.radians(self.angle_deg)
        return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])

    @property
    def keypoints_xy(self) -> NDArray[np.float64]:
        """True keypoints, float64 (K, 2) px."""
        return np.asarray((PLACES - 0.5) * self.wh @ self._axes.T + self.center_xy)

    @property
    def box_xyxy(self) -> NDArray[np.float64]:
        """Its box, to the sub-pixel."""
        half = np.abs(self._axes) @ np.array(self.wh) / 2
        return np.concatenate([self.center_xy - half, self.center_xy + half])

    def draw(self, picture: NDArray[np.uint8]) -> None:
        """Paint it."""
        height, width = picture.shape[:2]
        grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
        place = (grid - self.center_xy) @ self._axes / self.wh + 0.5
        inside = ((place >= 0) & (place <= 1)).all(axis=-1)
        picture[inside, 0] = _RED + _PER_INFANT * self.who
        picture[inside, 1:] = np.rint(place[inside] * 255)


def picture_of(*infants: Drawn, size_wh: Size = (160, 120)) -> NDArray[np.uint8]:
    """A picture with infants on a grey floor; later ones lie over earlier ones."""
    picture = np.full((size_wh[1], size_wh[0], 3), 50, np.uint8)
    for infant in infants:
        infant.draw(picture)
    return picture


@dataclass
class DrawnDetector:
    """A session that finds the drawn infants.

    Attributes:
        scores: What each infant scores, by `who`; others are not seen.
        blind: Numbers of calls, from 0, in which nothing is seen.
        calls: How often it was run.
    """

    scores: Mapping[int, float] = field(default_factory=lambda: {0: 0.9})
    blind: Sequence[int] = ()
    calls: int = 0
    input_shape: tuple[int | None, ...] = (None, 3, 160, 160)
    input_dtype: str = "float"
    output_names: tuple[str, ...] = ("detections",)

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """The infants' boxes, and the first fifth of each as its head."""
        (planes,) = batch
        red = np.rint(planes[0] * 255)
        rows = []
        for who, score in self.scores.items():
            y, x = np.nonzero(np.abs(red - _RED - _PER_INFANT * who) < 3)
            if len(x) and self.calls not in self.blind:
                x1, y1, x2, y2 = x.min(), y.min(), x.max() + 1, y.max() + 1
                rows.append([x1, y1, x2, y2, score, 0])
                rows.append([x1, y1, x2, y1 + (y2 - y1) / 5, score / 2, 1])
        self.calls += 1
        nothing = [[0, 0, 0, 0, 0, 0]]
        return {"detections": np.array([rows or nothing], np.float32)}


@dataclass
class DrawnPose:
    """A session that finds the keypoints of the infant that fills a crop.

    Attributes:
        best: The score of a crop whose trunk points down.
        crops: How many crops it was given.
        batches: How many at a time.
    """

    best: float = 0.9
    crops: int = 0
    batches: list[int] = field(default_factory=list)
    input_shape: tuple[int | None, ...] = (None, *_NETWORK_HW, 3)
    input_dtype: str = "uint8"
    output_names: tuple[str, ...] = ("keypoints",)

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Keypoints in crop px."""
        self.crops += len(batch)
        self.batches.append(len(batch))
        return {"keypoints": np.stack([self._keypoints(crop) for crop in batch])}

    def _keypoints(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        who = (crop[..., 0].astype(int) - _RED) / _PER_INFANT
        who = np.where((who == np.rint(who)) & (who >= 0), who, -1).astype(int)
        counts = np.bincount(who[who >= 0], minlength=1)
        y, x = np.nonzero(who == counts.argmax())
        rows = np.full((len(PLACES), 3), (*np.divide(crop.shape[1::-1], 2), 0.02), np.float32)
        if len(x) > 50:
            on_body = np.column_stack([crop[y, x, 1:] / 255.0, np.ones(len(x))])
            to_crop = np.linalg.lstsq(on_body, np.column_stack([x, y]), rcond=None)[0]
            rows[:, :2] = PLACES @ to_crop[:2] + to_crop[2]
            down = to_crop[1, 1] / np.linalg.norm(to_crop[1])
            rows[:, 2] = self.best * max(0.05, down)
        return rows


@dataclass
class TrunkAstray(DrawnPose):
    """A session that turns the trunk about its upper end, and is not sure of it.

    Attributes:
        turned_deg: By so much, clockwise as displayed in the crop.
        after: So many crops are read rightly before.
    """

    turned_deg: float = 60.0
    after: int = 0
    _seen: int = 0

    def _keypoints(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = super()._keypoints(crop)
        self._seen += 1
        if self._seen > self.after:
            upper, lower = SKELETON.trunk[0][0], [*SKELETON.trunk[1]]
            angle = math.radians(self.turned_deg)
            cos, sin = math.cos(angle), math.sin(angle)
            turn = np.array([[cos, sin], [-sin, cos]])
            rows[lower, :2] = (rows[lower, :2] - rows[upper, :2]) @ turn + rows[upper, :2]
            rows[[upper, *lower], 2] *= 0.25
        return rows


def _model_file(task: str, **facts: object) -> ModelFile:
    content: dict[str, object] = {
        "task": task, "name": f"drawn-{task}", "version": "1", "architecture": "none",
        "opset": 18, "parameters": 0, "licence": "AGPL-3.0-or-later", "weights_sha256": "0" * 64,
        "provenance": Provenance(trained=False, summary="reads drawn infants"),
    }  # fmt: skip
    manifest = Manifest.model_validate(content | facts)
    return ModelFile(Path(f"{task}.onnx"), manifest, "f" * 64)


def drawn_detector(session: DrawnDetector | None = None) -> Detector:
    """A detector of drawn infants; pictures of up to 160x160 reach it pixel for pixel."""
    session = session or DrawnDetector()
    model_file = _model_file(
        "detector", input_hw=session.input_shape[2:], classes=CLASSES, outputs=("detections",)
    )
    return Detector(model_file, session, EngineOptions(batch_size=1))


def drawn_pose(session: DrawnPose | None = None, *, batch_size: int = 4) -> PoseEstimator:
    """A pose model of drawn infants."""
    codec = CodecFacts(sigma_px=2.0, blur_kernel=11)
    model_file = _model_file(
        "pose", input_hw=_NETWORK_HW, skeleton=SKELETON, codec=codec, outputs=("keypoints",)
    )
    options = EngineOptions(batch_size=batch_size)
    return PoseEstimator(model_file, session or DrawnPose(), options)
