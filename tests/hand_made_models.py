"""A pose model and a detector made by hand: what they find follows the brightness, at no cost."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from model.export.sealing import UNSEALED, seal
from model.spec.manifest import CodecFacts, Manifest, Provenance
from model.spec.skeleton import load_skeleton

POSE_HW, DETECTOR_HW = (64, 48), (64, 64)


def write_pose(path: Path, name: str) -> Path:
    """Write a model of `infant21` whose points lie on a grid, shifted by the crop's mean."""
    skeleton = load_skeleton("infant21")
    places = np.arange(skeleton.num_keypoints)
    score = np.full(len(places), 0.4)
    height, width = POSE_HW
    base = np.stack(
        [width * (0.2 + 0.1 * (places % 6)), height * (0.2 + 0.15 * (places // 6)), score]
    )
    gain = np.stack([0.02 * places, -0.03 * places, score / 400])
    manifest = _manifest(
        task="pose", name=name, input_hw=POSE_HW, outputs=("keypoints",), skeleton=skeleton,
        codec=CodecFacts(sigma_px=2.0, blur_kernel=11),
    )  # fmt: skip
    return _write(path, manifest, ("crops", onnx.TensorProto.UINT8), base.T, gain.T)


def write_detector(path: Path) -> Path:
    """Write a detector that sees an infant and its head in the middle of every picture."""
    rows = np.array([[8, 14, 56, 50, 0.5, 0], [20, 16, 32, 26, 0.4, 1]], np.float32)
    gain = np.zeros_like(rows)
    gain[:, 4] = 0.5
    manifest = _manifest(
        task="detector", name="hand-made-detector", input_hw=DETECTOR_HW,
        outputs=("detections",), classes=("infant", "head"),
    )  # fmt: skip
    return _write(path, manifest, ("images", onnx.TensorProto.FLOAT), rows, gain)


def _manifest(**facts: Any) -> Manifest:  # noqa: ANN401 - a manifest's fields
    provenance = Provenance(trained=False, summary="hand-made")
    return Manifest(
        version="1", architecture="none", opset=18, parameters=0, licence="AGPL-3.0-or-later",
        provenance=provenance, weights_sha256=UNSEALED, **facts,
    )  # fmt: skip


def _write(
    path: Path,
    manifest: Manifest,
    model_input: tuple[str, int],
    base: NDArray[np.floating],
    gain: NDArray[np.floating],
) -> Path:
    """Write a graph: output (N, *base) = base + gain times the mean of each of the N inputs."""
    one, (name, kind), (output,) = onnx.TensorProto.FLOAT, model_input, manifest.outputs
    tensors: dict[str, NDArray[Any]] = {
        "base": base[None].astype(np.float32), "gain": gain[None].astype(np.float32),
        "axes": np.array([1, 2, 3], np.int64), "last": np.array([3], np.int64),
    }  # fmt: skip
    nodes = [
        onnx.helper.make_node("Cast", [name], ["numbers"], to=one),
        onnx.helper.make_node("ReduceMean", ["numbers", "axes"], ["mean4"], keepdims=1),
        onnx.helper.make_node("Squeeze", ["mean4", "last"], ["mean"]),
        onnx.helper.make_node("Mul", ["mean", "gain"], ["moved"]),
        onnx.helper.make_node("Add", ["moved", "base"], [output]),
    ]
    height, width = manifest.input_hw
    pose = manifest.task == "pose"
    shape: list[str | int | None] = ["N", *((height, width, 3) if pose else (3, height, width))]
    graph = onnx.helper.make_graph(
        nodes,
        manifest.task,
        [onnx.helper.make_tensor_value_info(name, kind, shape)],
        [onnx.helper.make_tensor_value_info(output, one, ["N", *base.shape])],
        [onnx.numpy_helper.from_array(value, key) for key, value in tensors.items()],
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    proto = onnx.helper.make_model(graph, opset_imports=opset, ir_version=10)
    seal(proto, manifest)
    onnx.save(proto, path)
    return path
