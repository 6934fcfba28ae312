"""The exported file says what the network says: every size, on both engines.

T and S in all batch sizes, other forms in some: `aggpose model export` compares in all of them.
"""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from model.export import onnx_export, parity
from model.export.onnx_export import PoseExport, export_pose_model
from model.export.parity import (
    BATCH_SIZES,
    HEATMAP_TOLERANCE,
    KEYPOINT_TOLERANCE_PX,
    SCORE_TOLERANCE,
    ParityReport,
    gate_crops,
    well_conditioned,
)
from model.network.aggpose import build_aggpose
from model.runtime.engines import EngineOptions, precisions_here
from model.runtime.pose import PoseEstimator
from model.spec.errors import ParityError, SkeletonError
from model.spec.manifest import Provenance
from model.spec.onnx_file import read_model_file
from model.spec.skeleton import load_skeleton

Exported = tuple[Path, list[ParityReport]]
UNTRAINED = Provenance(trained=False, summary="random")


def assert_agrees(reports: list[ParityReport], share: float) -> None:
    """Check the gate's own numbers, and that it compared something."""
    assert {report.engine for report in reports} == {"cpu", "openvino"}
    for report in reports:
        assert report.heatmap_error <= HEATMAP_TOLERANCE == 1e-4
        assert report.score_error <= SCORE_TOLERANCE == 1e-4
        assert report.keypoint_error_px <= KEYPOINT_TOLERANCE_PX == 0.01
        assert report.keypoints == 8 * 21
        if report.weights == "perturbed":
            assert report.well_conditioned > share * report.keypoints


def small_request() -> PoseExport:
    """To export a network with fresh weights for small crops."""
    network = build_aggpose("aggpose-t", input_size_hw=(128, 96))
    return PoseExport(network, load_skeleton("infant21"), "t", "0", UNTRAINED)


def test_parity_of_t(exported: Exported) -> None:
    assert_agrees(exported[1], share=0.5)


@pytest.mark.parametrize(
    ("size", "batch_sizes"), [("aggpose-s", BATCH_SIZES), ("aggpose-l", BATCH_SIZES[-1:])]
)
def test_parity_of_larger_sizes(
    size: str, batch_sizes: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On small crops, which cost a quarter; and L, which is S with more blocks, in few batches."""
    monkeypatch.setattr(parity, "BATCH_SIZES", batch_sizes)
    torch.manual_seed(0)
    network = build_aggpose(size, input_size_hw=(128, 96))
    request = PoseExport(network, load_skeleton("infant21"), size, "0", UNTRAINED)
    path = tmp_path / "model.onnx"
    manifest, reports = export_pose_model(request, path, engines=("cpu", "openvino"))
    assert_agrees(reports, share=0.5)
    assert read_model_file(path).manifest == manifest
    path.unlink()  # hundreds of MB


@pytest.mark.parametrize(
    ("num_keypoints", "skeleton", "fusion", "input_hw", "flip_test"),
    [(17, "coco17", "paper", (128, 96), True), (21, "infant21", "released", (192, 160), False)],
)
def test_parity_of_other_forms(
    num_keypoints: int,
    skeleton: str,
    fusion: str,
    input_hw: tuple[int, int],
    *,
    flip_test: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parity, "BATCH_SIZES", BATCH_SIZES[-2:])
    torch.manual_seed(0)
    network = build_aggpose(
        "aggpose-t",
        num_keypoints=num_keypoints,
        fusion="paper" if fusion == "paper" else "released",
        input_size_hw=input_hw,
    )
    request = PoseExport(network, load_skeleton(skeleton), "t", "0", UNTRAINED, flip_test=flip_test)
    path = tmp_path / "model.onnx"
    manifest, reports = export_pose_model(request, path, engines=("cpu", "openvino"))
    assert all(report.passed for report in reports)
    assert max(report.well_conditioned for report in reports) > 0.3 * 8 * num_keypoints
    assert manifest.flip_test is flip_test
    assert manifest.input_hw == input_hw
    assert manifest.outputs == ("keypoints",)


def test_bfloat16_keeps_the_decoding_in_float32(exported: Exported) -> None:
    """The network drifts in bfloat16, but keypoints are the float32 decoding of its heatmaps."""
    assert "bfloat16" in precisions_here("openvino") or "avx512_bf16" not in cpu_flags()
    options = EngineOptions(engine="openvino", precision=precisions_here("openvino")[-1])
    estimator = PoseEstimator.open(exported[0], options)
    crops, _ = gate_crops(8, (192, 256))
    outputs = estimator.run(crops)
    codec = estimator.manifest.heatmap_codec
    decoded = codec.decode(outputs["heatmaps"])
    solid = well_conditioned(outputs["heatmaps"], codec)
    assert solid.mean() > 0.3
    offset = np.abs(outputs["keypoints"][..., :2] - decoded.keypoints_xy).max(-1)
    assert offset[solid].max() < 0.01
    np.testing.assert_array_equal(outputs["keypoints"][..., 2], decoded.scores)


def cpu_flags() -> str:
    """What the processor says that it can do, where the system tells."""
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""


def test_nothing_of_the_machine_is_in_the_file(exported: Exported) -> None:
    content = exported[0].read_bytes()
    for word in (str(Path(onnx_export.__file__).parents[2]), "site-packages", ".py"):
        assert word.encode() not in content


def test_the_batch_is_free_and_all_else_is_fixed(exported: Exported) -> None:
    graph = onnx.load(exported[0]).graph
    (crops,) = graph.input
    dims = crops.type.tensor_type.shape.dim
    assert crops.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [dim.dim_param or dim.dim_value for dim in dims] == ["batch", 256, 192, 3]
    assert "Shape" not in {node.op_type for node in graph.node}  # sizes are numbers


def test_a_graph_that_disagrees_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Export another network than the one that is compared: the gate must shut."""
    torch.manual_seed(0)
    request = small_request()
    real = onnx_export._to_onnx  # noqa: SLF001

    def with_another_bias(export: PoseExport, network: torch.nn.Module) -> onnx.ModelProto:
        proto = real(export, network)  # type: ignore[arg-type]
        for tensor in proto.graph.initializer:
            if tensor.name.endswith("predict.fc2.bias"):
                bias = onnx.numpy_helper.to_array(tensor) + np.float32(1e-3)
                tensor.raw_data = bias.tobytes()
        return proto

    monkeypatch.setattr(onnx_export, "_to_onnx", with_another_bias)
    with pytest.raises(ParityError, match=r"heatmaps 1\.0e-03"):
        export_pose_model(request, tmp_path / "model.onnx", engines=("cpu",))
    assert list(tmp_path.iterdir()) == []


def test_a_gate_without_peaks_is_shut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    request = small_request()
    monkeypatch.setattr(onnx_export, "perturbed", lambda network, _codec: network)
    with pytest.raises(ParityError, match="the gate cannot tell: expected 20%"):
        export_pose_model(request, tmp_path / "model.onnx", engines=("cpu",))


def test_every_constant_is_under_the_hash(exported: Exported) -> None:
    assert "Constant" not in {node.op_type for node in onnx.load(exported[0]).graph.node}


def test_a_skeleton_of_another_count() -> None:
    with pytest.raises(SkeletonError, match="expected a skeleton of 21 keypoints, got coco17"):
        PoseExport(build_aggpose("aggpose-t"), load_skeleton("coco17"), "t", "0", UNTRAINED)
