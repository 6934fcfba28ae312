"""The pose estimator: crops in, keypoints out, on whatever engine was asked for."""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.runtime.engines import EngineOptions, Session, open_session
from model.spec.arrays import CropBatch, Keypoints, Shape, check_array
from model.spec.errors import (
    ArrayError,
    ConfigurationError,
    EngineError,
    ManifestError,
    SkeletonError,
)
from model.spec.manifest import Manifest
from model.spec.onnx_file import ModelFile, read_model_file
from model.spec.skeleton import Skeleton, load_skeleton


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
        expected = ("uint8", (None, *manifest.input_hw, 3), manifest.outputs)
        got = (session.input_dtype, session.input_shape, session.output_names)
        if got != expected:
            raise ManifestError(
                f"{model_file.path}: the manifest says input and outputs {expected}, got {got}"
            )
        width, height = manifest.heatmap_codec.heatmap_wh
        num_keypoints = 0 if manifest.skeleton is None else manifest.skeleton.num_keypoints
        self._shapes: dict[str, Shape] = {
            "keypoints": ("N", num_keypoints, 3),
            "heatmaps": ("N", num_keypoints, height, width),
        }
        self.model_file = model_file
        self.options = options
        self._session = session

    @classmethod
    def open(cls, path: Path, options: EngineOptions, *, skeleton_id: str | None = None) -> Self:
        """Open a model file.

        Args:
            path: An ONNX file with a manifest.
            options: Engine, precision, batch.
            skeleton_id: Refuse models of another skeleton, or of the same name with other points.

        Raises:
            ModelFileError: Not there, not ONNX or cut short.
            ManifestError: No manifest, or one that does not fit the file.
            SkeletonError: The model's skeleton is not the one that is needed.
            EngineError: The engine or precision asked for is not what would run.
        """
        model_file = read_model_file(path)
        if skeleton_id is not None:
            _check_skeleton(model_file, load_skeleton(skeleton_id))
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
            try:
                check_array(name, values, self._shapes[name], np.float32)
            except ArrayError as error:
                raise ManifestError(f"{self.model_file.path}: the manifest says {error}") from error
            if not np.isfinite(values).all():
                raise EngineError(f"{self.options.engine} gave numbers that are not finite: {name}")
        return outputs


def _check_skeleton(model_file: ModelFile, needed: Skeleton) -> None:
    skeleton = model_file.manifest.skeleton
    if skeleton is None or skeleton.id != needed.id:
        got = "none" if skeleton is None else skeleton.id
        raise SkeletonError(f"{model_file.path}: expected the skeleton {needed.id}, got {got}")
    if (skeleton.keypoints, skeleton.flip_pairs) != (needed.keypoints, needed.flip_pairs):
        raise SkeletonError(
            f"{model_file.path}: expected the keypoints of {needed.id} in their order, got "
            f"{', '.join(skeleton.keypoints)}"
        )
