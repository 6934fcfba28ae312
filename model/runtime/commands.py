"""`aggpose model inspect` and `aggpose model bench`."""

import json
from itertools import product
from pathlib import Path

import click

from model.runtime.engines import (
    PRECISIONS,
    EngineName,
    EngineOptions,
    Precision,
    installed_engines,
    precisions_here,
)
from model.runtime.pose import PoseEstimator
from model.runtime.timing import time_model
from model.spec.errors import ConfigurationError, EngineError, MissingPackageError
from model.spec.onnx_file import ModelFile, read_model_file
from model.weights import ModelPath


@click.command()
@click.argument("model", type=ModelPath())
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def inspect(model: Path, *, as_json: bool) -> None:
    """Show what an ONNX model says of itself, and check that its weights are the ones it names."""
    model_file = read_model_file(model)
    if as_json:
        content = model_file.manifest.model_dump(mode="json") | {"file_sha256": model_file.sha256}
        click.echo(json.dumps(content, indent=2))
        return
    for label, value in _lines(model_file):
        click.echo(f"{label:12} {value}")


def _lines(model_file: ModelFile) -> list[tuple[str, object]]:
    manifest = model_file.manifest
    provenance = manifest.provenance
    height, width = manifest.input_hw
    lines: list[tuple[str, object]] = [
        ("model", f"{manifest.name} {manifest.version} ({manifest.task})"),
        ("network", f"{manifest.architecture}, {manifest.parameters:,} parameters"),
        (
            "input",
            f"crops uint8 (N, {height}, {width}, 3) RGB, {manifest.pixel_convention}"
            if manifest.task == "pose"
            else f"float (N, 3, {height}, {width}) RGB in 0..1, letterboxed",
        ),
        ("outputs", ", ".join(manifest.outputs)),
        ("flip test", "on" if manifest.flip_test else "off"),
    ]
    if manifest.skeleton is not None and manifest.codec is not None:
        skeleton, codec = manifest.skeleton, manifest.codec
        lines += [
            ("skeleton", f"{skeleton.id}: {', '.join(skeleton.keypoints)}"),
            (
                "decoding",
                f"{codec.name}, sigma {codec.sigma_px:g} px, blur {codec.blur_kernel} px",
            ),
        ]
    if manifest.classes:
        lines.append(("classes", ", ".join(manifest.classes)))
    lines.append(
        ("weights", f"{'trained' if provenance.trained else 'NOT TRAINED'}: {provenance.summary}")
    )
    lines += [
        (label, value)
        for label, value in (
            ("data", provenance.data),
            ("recipe", provenance.recipe),
            ("commit", provenance.commit),
            *((f"  {name}", f"{number:g}") for name, number in provenance.metrics.items()),
        )
        if value is not None
    ]
    return [
        *lines,
        ("opset", manifest.opset),
        ("licence", manifest.licence),
        ("weights hash", f"{manifest.weights_sha256} (checked)"),
        ("file hash", model_file.sha256),
    ]


def _opens(model: Path, options: EngineOptions) -> bool:
    """Whether an engine that nobody asked for by name runs here; says so if it does not."""
    try:
        PoseEstimator.open(model, options)
    except EngineError as error:
        click.echo(f"passed over: {error}", err=True)
        return False
    return True


@click.command()
@click.argument("model", type=ModelPath())
@click.option(
    "--engine",
    "engines",
    multiple=True,
    type=click.Choice(list(PRECISIONS)),
    help="Time on this engine; may be repeated.  [default: all that are here]",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Time in this arithmetic; may be repeated.  [default: all that runs here]",
)
@click.option(
    "--batch",
    "batches",
    multiple=True,
    type=click.IntRange(1, 512),
    default=(1, 8),
    show_default=True,
    help="Crops at a time; may be repeated.",
)
@click.option(
    "--threads",
    type=click.IntRange(0, 256),
    default=1,
    show_default=True,
    help="CPU threads; 0 leaves it to the engine.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=3.0,
    show_default=True,
    help="How long to time, for each row of the table.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def bench(
    model: Path,
    engines: tuple[EngineName, ...],
    precisions: tuple[Precision, ...],
    batches: tuple[int, ...],
    threads: int,
    seconds: float,
    *,
    as_json: bool,
) -> None:
    """Time a pose model: frames per second by the clock and per second of processor time.

    All of the graph is timed, decoding included, on random crops. The rows take turns, so that
    they compare; the last column is frames per CPU second over the first row's.
    """
    if not (engines or installed_engines()):
        raise MissingPackageError.of("onnxruntime", "cpu")
    choices = [
        EngineOptions(engine=engine, precision=precision, batch_size=batch, threads=threads)
        for engine, batch in product(engines or installed_engines(), batches)
        for precision in precisions or precisions_here(engine)
        if engines or precision in PRECISIONS[engine]
    ]
    if not engines:
        choices = [options for options in choices if _opens(model, options)]
    if not choices:
        raise ConfigurationError(
            f"expected an engine that runs {', '.join(precisions)}, got "
            f"{', '.join(installed_engines())} on this machine"
        )
    timings = time_model(model, choices, seconds=seconds)
    if as_json:
        click.echo(json.dumps([timing.as_dict() for timing in timings], indent=2))
        return
    click.echo(
        f"{'engine':9} {'precision':9} {'batch':>5} {'frames/s':>9} {'per CPU s':>9} {'ratio':>6}"
    )
    for timing in timings:
        ratio = timing.frames_per_cpu_s / timings[0].frames_per_cpu_s
        click.echo(
            f"{timing.engine:9} {timing.precision:9} {timing.batch_size:5} "
            f"{timing.frames_per_s:9.1f} {timing.frames_per_cpu_s:9.1f} {ratio:6.2f}"
        )
