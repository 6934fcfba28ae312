"""What several tests need: reference vectors, an exported model, a drawn data set, a detector."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from filelock import FileLock
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from model.export.onnx_export import PoseExport, export_pose_model
from model.export.parity import ParityReport, perturbed
from model.export.sealing import UNSEALED, seal
from model.network.aggpose import AggPose, AggPoseConfig, build_aggpose
from model.network.sizes import AggPoseSize
from model.spec.codec import HeatmapCodec
from model.spec.manifest import Manifest, Provenance
from model.spec.skeleton import load_skeleton
from model.training.data.folder import LabelledFolder
from tests.folders import MakeFolder, write_folder

DATA = Path(__file__).parent / "data"

# Processes share two cores with others: how long an example takes says nothing.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

MICRO = AggPoseSize("aggpose-micro", (8, 16, 40, 64), (1, 2, 3, 1))
"""The size of the reference network."""


@pytest.fixture(scope="session")
def micro_reference() -> Mapping[str, NDArray[np.float32]]:
    """The micro network's weights, input and output, from the authors' code."""
    with np.load(DATA / "aggpose_micro_reference.npz") as content:
        return dict(content)


@pytest.fixture(scope="session")
def micro_state_dict(
    micro_reference: Mapping[str, NDArray[np.float32]],
) -> dict[str, torch.Tensor]:
    """The micro network's weights under released names."""
    return {
        name.removeprefix("param/"): torch.from_numpy(value).float()
        for name, value in micro_reference.items()
        if name.startswith("param/")
    }


@pytest.fixture
def micro_network() -> AggPose:
    """A fresh network of the reference's size."""
    torch.manual_seed(0)
    return AggPose(AggPoseConfig(MICRO, 21)).eval()


@pytest.fixture(scope="session")
def planted_network() -> AggPose:
    """An aggpose-t whose heatmaps have peaks, as a trained one's have."""
    torch.manual_seed(0)
    return perturbed(build_aggpose("aggpose-t"), HeatmapCodec.for_input((192, 256)))


@pytest.fixture(scope="session")
def exported(
    planted_network: AggPose, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[ParityReport]]:
    """That network as a model file with heatmaps, and what the gate said of it.

    It takes most of a minute: the first process that asks for it makes it for all of this run.
    """
    own = tmp_path_factory.getbasetemp()
    folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    path, reports_file = folder / "planted.onnx", folder / "planted.json"
    with FileLock(folder / "planted.lock"):
        if not reports_file.exists():
            reports_file.write_text(
                json.dumps([asdict(one) for one in _export(planted_network, path)])
            )
    return path, [ParityReport(**one) for one in json.loads(reports_file.read_text())]


def _export(network: AggPose, path: Path) -> list[ParityReport]:
    request = PoseExport(
        network,
        load_skeleton("infant21"),
        "planted",
        "1.2.3",
        Provenance(trained=False, summary="planted peaks"),
        heatmaps=True,
    )
    _, reports = export_pose_model(request, path, engines=("cpu", "openvino"))
    return reports


@pytest.fixture(scope="session")
def make_folder(tmp_path_factory: pytest.TempPathFactory) -> MakeFolder:
    """Makes a small labelled folder: see `write_folder`."""

    def make(count: int = 6, *, skeleton_id: str = "infant21", seed: int = 0) -> LabelledFolder:
        folder = tmp_path_factory.mktemp("labelled")
        return write_folder(folder, count, skeleton_id=skeleton_id, seed=seed)

    return make


