"""The gate: an exported graph must say what its network says, on every engine that will run it.

Heatmaps must agree everywhere. Keypoints must agree wherever the peak is well conditioned: where a
change of the heatmap within its tolerance can neither move the highest cell nor tip the quadratic
whose top is the keypoint. The share of such points is part of the report, since heatmaps of random
weights have few, and the gate plants some.
"""

import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from model.export.pose_graph import PoseGraph
from model.network.aggpose import AggPose
from model.network.pixels import normalise
from model.runtime.engines import COMPILED_FOR_A_BATCH, EngineName, EngineOptions
from model.runtime.pose import PoseEstimator
from model.spec.arrays import CropBatch
from model.spec.codec import HeatmapCodec
from model.spec.errors import ParityError
from model.spec.geometry import Size
from model.spec.onnx_file import read_model_file
from model.spec.skeleton import Skeleton

HEATMAP_TOLERANCE = 1e-4
SCORE_TOLERANCE = 1e-4
KEYPOINT_TOLERANCE_PX = 0.01

MIN_MARGIN = 1e-3
"""By how much a well-conditioned highest cell stands above the next cell."""

MIN_STENCIL = 0.02
"""What every cell of the smoothed heatmap around a well-conditioned peak reaches at least."""

MIN_CURVATURE = 0.01
"""How steeply the logarithm falls off a well-conditioned peak: its Hessian's smaller eigenvalue.

The target Gaussian, smoothed, has 1 / 8.
"""

MIN_SHARE = 0.2
"""The share of planted peaks that must be well conditioned for the gate to mean anything."""

BATCH_SIZES = (1, 2, 3, 8)

Points = NDArray[np.float64]


@dataclass(frozen=True)
class ParityReport:
    """How far an engine was from PyTorch; maxima over all batch sizes.

    Attributes:
        engine: What ran the graph.
        weights: `perturbed` or `exported`.
        heatmap_error: Largest difference of a heatmap cell.
        score_error: Largest difference of a score.
        keypoint_error_px: Largest difference of a well-conditioned keypoint, in crop px.
        well_conditioned: How many keypoints were.
        keypoints: Out of how many.
    """

    engine: EngineName
    weights: str
    heatmap_error: float
    score_error: float
    keypoint_error_px: float
    well_conditioned: int
    keypoints: int

    def __str__(self) -> str:
        return (
            f"{self.engine:8} {self.weights:9} heatmaps {self.heatmap_error:.1e}, "
            f"scores {self.score_error:.1e}, keypoints {self.keypoint_error_px:.1e} px "
            f"over the {self.well_conditioned} of {self.keypoints} that are well conditioned"
        )

    @property
    def passed(self) -> bool:
        """Whether every difference is within its tolerance."""
        return (
            self.heatmap_error <= HEATMAP_TOLERANCE
            and self.score_error <= SCORE_TOLERANCE
            and self.keypoint_error_px <= KEYPOINT_TOLERANCE_PX
        )


class Forms(NamedTuple):
    """Two files of one model: one that gives heatmaps, and the one that is shipped.

    An engine may compile a graph in another way once its heatmaps are no output.
    """

    with_heatmaps: Path
    shipped: Path


def check_parity(
    network: AggPose,
    skeleton: Skeleton,
    forms: Forms,
    *,
    label: str,
    engines: tuple[EngineName, ...],
) -> list[ParityReport]:
    """Compare an exported model with its network; the first label is that of shaken weights.

    Engines may compile each batch size in another way. So the shaken weights go through every
    size, and the exported weights, in the same graph, through the largest. An engine that takes
    batches of any size is opened once for all of them.

    Raises:
        ParityError: An engine is further off than the tolerances allow, or too few planted peaks
            are well conditioned to tell.
    """
    height, width = network.config.input_size_hw
    manifest = read_model_file(forms.with_heatmaps).manifest
    largest = max(BATCH_SIZES)
    crops, _ = gate_crops(largest, (width, height))
    expected = reference(
        network, skeleton, manifest.heatmap_codec, crops, flip_test=manifest.flip_test
    )
    planted = label == "perturbed"
    reports = []
    for engine in engines:
        runs = [(forms.with_heatmaps, size) for size in (BATCH_SIZES if planted else (largest,))]
        runs += [(forms.shipped, size) for size in ((1, largest) if planted else (largest,))]
        opened = _open(runs, engine, skeleton)
        report = compare(opened, crops, *expected, label=label)
        if planted and report.well_conditioned < MIN_SHARE * report.keypoints:
            raise ParityError(
                f"the gate cannot tell: expected {MIN_SHARE:.0%} well-conditioned peaks, "
                f"got {report}"
            )
        if not report.passed:
            raise ParityError(
                f"the exported graph disagrees with its network: {report}; expected at most "
                f"{HEATMAP_TOLERANCE:g}, {SCORE_TOLERANCE:g} and {KEYPOINT_TOLERANCE_PX:g} px"
            )
        reports.append(report)
    return reports


