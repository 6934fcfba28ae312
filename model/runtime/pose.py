"""The pose estimator: crops in, keypoints out, on whatever engine was asked for."""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.runtime.engines import EngineOptions, Session, open_session
from model.spec.arrays import CropBatch, Keypoints, check_array
from model.spec.errors import ConfigurationError, EngineError, ManifestError, SkeletonError
from model.spec.manifest import Manifest
from model.spec.onnx_file import ModelFile, read_model_file


class PoseEstimator:
    """An opened pose model.

    Attributes:
        model_file: The file, its hash and its manifest.
        options: The engine, precision and batch that run it.
    """

    def __init__(self, model_file: ModelFile, session: Session, options: EngineOptions) -> None:
        manifest = model_file.manifest
        if manifest.task != "pose":
            raise ManifestError(f"{model_file.path}: expected a pose model, got a {manifest.task}")
        expected = (None, *manifest.input_hw, 3)
        if session.input_shape != expected or session.output_names != manifest.outputs:
            raise ManifestError(
                f"{model_file.path}: the manifest says input {expected} and outputs "
                f"{manifest.outputs}, got {session.input_shape} and {session.output_names}"
            )
        self.model_file = model_file
        self.options = options
        self._session = session

    @classmethod
    def open(cls, path: Path, options: EngineOptions, *, skeleton_id: str | None = None) -> Self:
        """Open a model file.

        Args:
            path: An ONNX file with a manifest.
            options: Engine, precision, batch.
            skeleton_id: Refuse models of another skeleton.

        Raises:
            ModelFileError: Not there, not ONNX or cut short.
            ManifestError: No manifest, or one that does not fit the file.
            SkeletonError: The model's skeleton is not the one that is needed.
            EngineError: The engine or precision asked for is not what would run.
        """
        model_file = read_model_file(path)
        skeleton = model_file.manifest.skeleton
        if skeleton_id is not None and (skeleton is None or skeleton.id != skeleton_id):
            got = "no skeleton" if skeleton is None else skeleton.id
            raise SkeletonError(f"{path}: expected the skeleton {skeleton_id}, got {got}")
        return cls(model_file, open_session(path, options), options)

    @property
    def manifest(self) -> Manifest:
        """What the model says of itself."""
        return self.model_file.manifest

    def estimate(self, crops: CropBatch) -> Keypoints:
        """Find the keypoints of any number of crops, in crop px.

        Raises:
            ArrayError: Crops of another size than the model's.
            EngineError: The engine gave something that is not a number.
        """
        found = self.run(crops)["keypoints"]
        return Keypoints(found[..., :2].copy(), found[..., 2].copy())

    def heatmaps(self, crops: CropBatch) -> NDArray[np.float32]:
        """Heatmaps float32 (N, K, h, w), of a model exported with them.

        Raises:
            ConfigurationError: The model gives none.
        """
        if "heatmaps" not in self.manifest.outputs:
            raise ConfigurationError(
                f"{self.model_file.path}: expected a model with heatmaps, got one with "
                f"{', '.join(self.manifest.outputs)}; export it with --heatmaps"
            )
        return self.run(crops)["heatmaps"]

    def run(self, crops: CropBatch) -> dict[str, NDArray[np.float32]]:
        """All outputs of any number of crops, by name: keypoints (N, K, 3) of x, y, score.

        Raises:
            ArrayError: Crops of another size than the model's.
            EngineError: The engine gave something that is not a number.
        """
        check_array("crops", crops.rgb, ("N", *self.manifest.input_hw, 3), np.uint8)
        step = self.options.batch_size
        # an empty batch still has the output's shape: run one crop and keep none of it
        rgb = crops.rgb if len(crops) else np.zeros((1, *crops.rgb.shape[1:]), np.uint8)
        parts = [self._session.run(rgb[i : i + step]) for i in range(0, len(rgb), step)]
        outputs = {
            name: np.concatenate([part[name] for part in parts])[: len(crops)]
            for name in self.manifest.outputs
        }
        for name, values in outputs.items():
            if not np.isfinite(values).all():
                raise EngineError(f"{self.options.engine} gave numbers that are not finite: {name}")
        return outputs
