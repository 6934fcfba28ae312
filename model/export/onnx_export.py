"""From a network to one ONNX file: the graph, its manifest, and the gate that lets it out."""

import copy
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch

from model.export.fused import fuse
from model.export.parity import Forms, ParityReport, check_parity, perturbed
from model.export.pose_graph import PoseGraph
from model.export.sealing import UNSEALED, seal, tidy
from model.network.aggpose import AggPose
from model.network.arithmetic import count_parameters
from model.runtime.engines import EngineName
from model.spec.codec import HeatmapCodec
from model.spec.errors import ManifestError, SkeletonError
from model.spec.files import written_aside
from model.spec.manifest import CodecFacts, Manifest, Provenance
from model.spec.skeleton import Skeleton

OPSET = 20
"""The first operator set with GELU as one operation."""

LICENCE = "AGPL-3.0-or-later"


@dataclass(frozen=True)
class PoseExport:
    """What to export, and what to say of it.

    Attributes:
        network: The trained network; its input size is the exported one.
        skeleton: Of as many keypoints as the network has.
        name: Of the model, as in `aggpose-t-infant21`.
        version: Of the model.
        provenance: Where the weights come from.
        licence: SPDX expression for the weights.
        flip_test: Average the crop and its mirror picture inside the graph, at twice the cost.
        heatmaps: Give the heatmaps as a second output, for looking inside.
        sigma_px: Of the heatmaps that it was trained on; None for the codec's own.

    Raises:
        SkeletonError: The skeleton has another number of keypoints.
        ManifestError: A name or version that no manifest could carry.
    """

    network: AggPose
    skeleton: Skeleton
    name: str
    version: str
    provenance: Provenance
    licence: str = LICENCE
    flip_test: bool = False
    heatmaps: bool = False
    sigma_px: float | None = None

    def __post_init__(self) -> None:
        expected, got = self.network.config.num_keypoints, self.skeleton.num_keypoints
        if expected != got:
            raise SkeletonError(
                f"expected a skeleton of {expected} keypoints, got {self.skeleton.id} with {got}"
            )
        for label, text in (("name", self.name), ("version", self.version)):
            if not text or not text.isprintable():
                raise ManifestError(f"expected a {label} of printable characters, got {text!r}")

    @property
    def codec(self) -> HeatmapCodec:
        """The codec that goes into the graph."""
        height, width = self.network.config.input_size_hw
        return HeatmapCodec.for_input((width, height), sigma_px=self.sigma_px)


def export_pose_model(
    export: PoseExport, path: Path, *, engines: tuple[EngineName, ...]
) -> tuple[Manifest, list[ParityReport]]:
    """Write a pose model, if it agrees with its network on every engine given.

    The same graph with perturbed weights goes through the gate first: fresh weights give heatmaps
    so near to zero that anything agrees with them.

    Returns:
        The manifest written, and a report for each engine and set of weights.

    Raises:
        ParityError: An engine disagrees; no file is written.
        OutputError: The file cannot be written.
    """
    reports: list[ParityReport] = []
    with written_aside(path) as aside, tempfile.TemporaryDirectory() as folder:
        debug = Path(folder) / "heatmaps.onnx"
        shaken = perturbed(export.network, export.codec)
        for label, network in (("perturbed", shaken), ("exported", export.network)):
            proto = _to_onnx(export, network)
            manifest = _seal(proto, export, outputs=("keypoints", "heatmaps"))
            onnx.save(proto, debug)
            if not export.heatmaps:
                del proto.graph.output[1:]
                manifest = _seal(proto, export, outputs=("keypoints",))
            onnx.save(proto, aside)
            reports += check_parity(
                network,
                export.skeleton,
                Forms(with_heatmaps=debug, shipped=aside),
                label=label,
                engines=engines,
            )
    return manifest, reports


def _to_onnx(export: PoseExport, network: AggPose) -> onnx.ModelProto:
    """Export, and drop what tells of the machine that did it."""
    graph = PoseGraph(
        fuse(copy.deepcopy(network).float().cpu().eval()),
        export.skeleton,
        export.codec,
        flip_test=export.flip_test,
    )
    crops = torch.zeros(2, *network.config.input_size_hw, 3, dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        traced = Path(folder) / "traced.onnx"
        # tracing is the older way: 2 s against 28 s for aggpose-t, and the same nodes
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.eval(),
            (crops,),
            traced,
            dynamo=False,
            opset_version=OPSET,
            input_names=["crops"],
            output_names=["keypoints", "heatmaps"],
            dynamic_axes={name: {0: "batch"} for name in ("crops", "keypoints", "heatmaps")},
        )
        proto = onnx.load(traced)
    tidy(proto)
    return proto


def _seal(proto: onnx.ModelProto, export: PoseExport, *, outputs: tuple[str, ...]) -> Manifest:
    """Put the manifest into the model, in place of one that is there."""
    codec, config = export.codec, export.network.config
    manifest = Manifest(
        task="pose",
        name=export.name,
        version=export.version,
        architecture=f"{config.size.name}, {config.fusion} fusion",
        input_hw=config.input_size_hw,
        skeleton=export.skeleton,
        codec=CodecFacts(sigma_px=codec.sigma_px, blur_kernel=codec.blur_kernel),
        flip_test=export.flip_test,
        outputs=outputs,
        opset=OPSET,
        parameters=count_parameters(export.network),
        provenance=export.provenance,
        licence=export.licence,
        weights_sha256=UNSEALED,
    )
    return seal(proto, manifest)
