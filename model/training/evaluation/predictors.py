"""What is judged: anything that finds keypoints in crops, whether exported or still a checkpoint.

torch is imported only where a checkpoint is opened, so that an exported model is judged on the
machine that will run it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from model.runtime.engines import EngineName, EngineOptions, Precision
from model.runtime.pose import PoseEstimator
from model.spec.arrays import CropBatch, Keypoints
from model.spec.errors import ConfigurationError
from model.spec.geometry import Size
from model.spec.skeleton import Skeleton


@dataclass(frozen=True)
class PredictorFacts:
    """What ran: a model, on what, and how.

    Attributes:
        name: Of the model.
        version: Of an exported model.
        weights_sha256: Of an exported model.
        trained: False for random weights.
        engine: Of the runtime; `torch-cpu` or `torch-cuda` for a network.
        precision: Of the network's arithmetic.
        flip_test: Whether each crop was averaged with its mirror picture.
    """

    name: str
    version: str | None
    weights_sha256: str | None
    trained: bool
    engine: str
    precision: str
    flip_test: bool


@dataclass(frozen=True)
class PredictorOptions:
    """How a model is to be run.

    Attributes:
        engine: None for OpenVINO with an exported model, and the CPU with a checkpoint, which
            torch runs on `cpu` or `cuda`.
        precision: Of the network's arithmetic.
        batch_size: Crops that go through the network together.
        flip_test: Average each crop with its mirror picture.
    """

    engine: EngineName | None = None
    precision: Precision = "float32"
    batch_size: int = 8
    flip_test: bool = False


class Predictor(Protocol):
    """Finds the keypoints of one skeleton in crops of one size."""

    @property
    def skeleton(self) -> Skeleton:
        """Of the keypoints."""

    @property
    def facts(self) -> PredictorFacts:
        """What runs."""

    @property
    def input_wh(self) -> Size:
        """Size of the crops that it takes, px."""

    def predict(self, crops: CropBatch) -> Keypoints:
        """Find the keypoints of any number of crops, in crop px."""


class ExportedPredictor:
    """A model file on one of the runtime's engines.

    A flip test that is not in the graph is made here, of the heatmaps of a model exported with
    them: the crop's and its mirror picture's are averaged, then decoded.
    """

    def __init__(self, estimator: PoseEstimator, skeleton: Skeleton, *, flip_test: bool) -> None:
        manifest = estimator.manifest
        self._flips_here = flip_test and not manifest.flip_test
        if self._flips_here and "heatmaps" not in manifest.outputs:
            raise ConfigurationError(
                f"{estimator.model_file.path}: expected a model with the flip test in its graph, "
                "or one with heatmaps, got neither; export it with --flip-test or --heatmaps"
            )
        self.skeleton = skeleton
        self._estimator = estimator
        self._flip_order = skeleton.flip_order
        self.facts = PredictorFacts(
            manifest.name,
            manifest.version,
            manifest.weights_sha256,
            manifest.provenance.trained,
            estimator.options.engine,
            estimator.options.precision,
            flip_test or manifest.flip_test,
        )

    @property
    def input_wh(self) -> Size:
        """Size of the crops, px."""
        height, width = self._estimator.manifest.input_hw
        return width, height

    def predict(self, crops: CropBatch) -> Keypoints:
        """Find the keypoints of any number of crops, in crop px."""
        if not self._flips_here:
            return self._estimator.estimate(crops)
        mirrored = CropBatch(np.ascontiguousarray(crops.rgb[:, :, ::-1]))
        back = self._estimator.heatmaps(mirrored)[:, self._flip_order, :, ::-1]
        heatmaps = (self._estimator.heatmaps(crops) + back) / 2
        return self._estimator.manifest.heatmap_codec.decode(heatmaps.astype(np.float32))


def open_predictor(path: Path, skeleton: Skeleton, options: PredictorOptions) -> Predictor:
    """Open what is to be judged: an exported model (.onnx) or a checkpoint (anything else).

    Args:
        path: Of the file.
        skeleton: Of the labels; a model of another is refused.
        options: How to run it.

    Raises:
        ConfigurationError: The model does not run so.
        ModelError: The file is none that can be judged, or what would run is not what was asked.
    """
    if path.suffix == ".onnx":
        engine = EngineOptions(
            engine=options.engine or "openvino",
            precision=options.precision,
            batch_size=options.batch_size,
        )
        estimator = PoseEstimator.open(path, engine, skeleton_id=skeleton.id)
        return ExportedPredictor(estimator, skeleton, flip_test=options.flip_test)
    from model.training.evaluation.networks import open_checkpoint  # noqa: PLC0415 - brings torch

    return open_checkpoint(path, skeleton, options)
