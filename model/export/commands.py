"""`aggpose model export`."""

from pathlib import Path

import click
import torch

from model.export.onnx_export import PoseExport, export_pose_model
from model.network.aggpose import build_aggpose
from model.network.checkpoints import load_checkpoint
from model.network.sizes import SIZES
from model.runtime.engines import installed_engines
from model.spec.errors import ConfigurationError, MissingPackageError
from model.spec.manifest import Provenance, parse_provenance
from model.spec.skeleton import skeleton_for


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path), required=False)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The ONNX file to write."
)
@click.option("--name", help="Name of the model.  [default: size and skeleton]")
@click.option("--model-version", default="0.1.0", show_default=True, help="Version of the model.")
@click.option("--flip-test", is_flag=True, help="Average each crop with its mirror picture.")
@click.option("--heatmaps", is_flag=True, help="Give the heatmaps too, for looking inside.")
@click.option(
    "--random-weights",
    type=click.Choice(list(SIZES)),
    help="Export an untrained network of this size instead of a checkpoint, to time it.",
)
@click.option(
    "--fusion",
    type=click.Choice(["released", "paper"]),
    default="released",
    show_default=True,
    help="With --random-weights: how levels are merged.",
)
@click.option(
    "--keypoints",
    type=click.Choice(["21", "17"]),
    default="21",
    show_default=True,
    help="With --random-weights: 21 for infant21, 17 for coco17.",
)
@click.option(
    "--input",
    "input_hw",
    type=click.Choice(["256x192", "384x288"]),
    default="256x192",
    show_default=True,
    help="With --random-weights: height x width of the crops.",
)
@click.option("--seed", default=0, show_default=True, help="With --random-weights.")
def export(
    checkpoint: Path | None,
    out: Path,
    name: str | None,
    model_version: str,
    *,
    flip_test: bool,
    heatmaps: bool,
    random_weights: str | None,
    fusion: str,
    keypoints: str,
    input_hw: str,
    seed: int,
) -> None:
    """Write a network as one ONNX file: uint8 crops in, keypoints out.

    CHECKPOINT is one of ours, from training or from `aggpose model convert`. The file is written
    only if it agrees with the network on every engine that is installed.
    """
    if (checkpoint is None) == (random_weights is None):
        raise ConfigurationError("expected either CHECKPOINT or --random-weights SIZE")
    if checkpoint is not None:
        network, raw = load_checkpoint(checkpoint)
        provenance = parse_provenance(raw)
    else:
        height, width = (int(side) for side in input_hw.split("x"))
        torch.manual_seed(seed)
        network = build_aggpose(
            random_weights or "",
            num_keypoints=int(keypoints),
            fusion="paper" if fusion == "paper" else "released",
            input_size_hw=(height, width),
        )
        provenance = Provenance(
            trained=False, summary=f"random weights (seed {seed}): finds nothing, for timing only"
        )
    skeleton = skeleton_for(network.config.num_keypoints)
    request = PoseExport(
        network,
        skeleton,
        name or f"{network.config.size.name}-{skeleton.id}",
        model_version,
        provenance,
        flip_test=flip_test,
        heatmaps=heatmaps,
    )
    _write(request, out)


def _write(request: PoseExport, out: Path) -> None:
    engines = tuple(engine for engine in installed_engines() if engine in ("cpu", "openvino"))
    if not engines:
        raise MissingPackageError.of("onnxruntime", "cpu")
    manifest, reports = export_pose_model(request, out, engines=engines)
    for report in reports:
        click.echo(f"agrees: {report}")
    size_mb = out.stat().st_size / 1e6
    click.echo(f"{out}: {manifest.name} {manifest.version}, {size_mb:.1f} MB")