@pytest.fixture(scope="session")
def drawn_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve labelled pictures of a disc on an ellipse, the last three without: quickly made."""
    folder = tmp_path_factory.mktemp("drawn") / "set"
    (folder / "images").mkdir(parents=True)
    names = list(load_skeleton("infant21").keypoints)
    images, annotations = [], []
    rng = np.random.default_rng(0)
    for i in range(12):
        width, height = (96, 72) if i % 2 else (72, 96)
        picture = rng.integers(60, 90, (height, width, 3), dtype=np.uint8)
        images.append(
            {"id": i + 1, "file_name": f"images/{i}.png", "width": width, "height": height}
        )
        if i < 9:
            mask = np.zeros((height, width), np.uint8)
            middle = (width // 2 + i - 4, height // 2)
            cv2.ellipse(mask, middle, (24, 10), 20.0 * i, 0, 360, 1, -1)
            picture[mask > 0] = (120, 140, 180)
            ring = np.array(cv2.ellipse2Poly((middle[0] + 8, middle[1]), (7, 7), 0, 0, 360, 15))
            cv2.fillPoly(picture, [ring], (20, 60, 200))
            annotations += _drawn_labels(i, mask, ring)
        picture += rng.integers(0, 40, picture.shape, dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / f"{i}.png"), picture)
    categories = [{"id": 1, "name": "infant", "keypoints": names}, {"id": 2, "name": "head"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def _drawn_labels(
    i: int, mask: NDArray[np.uint8], ring: NDArray[np.integer]
) -> list[dict[str, object]]:
    """The infant's and the head's annotation of one drawn picture."""
    x, y, width, height = cv2.boundingRect(mask)
    column_major = np.flatnonzero(np.diff(mask.T.ravel(), prepend=0, append=0)).tolist()
    runs = np.diff([0, *column_major, mask.size]).tolist()
    points = [float(n) for _ in range(21) for n in (x + width / 2, y + height / 2, 2)]
    hx, hy, hw, hh = cv2.boundingRect(ring.astype(np.int32))
    return [
        {
            "id": 2 * i + 1, "image_id": i + 1, "category_id": 1, "iscrowd": 0, "keypoints": points,
            "bbox": [x, y, width, height], "area": int(mask.sum()),
            "segmentation": {"size": list(mask.shape), "counts": runs},
        },
        {
            "id": 2 * i + 2, "image_id": i + 1, "category_id": 2, "iscrowd": 0,
            "bbox": [hx, hy, hw, hh], "area": hw * hh,
            "segmentation": [ring.ravel().astype(float).tolist()],
        },
    ]  # fmt: skip


@pytest.fixture(scope="session")
def write_detector() -> Callable[..., Path]:
    """Writes a hand-made detector: rows (M, 6) that it always gives, and what it saw of red.

    Its scores are the rows' plus half of the mean of the input's first channel.
    """

    def write(
        path: Path,
        rows: list[list[float]],
        *,
        graph_hw: tuple[int, int] = (64, 64),
        batch: int | str = "batch",
        **facts: object,
    ) -> Path:
        gain = np.zeros((1, len(rows), 6), np.float32)
        gain[..., 4] = 0.5
        tensors: dict[str, NDArray[Any]] = {
            "rows": np.array([rows], np.float32), "gain": gain,
            "start": np.array([0], np.int64), "end": np.array([1], np.int64),
            "channels": np.array([1], np.int64), "axes": np.array([2, 3], np.int64),
        }  # fmt: skip
        nodes = [
            onnx.helper.make_node("Slice", ["images", "start", "end", "channels"], ["red"]),
            onnx.helper.make_node("ReduceMean", ["red", "axes"], ["mean4"], keepdims=1),
            onnx.helper.make_node("Squeeze", ["mean4", "last"], ["mean"]),
            onnx.helper.make_node("Mul", ["mean", "gain"], ["seen"]),
            onnx.helper.make_node("Add", ["seen", "rows"], ["detections"]),
        ]
        tensors["last"] = np.array([3], np.int64)
        one = onnx.TensorProto.FLOAT
        graph = onnx.helper.make_graph(
            nodes,
            "detector",
            [onnx.helper.make_tensor_value_info("images", one, [batch, 3, *graph_hw])],
            [onnx.helper.make_tensor_value_info("detections", one, [batch, len(rows), 6])],
            [onnx.numpy_helper.from_array(value, name) for name, value in tensors.items()],
        )
        opset = [onnx.helper.make_opsetid("", 18)]
        proto = onnx.helper.make_model(graph, opset_imports=opset, ir_version=10)
        content: dict[str, object] = {
            "task": "detector", "name": "hand-made", "version": "1", "architecture": "none",
            "input_hw": graph_hw, "classes": ("infant", "head"), "outputs": ("detections",),
            "opset": 18, "parameters": 0, "licence": "AGPL-3.0-or-later",
            "provenance": Provenance(trained=False, summary="hand-made"),
            "weights_sha256": UNSEALED,
        }  # fmt: skip
        seal(proto, Manifest.model_validate(content | facts))
        onnx.save(proto, path)
        return path

    return write
