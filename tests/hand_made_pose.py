"""A pose model made by hand: keypoints that move with the crop's brightness, at no cost."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from model.export.sealing import UNSEALED, seal
from model.spec.manifest import CodecFacts, Manifest, Provenance
from model.spec.skeleton import load_skeleton

HEIGHT, WIDTH = 64, 48


def write_pose(path: Path, name: str) -> Path:
    """Write a model of `infant21` whose points lie on a grid, shifted by the crop's mean."""
    skeleton = load_skeleton("infant21")
    count = skeleton.num_keypoints
    places = np.arange(count)
    points = [WIDTH * (0.2 + 0.1 * (places % 6)), HEIGHT * (0.2 + 0.15 * (places // 6))]
    base = np.stack([*points, np.full(count, 0.4)], 1)[None].astype(np.float32)
    gain = np.stack([0.02 * places, -0.03 * places, np.full(count, 0.001)], 1)[None]
    tensors: dict[str, NDArray[Any]] = {
        "base": base, "gain": gain.astype(np.float32), "axes": np.array([1, 2, 3], np.int64),
        "last": np.array([3], np.int64),
    }  # fmt: skip
    one = onnx.TensorProto.FLOAT
    nodes = [
        onnx.helper.make_node("Cast", ["crops"], ["numbers"], to=one),
        onnx.helper.make_node("ReduceMean", ["numbers", "axes"], ["mean4"], keepdims=1),
        onnx.helper.make_node("Squeeze", ["mean4", "last"], ["mean"]),
        onnx.helper.make_node("Mul", ["mean", "gain"], ["moved"]),
        onnx.helper.make_node("Add", ["moved", "base"], ["keypoints"]),
    ]
    shape: list[str | int | None] = ["batch", HEIGHT, WIDTH, 3]
    graph = onnx.helper.make_graph(
        nodes,
        "pose",
        [onnx.helper.make_tensor_value_info("crops", onnx.TensorProto.UINT8, shape)],
        [onnx.helper.make_tensor_value_info("keypoints", one, ["batch", count, 3])],
        [onnx.numpy_helper.from_array(value, key) for key, value in tensors.items()],
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    proto = onnx.helper.make_model(graph, opset_imports=opset, ir_version=10)
    manifest = Manifest(
        task="pose", name=name, version="1", architecture="none", input_hw=(HEIGHT, WIDTH),
        skeleton=skeleton, codec=CodecFacts(sigma_px=2.0, blur_kernel=11), outputs=("keypoints",),
        opset=18, parameters=0, licence="AGPL-3.0-or-later",
        provenance=Provenance(trained=False, summary="hand-made"), weights_sha256=UNSEALED,
    )  # fmt: skip
    seal(proto, manifest)
    onnx.save(proto, path)
    return path
