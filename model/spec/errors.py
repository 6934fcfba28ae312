"""Every error of the model package, in one glance.

Each class carries a stable `code` that never changes once released; the message says what was
expected and what was got. None of them knows HTTP or Celery: the edge maps codes to answers.
"""

from typing import ClassVar, Self


class ModelError(Exception):
    """Anything that went wrong in `model`, with a stable code for machines."""

    code: ClassVar[str] = "model.error"


class ArrayError(ModelError):
    """An array has the wrong shape, dtype or range."""

    code = "model.array"


class SkeletonError(ModelError):
    """A skeleton is unknown, malformed, or not the one that was needed."""

    code = "model.skeleton"


class GeometryError(ModelError):
    """A box or a crop that cannot be: empty, inside out, or not finite."""

    code = "model.geometry"


class ConfigurationError(ModelError):
    """A network size, input size or option that does not exist or does not fit."""

    code = "model.configuration"


class CheckpointError(ModelError):
    """A checkpoint cannot be read, or its tensors are not those of the network."""

    code = "model.checkpoint"


class UnsafeCheckpointError(CheckpointError):
    """A checkpoint holds more than tensors: loading it could run its code."""

    code = "model.checkpoint_unsafe"


class ManifestError(ModelError):
    """A model file's manifest is missing, malformed, or does not fit the file."""

    code = "model.manifest"


class ModelFileError(ModelError):
    """A model file is not there, not ONNX, or cut short."""

    code = "model.file"


class OutputError(ModelError):
    """What was made cannot be written: no room, no permission, or something else lies there."""

    code = "model.output"


class ParityError(ModelError):
    """An exported graph disagrees with the network it was made from."""

    code = "model.parity"


class EngineError(ModelError):
    """The engine or device that was asked for is not what would run."""

    code = "model.engine"


class SequenceError(ModelError):
    """A stored sequence is malformed, or rows are not those that its header announces."""

    code = "model.sequence"


class MissingPackageError(ModelError):
    """An optional package is needed for this, with the way to get it."""

    code = "model.missing_package"

    @classmethod
    def of(cls, package: str, extra: str) -> Self:
        """The error for a package that one of the distribution's extras brings."""
        return cls(
            f"this needs {package}, which is not installed: in the project's folder, "
            f"pip install -c constraints.txt '.[{extra}]'"
        )


class SyntheticError(ModelError):
    """A synthetic infant cannot be made: a bad seed, split, size, or damaged package data."""

    code = "model.synthetic"


class DatasetError(ModelError):
    """A folder of labelled pictures is missing, damaged, or made with other settings."""

    code = "model.dataset"


class RecipeError(ModelError):
    """A training recipe is missing, malformed, or asks for what cannot be."""

    code = "model.recipe"


class TrainingError(ModelError):
    """A training cannot start or go on: other settings than the run's, or numbers that blew up."""

    code = "model.training"
