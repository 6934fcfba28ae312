"""From a detector's checkpoint to one ONNX file that agrees with it, or to none.

Import this module after `offline.prepare_ultralytics`.
"""

import copy
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from model.export.sealing import UNSEALED, seal, tidy
from model.network.arithmetic import count_parameters
from model.runtime.detector import Detector
from model.runtime.engines import EngineName, EngineOptions
from model.runtime.letterbox import Letterbox
from model.spec.errors import CheckpointError, ConfigurationError, ParityError
from model.spec.files import written_aside
from model.spec.manifest import Manifest
from model.spec.onnx_file import read_model_file
from model.synthetic.sample import make_sample
from model.synthetic.seeds import PictureSeed
from model.synthetic.sheet import decode
from model.training.detector.checkpoint import DetectorCheckpoint, model_name
from model.training.detector.trainer import build_detector

OPSET = 18
MAX_DETECTIONS = 300

BOX_TOLERANCE_PX = 0.5
SCORE_TOLERANCE = 1e-3
MIN_SCORE = 0.1
"""Detections above this score must agree, and the ten best of each picture whatever their score."""

BEST_ROWS = 10

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class DetectorParity:
    """How far an engine was from PyTorch.

    Attributes:
        engine: What ran the graph.
        box_error_px: Largest difference of a box's side, in px of the input.
        score_error: Largest difference of a score.
        detections: How many were compared.
    """

    engine: EngineName
    box_error_px: float
    score_error: float
    detections: int

    def __str__(self) -> str:
        return (
            f"{self.engine:8} boxes {self.box_error_px:.1e} px, scores {self.score_error:.1e} "
            f"over {self.detections} detections"
        )

    @property
    def passed(self) -> bool:
        """Whether both are within their tolerances."""
        return self.box_error_px <= BOX_TOLERANCE_PX and self.score_error <= SCORE_TOLERANCE


@dataclass(frozen=True, eq=False)
class DetectorExport:
    """What to export, and what to say of it.

    Attributes:
        checkpoint: The trained detector.
        version: Of the model.
        name: Of the model; the checkpoint's network, classes and input size if None.
    """

    checkpoint: DetectorCheckpoint
    version: str
    name: str | None = None


def export_detector(
    export: DetectorExport,
    path: Path,
    *,
    engines: tuple[EngineName, ...],
    pictures: Sequence[NDArray[np.uint8]],
) -> tuple[Manifest, list[DetectorParity]]:
    """Write a detector, if it agrees with PyTorch on every engine given.

    Args:
        export: What to export.
        path: The ONNX file to write.
        engines: What must agree.
        pictures: uint8 (H, W, 3) RGB each, to compare on; infants in them make the gate sharp.

    Returns:
        The manifest written, and a report for each engine.

    Raises:
        CheckpointError: Its tensors are not those of its network.
        ParityError: An engine disagrees; no file is written.
        OutputError: The file cannot be written.
    """
    checkpoint = export.checkpoint
    network = restore(checkpoint)
    proto = _to_onnx(network, checkpoint.imgsz)
    manifest = seal(
        proto,
        Manifest(
            task="detector",
            name=model_name(checkpoint) if export.name is None else export.name,
            version=export.version,
            architecture=checkpoint.architecture,
            input_hw=(checkpoint.imgsz, checkpoint.imgsz),
            classes=checkpoint.classes,
            outputs=("detections",),
            opset=OPSET,
            parameters=count_parameters(network),
            provenance=checkpoint.provenance,
            licence=checkpoint.licence,
            weights_sha256=UNSEALED,
        ),
    )
    with written_aside(path) as aside:
        onnx.save(proto, aside)
        reports = check_detector(network, aside, pictures, engines=engines)
    return manifest, reports