def reference(
    network: AggPose,
    skeleton: Skeleton,
    codec: HeatmapCodec,
    crops: CropBatch,
    *,
    flip_test: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What PyTorch says, from the network as it is written, in float32.

    Returns:
        Keypoints (N, K, 3) and heatmaps (N, K, h, w).
    """
    written = copy.deepcopy(network).float().cpu().eval()
    graph = PoseGraph(written, skeleton, codec, flip_test=flip_test)
    with torch.no_grad():
        keypoints, heatmaps = graph(torch.from_numpy(crops.rgb))
    return keypoints.numpy(), heatmaps.numpy()


def _open(
    runs: list[tuple[Path, int]], engine: EngineName, skeleton: Skeleton
) -> list[tuple[PoseEstimator, int]]:
    """Open files for batches; each once where the engine takes batches of any size."""

    @cache
    def opened(path: Path, batch_size: int) -> PoseEstimator:
        options = EngineOptions(engine=engine, batch_size=batch_size)
        return PoseEstimator.open(path, options, skeleton_id=skeleton.id)

    fixed = engine in COMPILED_FOR_A_BATCH
    return [(opened(path, size if fixed else max(BATCH_SIZES)), size) for path, size in runs]


def compare(
    opened: list[tuple[PoseEstimator, int]],
    crops: CropBatch,
    keypoints: NDArray[np.float32],
    heatmaps: NDArray[np.float32],
    *,
    label: str,
) -> ParityReport:
    """How far opened models are from given results, each over one batch of the size beside it."""
    first, _ = opened[0]
    solid = well_conditioned(heatmaps, first.manifest.heatmap_codec)
    heatmap_error = score_error = keypoint_error = 0.0
    for estimator, size in opened:
        got = estimator.run(CropBatch(crops.rgb[:size]))
        offset = np.abs(got["keypoints"] - keypoints[:size])
        in_place = offset[..., :2].max(-1)[solid[:size]]
        score_error = max(score_error, float(offset[..., 2].max()))
        keypoint_error = max(keypoint_error, float(in_place.max(initial=0.0)))
        if "heatmaps" in got:
            cells = np.abs(got["heatmaps"] - heatmaps[:size])
            heatmap_error = max(heatmap_error, float(cells.max()))
    return ParityReport(
        first.options.engine,
        label,
        heatmap_error,
        score_error,
        keypoint_error,
        int(solid.sum()),
        solid.size,
    )


def well_conditioned(heatmaps: NDArray[np.float32], codec: HeatmapCodec) -> NDArray[np.bool_]:
    """Which peaks (N, K) are sharp, single and high enough to be compared."""
    flat = np.sort(heatmaps.reshape(*heatmaps.shape[:2], -1), axis=-1)
    margin = flat[..., -1] - flat[..., -2]
    lowest, curvature = codec.peak_shape(heatmaps)
    return np.asarray((margin > MIN_MARGIN) & (lowest > MIN_STENCIL) & (curvature > MIN_CURVATURE))


def gate_crops(count: int, input_wh: Size, *, seed: int = 0) -> tuple[CropBatch, Points]:
    """Crops for the gate: smooth coloured ground, noise, and one bright blob each.

    Returns:
        The crops, and the blobs' centres float64 (N, 2) in crop px.
    """
    generator = np.random.default_rng(seed)
    width, height = input_wh
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    centers_xy = generator.uniform(0.2, 0.8, (count, 2)) * input_wh
    crops = []
    for at_x, at_y in centers_xy:
        ground = generator.uniform(0, 120, (4, 3, 3)).astype(np.float32)
        picture = cv2.resize(ground, input_wh, interpolation=cv2.INTER_CUBIC).astype(np.float64)
        blob = np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * 8.0**2))
        picture += blob[..., None] * 160 + generator.normal(0, 4, picture.shape)
        crops.append(picture.clip(0, 255).astype(np.uint8))
    return CropBatch(np.stack(crops)), centers_xy


def perturbed(network: AggPose, codec: HeatmapCodec, *, seed: int = 0) -> AggPose:
    """A copy with every weight shaken, and peaks planted where the gate's crops have blobs.

    Fresh weights give heatmaps near to zero, and shaken ones peak at the border. So the last
    linear layer is fitted, by least squares over its inputs, to Gaussians around the blobs, each
    keypoint's at a place of its own, and scaled to peaks of 1.
    """
    shaken = copy.deepcopy(network).float().cpu().eval()
    generator = torch.Generator().manual_seed(seed)
    crops, centers_xy = gate_crops(max(BATCH_SIZES), codec.input_wh)
    offsets_xy = np.random.default_rng(seed).uniform(-10, 10, (network.config.num_keypoints, 2))
    targets = torch.from_numpy(codec.encode(centers_xy[:, None] + offsets_xy))
    inputs: list[Tensor] = []
    last = shaken.head.predict.fc2
    hook = last.register_forward_hook(lambda _module, args, _output: inputs.append(args[0]))
    with torch.no_grad():
        for parameter in shaken.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)
        for crop in torch.split(torch.from_numpy(crops.rgb), 1):
            shaken(normalise(crop))
        hook.remove()
        features = F.pad(torch.cat(inputs).flatten(0, 1), (0, 1), value=1.0).double()
        wanted = targets.flatten(2).transpose(1, 2).flatten(0, 1).double()
        gram = features.T @ features
        gram += 1e-6 * gram.diagonal().mean() * torch.eye(len(gram))
        fitted = torch.linalg.solve(gram, features.T @ wanted)
        fitted /= (features @ fitted).unflatten(0, (len(crops), -1)).amax(1).mean(0)
        last.weight.copy_(fitted[:-1].T)
        last.bias.copy_(fitted[-1])
    return shaken
