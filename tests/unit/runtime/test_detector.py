"""Detections are carried to the picture, in order, on both engines; wrong files are refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.runtime.detector import Detections, Detector
from model.runtime.engines import EngineName, EngineOptions
from model.spec.arrays import Boxes
from model.spec.errors import ArrayError, EngineError, ManifestError
from model.spec.manifest import CodecFacts
from model.spec.skeleton import load_skeleton

ROWS = [
    [0, 16, 64, 48, 0.25, 0],
    [8, 24, 16, 32, 0.4, 1],
    [8, 24, 4, 32, 0.3, 0],  # inside out, as untrained heads have them
]


@pytest.fixture(scope="module")
def model(write_detector: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_detector(tmp_path_factory.mktemp("detector") / "d.onnx", ROWS)


def _picture(width: int, height: int, red: int = 0) -> NDArray[np.uint8]:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = red
    return picture


@pytest.mark.parametrize("engine", ["cpu", "openvino"])
def test_boxes_of_pictures_of_any_size_best_first(model: Path, engine: EngineName) -> None:
    detector = Detector.open(model, EngineOptions(engine=engine, batch_size=2))
    wide, high, square = detector.detect(
        [_picture(128, 64), _picture(64, 128), _picture(64, 64, 255)]
    )
    assert wide.boxes.xyxy.tolist() == [[16, 16, 31, 31], [0, 0, 127, 63]]
    assert wide.class_ids.tolist() == [1, 0]
    assert high.boxes.xyxy[1].tolist() == [0, 32, 63, 95]
    np.testing.assert_allclose(square.scores, [0.9, 0.75], atol=1e-6)  # red is the first channel
    assert wide.of("infant").boxes.xyxy.tolist() == [[0, 0, 127, 63]]
    assert len(square.of("head", min_score=0.95)) == 0
    assert detector.detect([]) == []


def test_pictures_of_another_shape(model: Path) -> None:
    detector = Detector.open(model, EngineOptions(engine="cpu", batch_size=1))
    with pytest.raises(ArrayError, match=r"expected uint8 \(H, W, 3\), got uint8 \(64, 64\)"):
        detector.detect([np.zeros((64, 64), np.uint8)])
    with pytest.raises(ArrayError, match="got float32"):
        detector.detect([np.zeros((64, 64, 3), np.float32)])


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"classes": ("person", "head")}, "expected the classes infant, head, got person, head"),
        ({"outputs": ("output0",)}, "the manifest says input and one output"),
        ({"input_hw": (64, 96)}, "the manifest says input and one output"),
    ],
)
def test_a_manifest_that_does_not_fit(
    write_detector: Callable[..., Path], tmp_path: Path, facts: dict[str, object], message: str
) -> None:
    path = write_detector(tmp_path / "d.onnx", ROWS, **facts)
    with pytest.raises(ManifestError, match=message):
        Detector.open(path, EngineOptions(engine="cpu"))


def test_a_batch_that_is_fixed(write_detector: Callable[..., Path], tmp_path: Path) -> None:
    one = write_detector(tmp_path / "one.onnx", ROWS, batch=1)
    detector = Detector.open(one, EngineOptions(engine="cpu", batch_size=1))
    assert len(detector.detect([_picture(64, 64)] * 3)) == 3
    with pytest.raises(ManifestError, match="got one of 1 opened with 8"):
        Detector.open(one, EngineOptions(engine="cpu", batch_size=8))


def test_a_pose_model_is_no_detector(write_detector: Callable[..., Path], tmp_path: Path) -> None:
    facts = {"skeleton": load_skeleton("coco17"), "codec": CodecFacts(sigma_px=2, blur_kernel=11)}
    path = write_detector(tmp_path / "p.onnx", ROWS, task="pose", **facts)
    with pytest.raises(ManifestError, match="expected a detector, got a pose"):
        Detector.open(path, EngineOptions(engine="cpu"))


@pytest.mark.parametrize(
    ("row", "error"),
    [([0, 0, 9, 9, 0.5, 7], ManifestError), ([0, 0, float("nan"), 9, 0.5, 0], EngineError)],
)
def test_detections_that_cannot_be(
    write_detector: Callable[..., Path], tmp_path: Path, row: list[float], error: type[Exception]
) -> None:
    detector = Detector.open(
        write_detector(tmp_path / "d.onnx", [row]), EngineOptions(engine="cpu")
    )
    with pytest.raises(error):
        detector.detect([_picture(64, 64)])


def test_detections_are_checked() -> None:
    boxes = Boxes(np.array([[0, 0, 9, 9]], np.float32))
    score, class_id = np.array([0.5], np.float32), np.array([0])
    assert len(Detections(boxes, score, class_id)) == 1
    with pytest.raises(ArrayError, match=r"scores: expected 0\.\.1"):
        Detections(boxes, score * 3, class_id)
    with pytest.raises(ArrayError, match="class_ids: expected 0 to 1"):
        Detections(boxes, score, class_id + 2)
    with pytest.raises(ArrayError, match="scores: expected float32"):
        Detections(boxes, np.zeros(2, np.float32), class_id)
    with pytest.raises(ArrayError, match="expected a class of infant, head, got 'cat'"):
        Detections(boxes, score, class_id).of("cat")
