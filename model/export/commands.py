"""`aggpose model export`."""

import json
from pathlib import Path

import click
import torch

from model.export.onnx_export import LICENCE, PoseExport, export_pose_model
from model.network.aggpose import build_aggpose
from model.network.checkpoints import load_checkpoint, read_torch_file
from model.network.sizes import INPUT_SIZES, SIZES, Fusion
from model.runtime.engines import installed_engines
from model.spec.errors import ConfigurationError, MissingPackageError
from model.spec.manifest import Provenance
from model.spec.skeleton import skeleton_for
from model.training.detector.checkpoint import FORMAT as DETECTOR_FORMAT
from model.weights import ModelPath

RANDOM = "random weights: finds nothing, for timing only"


@click.command()
@click.argument("checkpoint", type=ModelPath(), required=False)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The ONNX file to write."
)
@click.option("--name", help="Name of the model.  [default: size and skeleton]")
@click.option("--model-version", default="0.1.0", show_default=True, help="Version of the model.")
@click.option(
    "--evaluation",
    type=click.Path(path_type=Path),
    help="evaluation.json of `aggpose evaluate --out`: its AP and PCK go into the manifest.",
)
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
    help="With --random-weights: how levels are merged.  [default: released]",
)
@click.option(
    "--keypoints",
    type=click.Choice(["21", "17"]),
    help="With --random-weights: 21 for infant21, 17 for coco17.  [default: 21]",
)
@click.option(
    "--input",
    "input_hw",
    type=click.Choice(list(INPUT_SIZES)),
    help="With --random-weights: height x width of the crops.  [default: 256x192]",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    help="With --random-weights: of the random numbers.  [default: 0]",
)
def export(
    checkpoint: Path | None,
    out: Path,
    name: str | None,
    model_version: str,
    evaluation: Path | None,
    *,
    flip_test: bool,
    heatmaps: bool,
    random_weights: str | None,
    fusion: Fusion | None,
    keypoints: str | None,
    input_hw: str | None,
    seed: int | None,
) -> None:
    """Write a network as one ONNX file: uint8 crops in, keypoints out.

    CHECKPOINT is one of ours, from training or from `aggpose model convert`. The file is written
    only if it agrees with the network on every engine that is installed. A detector's checkpoint
    gives a detector.
    """
    chosen = [fusion, keypoints, input_hw, seed]
    if checkpoint is not None and (
        random_weights is not None or any(option is not None for option in chosen)
    ):
        raise ConfigurationError(
            "expected CHECKPOINT alone, got options that go with --random-weights only: "
            "a checkpoint says itself what it is"
        )
    if checkpoint is not None and read_torch_file(checkpoint).get("format") == DETECTOR_FORMAT:
        if evaluation or flip_test or heatmaps:
            raise ConfigurationError(
                "expected a detector's CHECKPOINT with --name and --model-version at most, got "
                "options of pose models"
            )
        from model.training.detector.commands import export_checkpoint  # noqa: PLC0415 - more packages

        export_checkpoint(checkpoint, out, name=name, version=model_version)
        return
    if checkpoint is not None:
        network, provenance, licence = load_checkpoint(checkpoint)
    elif random_weights is not None:
        torch.manual_seed(seed or 0)
        network = build_aggpose(
            random_weights,
            num_keypoints=int(keypoints or 21),
            fusion=fusion or "released",
            input_size_hw=INPUT_SIZES[input_hw or "256x192"],
        )
        provenance, licence = Provenance(trained=False, summary=RANDOM), LICENCE
    else:
        raise ConfigurationError("expected either CHECKPOINT or --random-weights SIZE")
    if evaluation is not None:
        provenance = with_evaluation(provenance, evaluation)
    skeleton = skeleton_for(network.config.num_keypoints)
    request = PoseExport(
        network,
        skeleton,
        f"{network.config.size.name}-{skeleton.id}" if name is None else name,
        model_version,
        provenance,
        licence,
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


def with_evaluation(provenance: Provenance, file: Path) -> Provenance:
    """The provenance with what an evaluation found, as `test_ap`, `test_pck20`, in percent.

    Raises:
        ConfigurationError: The file is no evaluation.
    """
    try:
        content = json.loads(file.read_bytes())
        found = {
            "test_ap": content["oks"]["AP"],
            "test_pck10": content["accuracy"]["pck10"]["share"],
            "test_pck20": content["accuracy"]["pck20"]["share"],
        }
        metrics = {name: round(100 * float(share), 2) for name, share in found.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{file}: expected an evaluation.json of `aggpose evaluate --out`: {error}"
        ) from error
    return provenance.model_copy(update={"metrics": {**provenance.metrics, **metrics}})
