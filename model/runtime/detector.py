"""The detector: pictures in, boxes of infants and heads out, on whatever engine was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.runtime.engines import EngineOptions, Session, open_session
from model.runtime.letterbox import Letterbox
from model.spec.arrays import Boxes, check_array
from model.spec.errors import ArrayError, EngineError, ManifestError
from model.spec.manifest import Manifest
from model.spec.onnx_file import ModelFile, read_model_file

CLASSES = ("infant", "head")
"""What a detector of this project tells apart."""


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found in one picture, best first.

    Attributes:
        boxes: M boxes in px of the displayed picture.
        scores: float32 (M,), 0..1.
        class_ids: int64 (M,), places in `classes`.
        classes: Names of the model's classes.

    Raises:
        ArrayError: Wrong shape or dtype, a score outside of 0..1, or a class that is not named.
    """

    boxes: Boxes
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    classes: tuple[str, ...] = CLASSES

    def __post_init__(self) -> None:
        sizes = {"M": len(self.boxes)}
        check_array("scores", self.scores, ("M",), np.float32, sizes)
        check_array("class_ids", self.class_ids, ("M",), np.int64, sizes)
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ArrayError("scores: expected 0..1, got others")
        if not ((self.class_ids >= 0) & (self.class_ids < len(self.classes))).all():
            raise ArrayError(f"class_ids: expected 0 to {len(self.classes) - 1}, got others")

    def __len__(self) -> int:
        return len(self.scores)

    def of(self, name: str, *, min_score: float = 0.0) -> Self:
        """The detections of one class with at least this score, best first.

        Raises:
            ArrayError: No class of that name.
        """
        if name not in self.classes:
            raise ArrayError(f"expected a class of {', '.join(self.classes)}, got {name!r}")
        kept = (self.class_ids == self.classes.index(name)) & (self.scores >= min_score)
        boxes = Boxes(self.boxes.xyxy[kept])
        return type(self)(boxes, self.scores[kept], self.class_ids[kept], self.classes)


class Detector:
    """An opened detector.

    Attributes:
        model_file: The file, its hash and its manifest.
        options: The engine, precision and batch that run it.
    """

    def __init__(self, model_file: ModelFile, session: Session, options: EngineOptions) -> None:
        manifest = model_file.manifest
        if manifest.task != "detector":
            raise ManifestError(f"{model_file.path}: expected a detector, got a {manifest.task}")
        if missing := [name for name in CLASSES if name not in manifest.classes]:
            raise ManifestError(
                f"{model_file.path}: expected the classes {', '.join(CLASSES)}, got "
                f"{', '.join(manifest.classes)} without {', '.join(missing)}"
            )
        expected = ("float", (3, *manifest.input_hw), manifest.outputs)
        got = (session.input_dtype, session.input_shape[1:], session.output_names)
        if got != expected or len(manifest.outputs) != 1:
            raise ManifestError(
                f"{model_file.path}: the manifest says input and one output {expected}, got {got}"
            )
        fixed = session.input_shape[0]
        if fixed is not None and (fixed, options.batch_size) != (1, 1):
            raise ManifestError(
                f"{model_file.path}: expected a free batch, or one of 1 opened with a batch of 1, "
                f"got one of {fixed} opened with {options.batch_size}"
            )
        self.model_file = model_file
        self.options = options
        self._session = session

    @classmethod
    def open(cls, path: Path, options: EngineOptions) -> Self:
        """Open a model file.

        Args:
            path: An ONNX file with a manifest: pictures float32 (N, 3, H, W), RGB in 0..1 and
                letterboxed, to float32 (N, M, 6): x1, y1, x2, y2 in px of the input, score, class.
            options: Engine, precision, batch.

        Raises:
            ModelFileError: Not there, not ONNX or cut short.
            ManifestError: No manifest, one that does not fit the file, or no infants and heads.
            EngineError: The engine or precision asked for is not what would run.
        """
        return cls(read_model_file(path), open_session(path, options), options)

    @property
    def manifest(self) -> Manifest:
        """What the model says of itself."""
        return self.model_file.manifest

    def detect(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Find infants and heads in any number of pictures, of any sizes.

        All that the model gives is handed out; which score is enough is for the caller to say.

        Args:
            pictures: uint8 (H, W, 3) RGB each, as displayed.

        Raises:
            ArrayError: Another shape or dtype.
            EngineError: The engine gave something that is not a number.
            ManifestError: The graph's output is not what the manifest says.
        """
        found: list[Detections] = []
        step = self.options.batch_size
        for start in range(0, len(pictures), step):
            found += self._detect_batch(pictures[start : start + step])
        return found

    def _detect_batch(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        height, width = self.manifest.input_hw
        frames = []
        for picture in pictures:
            check_array("picture", picture, ("H", "W", 3), np.uint8)
            frames.append(Letterbox.of((picture.shape[1], picture.shape[0]), (width, height)))
        framed = [frame.apply(picture) for frame, picture in zip(frames, pictures, strict=True)]
        rows = self.run(np.stack(framed))
        return [self.in_picture(of, frame) for of, frame in zip(rows, frames, strict=True)]

    def run(self, framed: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the graph gives for at most a batch of letterboxed pictures.

        Args:
            framed: uint8 (N, H, W, 3) RGB.

        Returns:
            float32 (N, M, 6): x1, y1, x2, y2 in px of the input (edges), score, class.
        """
        check_array("framed", framed, ("N", *self.manifest.input_hw, 3), np.uint8)
        planes = np.ascontiguousarray(framed.transpose(0, 3, 1, 2), np.float32) / np.float32(255)
        (name,) = self.manifest.outputs
        rows = self._session.run(planes)[name]
        try:
            check_array(name, rows, (len(framed), "M", 6), np.float32)
        except ArrayError as error:
            raise ManifestError(f"{self.model_file.path}: {error}") from error
        if not np.isfinite(rows).all():
            raise EngineError(f"{self.options.engine} gave numbers that are not finite: {name}")
        return rows

    def in_picture(self, rows: NDArray[np.float32], frame: Letterbox) -> Detections:
        """Carry what `run` gives for one picture to the picture.

        Args:
            rows: float32 (M, 6), one of those that `run` gives.
            frame: How the picture was put into the input.

        Raises:
            ManifestError: A class that the manifest does not name.
        """
        order = np.argsort(-rows[:, 4], kind="stable")
        rows = rows[order]
        whole = (rows[:, 2:4] > rows[:, :2]).all(axis=1)  # an untrained head gives others too
        rows = rows[whole]
        boxes = Boxes(frame.to_picture(rows[:, :4]))
        scores = np.ascontiguousarray(rows[:, 4]).clip(0, 1)
        class_ids = np.rint(rows[:, 5]).astype(np.int64)
        if not ((class_ids >= 0) & (class_ids < len(self.manifest.classes))).all():
            raise ManifestError(
                f"{self.model_file.path}: expected classes 0 to {len(self.manifest.classes) - 1}, "
                "got others"
            )
        return Detections(boxes, scores, class_ids, self.manifest.classes)
