"""Checkpoints of detectors: tensors and plain values only, so that reading one runs no code.

Ultralytics' own checkpoints are pickles of its classes; they stay inside the run that made them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from model.network.checkpoints import read_torch_file, write_torch_file
from model.spec.errors import CheckpointError, ModelError
from model.spec.manifest import Provenance, parse_provenance

FORMAT = "aggpose-detector"
FORMAT_VERSION = 1

LICENCE = "AGPL-3.0-or-later"
"""Of the weights: Ultralytics' terms, and ours."""


@dataclass(frozen=True, eq=False)
class DetectorCheckpoint:
    """A trained detector, with everything needed to build it again.

    Attributes:
        architecture: Ultralytics' name of the network, as in `yolo26n`.
        classes: Names in the order of the network's outputs.
        imgsz: Side of the square input that it was trained on, px.
        provenance: Where the weights come from.
        state_dict: Tensors by Ultralytics' names, float32; files have them in float16.
        licence: SPDX expression for the weights.
    """

    architecture: str
    classes: tuple[str, ...]
    imgsz: int
    provenance: Provenance
    state_dict: Mapping[str, Tensor]
    licence: str = LICENCE


def model_name(checkpoint: DetectorCheckpoint) -> str:
    """Name of a detector, as in `yolo26n-infant-head-320`."""
    return "-".join((checkpoint.architecture, *checkpoint.classes, str(checkpoint.imgsz)))


def save_detector(checkpoint: DetectorCheckpoint, path: Path) -> None:
    """Write a checkpoint, in half precision: Ultralytics has rounded its weights to that already.

    Raises:
        OutputError: It cannot be written.
    """
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "architecture": checkpoint.architecture,
        "classes": list(checkpoint.classes),
        "imgsz": checkpoint.imgsz,
        "provenance": checkpoint.provenance.model_dump(),
        "licence": checkpoint.licence,
        "state_dict": {
            name: tensor.half() if tensor.is_floating_point() else tensor
            for name, tensor in checkpoint.state_dict.items()
        },
    }
    write_torch_file(content, path)


def load_detector(path: Path) -> DetectorCheckpoint:
    """Read a detector's checkpoint.

    Raises:
        CheckpointError: Not there, damaged, or no detector of ours.
    """
    content = read_torch_file(path)
    if content.get("format") != FORMAT or content.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: expected {FORMAT} {FORMAT_VERSION}, got {content.get('format')} "
            f"{content.get('format_version')}; `aggpose train detector` writes detector.pt"
        )
    try:
        state_dict = dict(content["state_dict"])
        if not all(isinstance(value, Tensor) for value in state_dict.values()):
            raise CheckpointError("expected tensors only in its state_dict")
        state_dict = {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in state_dict.items()
        }
        return DetectorCheckpoint(
            str(content["architecture"]),
            tuple(str(name) for name in content["classes"]),
            int(content["imgsz"]),
            parse_provenance(content["provenance"]),
            state_dict,
            str(content["licence"]),
        )
    except (KeyError, TypeError, ValueError, ModelError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from error
