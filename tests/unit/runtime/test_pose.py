"""The pose estimator takes any number of crops of its size, and nothing else."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from model.export.parity import ParityReport, gate_crops
from model.runtime.engines import EngineOptions, Session
from model.runtime.pose import PoseEstimator
from model.spec.arrays import CropBatch
from model.spec.errors import (
    ArrayError,
    ConfigurationError,
    EngineError,
    ManifestError,
    ModelFileError,
    SkeletonError,
)
from model.spec.onnx_file import read_model_file

Exported = tuple[Path, list[ParityReport]]
OPTIONS = EngineOptions(engine="cpu", batch_size=4)


@pytest.fixture(scope="module")
def estimator(exported: Exported) -> PoseEstimator:
    return PoseEstimator.open(exported[0], OPTIONS, skeleton_id="infant21")


def test_any_number_of_crops(estimator: PoseEstimator) -> None:
    crops, _ = gate_crops(6, (192, 256))
    whole = estimator.estimate(crops)
    assert whole.keypoints_xy.shape == (6, 21, 2)
    single = estimator.estimate(CropBatch(crops.rgb[4:5]))
    np.testing.assert_allclose(single.scores[0], whole.scores[4], atol=1e-4)
    assert len(estimator.estimate(CropBatch(crops.rgb[:0]))) == 0


def test_heatmaps_decode_to_the_same_keypoints(estimator: PoseEstimator) -> None:
    crops, _ = gate_crops(2, (192, 256))
    decoded = estimator.manifest.heatmap_codec.decode(estimator.heatmaps(crops))
    found = estimator.estimate(crops)
    np.testing.assert_allclose(found.scores, decoded.scores, atol=1e-6)
    np.testing.assert_allclose(found.keypoints_xy, decoded.keypoints_xy, atol=0.01)


def test_crops_of_another_size_or_dtype(estimator: PoseEstimator) -> None:
    with pytest.raises(
        ArrayError, match=r"expected uint8 \(N, 256, 192, 3\), got uint8 \(1, 192, 256, 3\)"
    ):
        estimator.estimate(CropBatch(np.zeros((1, 192, 256, 3), np.uint8)))
    with pytest.raises(ArrayError, match="got float32"):
        CropBatch(np.zeros((1, 256, 192, 3), np.float32))


def test_a_wrong_skeleton(exported: Exported) -> None:
    with pytest.raises(SkeletonError, match="expected the skeleton coco17, got infant21"):
        PoseEstimator.open(exported[0], OPTIONS, skeleton_id="coco17")


def test_a_truncated_model(exported: Exported, tmp_path: Path) -> None:
    path = tmp_path / "short.onnx"
    path.write_bytes(exported[0].read_bytes()[:-50_000])
    with pytest.raises(ModelFileError, match=r"short\.onnx"):
        PoseEstimator.open(path, OPTIONS)


def test_a_manifest_that_does_not_fit_its_graph(exported: Exported, tmp_path: Path) -> None:
    proto = onnx.load(exported[0])
    del proto.graph.output[1:]
    path = tmp_path / "other.onnx"
    onnx.save(proto, path)
    with pytest.raises(ManifestError, match=r"got .* and \('keypoints',\)"):
        PoseEstimator.open(path, OPTIONS)


def test_a_model_without_heatmaps_says_so(estimator: PoseEstimator) -> None:
    manifest = estimator.manifest.model_copy(update={"outputs": ("keypoints",)})
    file = read_model_file(estimator.model_file.path)
    file = type(file)(file.path, manifest, file.sha256)
    lone = PoseEstimator(file, _Session(("keypoints",)), OPTIONS)
    with pytest.raises(ConfigurationError, match="export it with --heatmaps"):
        lone.heatmaps(CropBatch(np.zeros((1, 256, 192, 3), np.uint8)))


def test_numbers_that_are_none_are_an_error(estimator: PoseEstimator) -> None:
    broken = PoseEstimator(estimator.model_file, _Session(("keypoints", "heatmaps")), OPTIONS)
    with pytest.raises(EngineError, match="not finite: keypoints"):
        broken.estimate(CropBatch(np.zeros((1, 256, 192, 3), np.uint8)))


class _Session(Session):
    """A session that finds nothing but NaN."""

    def __init__(self, outputs: tuple[str, ...]) -> None:
        self.input_name = "crops"
        self.input_shape = (None, 256, 192, 3)
        self.output_names = outputs

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        return dict.fromkeys(self.output_names, np.full((len(batch), 21, 3), np.nan, np.float32))
