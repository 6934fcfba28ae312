"""`aggpose train [pose]`."""

import os
import sys
from pathlib import Path
from typing import cast

import click
import torch

from model.network.sizes import SIZES
from model.runtime.engines import Precision
from model.spec.errors import OutputError, TrainingError
from model.training.commit import code_commit
from model.training.data.folder import read_folder
from model.training.pose.processes import Processes
from model.training.pose.recipe import Recipe, load_recipe
from model.training.pose.trainer import Settings, Trainer
from model.weights import ModelPath


@click.command()
@click.argument("recipe")
@click.option(
    "--data", "data", required=True, multiple=True, type=click.Path(path_type=Path),
    help="A labelled folder to learn from; may be given more than once.",
)  # fmt: skip
@click.option(
    "--val", required=True, type=click.Path(path_type=Path),
    help="A labelled folder to choose the best weights by.",
)  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The run's folder.")
@click.option(
    "--from", "source", type=ModelPath(),
    help="The file that the recipe starts from, where it starts from one.",
)  # fmt: skip
@click.option(
    "--size", type=click.Choice(list(SIZES)), help="Of the network, in place of the recipe's."
)
@click.option("--device", help="cpu, cuda, cuda:1, ...  [default: cuda where there is one]")
@click.option(
    "--precision", type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Of the passes.  [default: bfloat16 where the machine has it]",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--loaders",
    type=click.IntRange(0),
    help="Processes that make samples.  [default: its share of cores but one]",
)
@click.option(
    "--minutes", type=click.FloatRange(0, min_open=True),
    help="Stop after so long; the same command goes on later.",
)  # fmt: skip
@click.option(
    "--shorten", type=click.FloatRange(0, 1, min_open=True), default=1.0,
    help="Do this share of every phase, to try a recipe.",
)  # fmt: skip
def train(
    recipe: str,
    data: tuple[Path, ...],
    val: Path,
    out: Path,
    source: Path | None,
    size: str | None,
    device: str | None,
    precision: str | None,
    seed: int,
    loaders: int | None,
    minutes: float | None,
    shorten: float,
) -> None:
    """Train AggPose by RECIPE: the name of a shipped recipe, or a TOML file.

    The run's folder gets best.pt (by validation AP), last.pt, metrics.csv, tensorboard/ and
    curves.png, and everything needed to go on: called again, the command does. `aggpose model
    export` turns a checkpoint into the model that the service runs. For several GPUs, or several
    cores: torchrun --nproc-per-node 4 --no-python aggpose train ...
    """
    wanted = shortened(load_recipe(recipe), shorten)
    if size is not None:
        network = wanted.network.model_copy(update={"size": size})
        wanted = wanted.model_copy(update={"network": network})
    kind = device_type(device)
    processes = Processes.joined(kind)
    if kind == "cuda" and processes.world_size > 1:
        device = f"cuda:{processes.local_rank}"
    device = device or kind
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made: {error.strerror or error}") from error
    settings = Settings(
        out=out,
        source=source,
        device=device,
        precision=cast("Precision", precision or usual_precision(device)),
        seed=seed,
        loaders=max(1, (os.cpu_count() or 2) // processes.world_size - 1)
        if loaders is None
        else loaders,
        stop_after_s=None if minutes is None else minutes * 60,
        commit=code_commit(),
    )
    trainer = Trainer(
        wanted, [read_folder(one) for one in data], read_folder(val), settings, processes
    )
    if processes.is_first:
        click.echo(
            f"{wanted.name}: {len(trainer.instances)} infants, {trainer.total} steps, from "
            f"{trainer.began_from}, {settings.precision} on {device}"
            + (f"; goes on behind step {trainer.state.step}" if trainer.state.step else "")
        )
    started, seconds = trainer.state.step, trainer.state.seconds
    for row in trainer.run():
        if not processes.is_first:
            continue
        spent = trainer.state.seconds - seconds
        left = spent / max(1, trainer.state.step - started) * (trainer.total - trainer.state.step)
        line = (
            f"step {trainer.state.step}/{trainer.total}, loss {row['loss']:.3f}, "
            f"{row['images_per_s']:.1f} images/s, {_clock(left)} left"
        )
        ap = row.get("val_ap")
        if ap is not None:
            line += f", AP {ap:.1f}, PCK@0.2 {row['val_pck20']:.1f}, PCK@0.1 {row['val_pck10']:.1f}"
        renew = sys.stderr.isatty() and ap is None
        click.echo(("\r\x1b[K" if sys.stderr.isatty() else "") + line, err=True, nl=not renew)
    processes.leave()
    if processes.is_first:
        done = trainer.state.step == trainer.total
        click.echo(
            f"{'done' if done else 'stopped; call again to go on'}: best AP "
            f"{trainer.state.best_ap:.1f}, {out}"
        )


def device_type(name: str | None) -> str:
    """`cpu` or `cuda` for a device by torch's name, or the best that there is.

    Raises:
        TrainingError: There is no such device.
    """
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:  # the latter of a torch without CUDA
        reason = str(error).splitlines()[0]
        raise TrainingError(f"expected a device of this machine, got {name}: {reason}") from error
    return torch.device(name).type


def usual_precision(device: str) -> Precision:
    """bfloat16 where it is quick, else float32."""
    if torch.device(device).type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    return "bfloat16" if torch.cpu._is_avx512_bf16_supported() else "float32"  # noqa: SLF001


def shortened(recipe: Recipe, share: float) -> Recipe:
    """The recipe with every phase cut to a share of its length."""
    if share == 1:
        return recipe
    phases = tuple(
        phase.model_copy(
            update={
                "steps": None if phase.steps is None else max(1, round(phase.steps * share)),
                "epochs": None if phase.epochs is None else phase.epochs * share,
            }
        )
        for phase in recipe.phases
    )
    warm_up = round(recipe.optimiser.warm_up_steps * share)
    return recipe.model_copy(
        update={
            "phases": phases,
            "optimiser": recipe.optimiser.model_copy(update={"warm_up_steps": warm_up}),
        }
    )


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
