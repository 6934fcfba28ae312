"""`aggpose probe`."""

import json
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import click

from workers.pipeline.decoding.source import probe as probe_video


@click.command()
@click.argument("video", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def probe(video: Path, *, as_json: bool) -> None:
    """Say what VIDEO says of itself: container, codec, size, rotation, frame rate, length."""
    facts = asdict(probe_video(video))
    del facts["cut_short"]  # not known before all of it was read
    if as_json:
        click.echo(json.dumps(facts, default=_plain, indent=2))
        return
    for name, value in facts.items():
        shown = " x ".join(map(str, value)) if isinstance(value, tuple) else value
        click.echo(f"{name:22} {'not said' if shown is None else shown}")


def _plain(value: object) -> object:
    if isinstance(value, Fraction):
        return [value.numerator, value.denominator]
    raise TypeError(f"{type(value).__name__} has no JSON")