def restore(checkpoint: DetectorCheckpoint) -> nn.Module:
    """The network of a checkpoint, in evaluation mode, giving detections without suppression.

    Raises:
        CheckpointError: Its tensors are not those of its network.
        ConfigurationError: Its network needs suppression.
    """
    network: Any = build_detector(checkpoint.architecture, checkpoint.classes)
    try:
        network.load_state_dict(checkpoint.state_dict)
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise CheckpointError(f"the tensors are not those of its network: {first}") from error
    network.end2end = True
    if not network.end2end:
        raise ConfigurationError(
            f"expected a network without suppression, got {checkpoint.architecture}"
        )
    head = network.model[-1]
    cells = sum((checkpoint.imgsz // int(stride)) ** 2 for stride in network.stride)
    head.max_det = min(MAX_DETECTIONS, cells)
    return network.eval().float()  # type: ignore[no-any-return]


def _to_onnx(network: nn.Module, imgsz: int) -> onnx.ModelProto:
    """Trace a copy with fused convolutions; the batch is free."""
    fused: Any = copy.deepcopy(network)
    fused = fused.fuse(verbose=False).requires_grad_(requires_grad=False)
    head = fused.model[-1]
    head.export, head.format, head.shape = True, "onnx", None
    pictures = torch.zeros(2, 3, imgsz, imgsz)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every size that it fixes
        traced = Path(folder) / "traced.onnx"
        torch.onnx.export(
            fused,
            (pictures,),
            traced,
            dynamo=False,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["detections"],
            dynamic_axes={"images": {0: "batch"}, "detections": {0: "batch"}},
        )
        proto = onnx.load(traced)
    tidy(proto)
    return proto


def check_detector(
    network: nn.Module,
    path: Path,
    pictures: Sequence[NDArray[np.uint8]],
    *,
    engines: tuple[EngineName, ...],
) -> list[DetectorParity]:
    """Compare an exported detector with its network, one picture at a time and all at once.

    Raises:
        ParityError: An engine is further off than the tolerances allow.
    """
    height, width = read_model_file(path).manifest.input_hw
    frames = [Letterbox.of(picture.shape[1::-1], (width, height)) for picture in pictures]
    framed = np.stack([frame.apply(one) for frame, one in zip(frames, pictures, strict=True)])
    expected = reference(network, framed)
    reports = []
    for engine in engines:
        box_error = score_error = 0.0
        count = 0
        for batch in sorted({1, len(framed)}):
            detector = Detector.open(path, EngineOptions(engine=engine, batch_size=batch))
            for want, got in zip(expected[:batch], detector.run(framed[:batch]), strict=True):
                boxes, scores, rows = difference(want, got)
                box_error, score_error = max(box_error, boxes), max(score_error, scores)
                count += rows
        report = DetectorParity(engine, box_error, score_error, count)
        if not report.passed:
            raise ParityError(
                f"the exported detector disagrees with its network: {report}; expected at most "
                f"{BOX_TOLERANCE_PX:g} px and {SCORE_TOLERANCE:g}"
            )
        reports.append(report)
    return reports


def draw_pictures(count: int, *, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Synthetic pictures of as many infants, uint8 (H, W, 3) RGB each."""
    return [decode(make_sample(PictureSeed("sheet", seed, 4 * i))) for i in range(count)]


def reference(network: nn.Module, framed: NDArray[np.uint8]) -> Rows:
    """What PyTorch says, from the network as it is written, in float32: (N, M, 6)."""
    planes = torch.from_numpy(np.ascontiguousarray(framed.transpose(0, 3, 1, 2))).float() / 255
    with torch.no_grad():
        rows, _ = network(planes)
    return np.asarray(rows.numpy(), np.float32)


def difference(expected: Rows, got: Rows) -> tuple[float, float, int]:
    """How far the detections (M, 6) of one picture are from the expected ones, and how many matter.

    Each that matters is compared with the nearest of its class on the other side, both ways, since
    the order of equal scores is chance.

    Returns:
        Largest difference of a side in px, largest of a score, and the number compared.
    """
    box_error = score_error = 0.0
    count = 0
    for one_side, other in ((expected, got), (got, expected)):
        scores = one_side[:, 4]
        limit = min(MIN_SCORE, float(np.sort(scores)[-BEST_ROWS:][0]))
        for row in one_side[scores >= limit]:
            same = other[np.rint(other[:, 5]) == np.rint(row[5])]
            if not len(same):
                return float("inf"), float("inf"), count
            boxes = np.abs(same[:, :4] - row[:4]).max(axis=1)
            values = np.abs(same[:, 4] - row[4])
            nearest = np.argmin(np.maximum(boxes / BOX_TOLERANCE_PX, values / SCORE_TOLERANCE))
            box_error = max(box_error, float(boxes[nearest]))
            score_error = max(score_error, float(values[nearest]))
            count += one_side is expected
    return box_error, score_error, count
