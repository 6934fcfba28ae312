"""A checkpoint and its export find the same; what cannot run is refused, not replaced."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from model.export.parity import ParityReport, gate_crops
from model.network.aggpose import AggPose
from model.network.checkpoints import Checkpoint, save_checkpoint
from model.spec.arrays import CropBatch
from model.spec.errors import ConfigurationError, ModelFileError, SkeletonError
from model.spec.manifest import Provenance
from model.spec.onnx_file import read_model_file
from model.spec.skeleton import load_skeleton
from model.training.evaluation.networks import NetworkPredictor
from model.training.evaluation.predictors import PredictorOptions, open_predictor

Exported = tuple[Path, list[ParityReport]]
INFANT21 = load_skeleton("infant21")
SIZE = (192, 256)


@pytest.fixture(scope="module")
def checkpoint(planted_network: AggPose, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints") / "planted.pt"
    provenance = Provenance(trained=False, summary="planted peaks")
    save_checkpoint(Checkpoint(planted_network, provenance, "AGPL-3.0-or-later"), path)
    return path


@pytest.fixture(scope="module")
def crops() -> CropBatch:
    return gate_crops(4, SIZE)[0]


@pytest.mark.parametrize("flip_test", [False, True])
def test_a_checkpoint_and_its_export_agree(
    checkpoint: Path, exported: Exported, crops: CropBatch, *, flip_test: bool
) -> None:
    ours = open_predictor(checkpoint, INFANT21, PredictorOptions(batch_size=3, flip_test=flip_test))
    options = PredictorOptions("cpu", batch_size=2, flip_test=flip_test)
    theirs = open_predictor(exported[0], INFANT21, options)
    here, there = ours.predict(crops), theirs.predict(crops)
    assert (ours.facts.engine, theirs.facts.engine) == ("torch-cpu", "cpu")
    assert ours.facts.flip_test is theirs.facts.flip_test is flip_test
    assert ours.input_wh == theirs.input_wh == SIZE
    np.testing.assert_allclose(here.scores, there.scores, atol=1e-4)
    near = np.abs(here.keypoints_xy - there.keypoints_xy).max(-1) < 0.01
    assert near.mean() > 0.8


def test_flip_test_is_the_mean_with_the_mirror_picture(
    planted_network: AggPose, crops: CropBatch
) -> None:
    """Of a mirrored crop it finds the mirrored keypoints, left and right exchanged."""
    predictor = NetworkPredictor(
        planted_network, INFANT21, PredictorOptions(flip_test=True), name="planted"
    )
    mirrored = CropBatch(np.ascontiguousarray(crops.rgb[:, :, ::-1]))
    found, other = predictor.predict(crops), predictor.predict(mirrored)
    np.testing.assert_allclose(other.scores[:, INFANT21.flip_order], found.scores, atol=1e-5)
    back = (SIZE[0] - 1, 0) + other.keypoints_xy[:, INFANT21.flip_order] * (-1, 1)
    assert (np.abs(back - found.keypoints_xy).max(-1) < 0.01).mean() > 0.8
    plain = NetworkPredictor(planted_network, INFANT21, PredictorOptions(), name="planted")
    assert np.abs(plain.predict(crops).scores - found.scores).max() > 1e-3


def test_decoding_keeps_float32_where_the_network_does_not(
    planted_network: AggPose, crops: CropBatch
) -> None:
    found, lowered = (
        NetworkPredictor(
            planted_network, INFANT21, PredictorOptions(precision=precision), name="planted"
        ).predict(crops)
        for precision in ("float32", "bfloat16")
    )
    assert 0 < np.abs(found.scores - lowered.scores).max() < 0.2 * np.abs(found.scores).max()
    cell = (lowered.keypoints_xy / 4) % 1
    assert len(np.unique(cell.round(4))) > 20  # bfloat16 has some few places left at 100 px


def test_what_cannot_run_is_refused(
    checkpoint: Path, exported: Exported, planted_network: AggPose, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="cpu or cuda for a checkpoint, got openvino"):
        open_predictor(checkpoint, INFANT21, PredictorOptions("openvino"))
    with pytest.raises(ConfigurationError, match="float32 or bfloat16 for a checkpoint on cpu"):
        open_predictor(checkpoint, INFANT21, PredictorOptions(precision="float16"))
    with pytest.raises(ConfigurationError, match="expected float32 on cpu, got 'bfloat16'"):
        open_predictor(exported[0], INFANT21, PredictorOptions("cpu", "bfloat16"))
    coco17 = load_skeleton("coco17")
    with pytest.raises(SkeletonError, match="expected the skeleton coco17, got infant21"):
        open_predictor(exported[0], coco17, PredictorOptions("cpu"))
    with pytest.raises(SkeletonError, match="expected the 17 keypoints of coco17, got a network"):
        NetworkPredictor(planted_network, coco17, PredictorOptions(), name="planted")
    with pytest.raises(ModelFileError):
        open_predictor(tmp_path / "none.onnx", INFANT21, PredictorOptions("cpu"))


def test_a_flip_test_needs_heatmaps_or_a_graph_with_it(exported: Exported, tmp_path: Path) -> None:
    proto = onnx.load(exported[0])
    manifest = read_model_file(exported[0]).manifest.model_copy(update={"outputs": ("keypoints",)})
    del proto.graph.output[1:]
    proto.metadata_props[0].value = manifest.model_dump_json()
    path = tmp_path / "lone.onnx"
    onnx.save(proto, path)
    with pytest.raises(ConfigurationError, match="export it with --flip-test or --heatmaps"):
        open_predictor(path, INFANT21, PredictorOptions("cpu", flip_test=True))
    proto.metadata_props[0].value = manifest.model_copy(
        update={"flip_test": True}
    ).model_dump_json()
    onnx.save(proto, path)
    assert open_predictor(path, INFANT21, PredictorOptions("cpu")).facts.flip_test
