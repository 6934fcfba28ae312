"""`aggpose bench`: one film's whole extraction on each engine, in one table."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from model.runtime.engines import PRECISIONS, EngineName, precisions_here
from model.weights import ModelPath
from workers.pipeline.bench import Cost, bare_decoding, cost_of, drift_px
from workers.pipeline.commands import DETECTOR, POSE, cpu_engines, open_models

_WARM_UP_FRAMES = 32


@dataclass(frozen=True, eq=False)
class _Run:
    """A film's cost on one engine in one precision, and what opening the models had taken."""

    cost: Cost
    models_cpu_s: float


@click.command()
@click.argument("video", type=click.Path(path_type=Path))
@click.option(
    "--frames", type=click.IntRange(16),
    help="About so many from the beginning; what is decoded ahead counts.  [default: all]",
)  # fmt: skip
@click.option("--model", default=POSE, show_default=True, type=ModelPath(), help="Pose model.")
@click.option("--detector", default=DETECTOR, show_default=True, type=ModelPath())
@click.option(
    "--engine", "engines", multiple=True, type=click.Choice(list(PRECISIONS)),
    help="May be given more than once.  [default: all installed ones of the CPU]",
)  # fmt: skip
@click.option("--threads", type=click.IntRange(0, 256), default=0, help="0: the engine's choice.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def bench(  # noqa: PLR0913, PLR0917 - click hands a command one argument an option
    video: Path, frames: int | None, model: Path, detector: Path, engines: tuple[EngineName, ...],
    threads: int, *, as_json: bool,
) -> None:  # fmt: skip
    """Time the extraction of VIDEO, stage by stage, on each engine and in each precision.

    What is timed is all that `aggpose extract --no-preview` does with a film: reading it, decoding,
    both networks, smoothing, quality, and writing the files, which are removed again. Processor
    time is that of all threads and of the decoding process; bare decoding is timed in the same
    run. Each engine warms up with a few frames before. What is done once, however long the film
    is (starting the program, opening the models), stands apart.
    """
    start_cpu_s = time.process_time()
    runs = []
    for engine in engines or cpu_engines():
        for precision in precisions_here(engine):
            before_s = time.process_time()
            pose, finder = open_models(
                model, detector, engine=engine, precision=precision, batch_size=8, threads=threads
            )
            models_cpu_s = time.process_time() - before_s
            cost_of(video, pose, finder, frames=_WARM_UP_FRAMES)
            runs.append(_Run(cost_of(video, pose, finder, frames=frames), models_cpu_s))
    count = len(runs[0].cost.rows)
    decoding_s = bare_decoding(video, count)
    report = [_facts(run, runs[0].cost, decoding_s, start_cpu_s) for run in runs]
    decoding_ms = round(1000 * decoding_s / count, 3)
    if as_json:
        said = {"frames": count, "bare_decoding_cpu_ms": decoding_ms, "runs": report}
        click.echo(json.dumps(said, indent=2))
        return
    click.echo(f"{count} frames; bare decoding takes {decoding_ms:.2f} ms of processor time each\n")
    click.echo(_table(report))


def _facts(run: _Run, first: Cost, decoding_s: float, start_cpu_s: float) -> dict[str, object]:
    """One column of the table; times in ms of processor time a frame, but for `once_cpu_s`."""
    cost, each = run.cost, 1000 / len(run.cost.rows)
    once_cpu_s = {"start": start_cpu_s, "models": run.models_cpu_s}
    middle, most = drift_px(cost, first)
    return {
        "engine": cost.options.engine,
        "precision": cost.options.precision,
        "frames_per_s": round(cost.frames_per_s, 1),
        "cpu_ms": {name: round(each * cpu_s, 3) for name, cpu_s in cost.parts_cpu_s.items()},
        "cpu_ms_all": round(each * cost.cpu_s, 3),
        "cpu_ms_beside_networks_and_bare_decoding": round(cost.beside_networks_ms(decoding_s), 3),
        "over_networks_and_bare_decoding": round(cost.overhead(decoding_s), 3),
        "once_cpu_s": {name: round(cpu_s, 2) for name, cpu_s in once_cpu_s.items()},
        "with_once_over_networks_and_bare_decoding": round(
            cost.overhead(decoding_s, once_cpu_s=sum(once_cpu_s.values())), 3
        ),
        "keypoints_apart_from_first_px": {"median": _known(middle), "95 %": _known(most)},
    }


def _known(apart_px: float) -> float | None:
    return round(apart_px, 3) if math.isfinite(apart_px) else None


def _table(report: Sequence[dict[str, object]]) -> str:
    """The runs side by side, one line a figure."""
    columns = [dict(_lines(facts)) for facts in report]
    heads = [f"{facts['engine']} {facts['precision']}" for facts in report]
    names = list(dict.fromkeys(name for column in columns for name in column))
    wide = max(map(len, names))
    lines = [" " * wide + "".join(f"{head:>20}" for head in heads)]
    lines += [
        f"{name:{wide}}" + "".join(f"{column.get(name, '')!s:>20}" for column in columns)
        for name in names
    ]
    return "\n".join(lines)


def _lines(facts: dict[str, object]) -> list[tuple[str, object]]:
    """A run's figures by name; those that belong together one below the other."""
    lines: list[tuple[str, object]] = []
    for name, value in list(facts.items())[2:]:
        words = name.replace("_", " ")
        parts = value.items() if isinstance(value, dict) else [("", value)]
        lines += [(f"{words}: {part}" if part else words, number) for part, number in parts]
    return lines
