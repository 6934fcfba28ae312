"""A detector's file agrees with its network on both engines, or there is none."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from model.runtime.engines import EngineName
from model.spec.errors import CheckpointError, ConfigurationError, ParityError
from model.spec.manifest import Provenance
from model.spec.onnx_file import read_model_file
from model.training.detector.checkpoint import (
    DetectorCheckpoint,
    load_detector,
    model_name,
    save_detector,
)

ENGINES: tuple[EngineName, ...] = ("cpu", "openvino")

pytestmark = pytest.mark.usefixtures("ultralytics_settings")


@pytest.fixture(scope="module")
def checkpoint(ultralytics_settings: Path) -> DetectorCheckpoint:
    assert ultralytics_settings.is_dir()
    from model.training.detector.trainer import build_detector  # noqa: PLC0415 - Ultralytics

    torch.manual_seed(0)
    network = build_detector("yolo26n", ("infant", "head"))
    # heads of fresh networks give all but equal scores
    for name, parameter in network.named_parameters():
        if "one2one_cv3" in name and name.endswith("2.weight"):
            torch.nn.init.normal_(parameter, std=2)
    provenance = Provenance(trained=False, summary="random", metrics={"val_map50": 0.5})
    state = dict(network.state_dict())
    return DetectorCheckpoint("yolo26n", ("infant", "head"), 64, provenance, state)


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((48, 64, 3), (90, 60, 3))]


def test_a_file_that_agrees(
    checkpoint: DetectorCheckpoint, pictures: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    from model.training.detector.export import DetectorExport, export_detector  # noqa: PLC0415

    path = tmp_path / "d.onnx"
    export = DetectorExport(checkpoint, "1.0.0")
    manifest, reports = export_detector(export, path, engines=ENGINES, pictures=pictures)
    assert read_model_file(path).manifest == manifest
    assert (manifest.task, manifest.name) == ("detector", "yolo26n-infant-head-64")
    assert (manifest.input_hw, manifest.classes) == ((64, 64), ("infant", "head"))
    assert manifest.provenance == checkpoint.provenance
    assert [report.engine for report in reports] == list(ENGINES)
    assert all(report.passed and report.detections >= 30 for report in reports)


def test_the_gate_shuts_on_a_graph_that_was_changed(
    checkpoint: DetectorCheckpoint,
    pictures: list[NDArray[np.uint8]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from model.training.detector import export as module  # noqa: PLC0415

    honest = module._to_onnx  # noqa: SLF001

    def tampered(*arguments: Any) -> onnx.ModelProto:  # noqa: ANN401
        proto = honest(*arguments)
        for tensor in proto.graph.initializer:
            if "one2one_cv2.0.2.bias" in tensor.name:
                bias = onnx.numpy_helper.to_array(tensor) + np.float32(0.2)
                tensor.CopyFrom(onnx.numpy_helper.from_array(bias, tensor.name))
                return proto
        raise AssertionError("no such tensor")

    monkeypatch.setattr(module, "_to_onnx", tampered)
    export = module.DetectorExport(checkpoint, "1.0.0")
    with pytest.raises(ParityError, match="disagrees with its network: cpu"):
        module.export_detector(export, tmp_path / "d.onnx", engines=("cpu",), pictures=pictures)
    assert not list(tmp_path.iterdir())


def test_differences_are_found_both_ways_and_order_is_no_difference() -> None:
    from model.training.detector.export import difference  # noqa: PLC0415

    rows = np.zeros((12, 6), np.float32)
    rows[:3] = [[0, 0, 9, 9, 0.9, 0], [1, 1, 5, 5, 0.8, 1], [2, 2, 6, 6, 0.8, 1]]
    assert difference(rows, rows[[0, 2, 1, *range(3, 12)]])[:2] == (0, 0)
    moved = rows.copy()
    moved[1, 0] += 0.25
    assert difference(rows, moved)[:2] == pytest.approx((0.25, 0))
    more = rows.copy()
    more[5] = [30, 30, 40, 40, 0.5, 0]
    assert difference(rows, more)[0] > 20
    assert difference(more, rows)[0] > 20
    other_class = rows.copy()
    other_class[:, 5] = 1
    assert difference(rows, other_class)[0] == float("inf")


def test_checkpoints_come_back_and_damaged_ones_do_not(
    checkpoint: DetectorCheckpoint, tmp_path: Path
) -> None:
    from model.training.detector.export import restore  # noqa: PLC0415
    from model.training.detector.trainer import build_detector  # noqa: PLC0415

    path = tmp_path / "detector.pt"
    save_detector(checkpoint, path)
    again = load_detector(path)
    assert model_name(again) == "yolo26n-infant-head-64"
    assert again.provenance == checkpoint.provenance
    for name, tensor in checkpoint.state_dict.items():
        rounded = tensor.half().float() if tensor.is_floating_point() else tensor
        assert torch.equal(again.state_dict[name], rounded)
    torch.save({"format": "aggpose-checkpoint"}, path)
    with pytest.raises(
        CheckpointError, match="expected aggpose-detector 1, got aggpose-checkpoint"
    ):
        load_detector(path)
    torch.save({"format": "aggpose-detector", "format_version": 1, "state_dict": {"a": 1}}, path)
    with pytest.raises(CheckpointError, match="damaged: expected tensors only"):
        load_detector(path)
    few = DetectorCheckpoint("yolo26n", ("infant", "head"), 64, checkpoint.provenance, {})
    with pytest.raises(CheckpointError, match="the tensors are not those of its network"):
        restore(few)
    with pytest.raises(ConfigurationError, match="got 'yolo99n'"):
        build_detector("yolo99n", ("infant", "head"))
