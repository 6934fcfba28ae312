"""The words behind `aggpose data`."""

import json
from pathlib import Path

import click

from model.training.data.checking import check_folder
from model.training.data.folder import read_folder, survey_folder
from model.training.data.masking import mask_folder

_SOURCE = click.Path(exists=True, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_IMAGES = click.option(
    "--images", type=_FOLDER, default=None, help="Where the pictures are, if not in DIR."
)


@click.command()
@click.argument("source", metavar="DIR", type=_SOURCE)
@_IMAGES
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(context: click.Context, source: Path, images: Path | None, *, as_json: bool) -> None:
    """Say what is wrong with a data set, picture by picture.

    Exits with 1 if there are problems; warnings are legal and seldom meant.
    """
    report = check_folder(survey_folder(source, images=images))
    click.echo(json.dumps(report.as_json()) if as_json else "\n".join(report.lines()))
    context.exit(1 if report.problems else 0)


@click.command("mask-heads")
@click.argument("source", metavar="DIR", type=_SOURCE)
@click.argument("out", metavar="OUT", type=_FOLDER)
@_IMAGES
def mask_heads(source: Path, out: Path, images: Path | None) -> None:
    """Copy a data set with every head under a coarse mosaic; OUT is new or empty.

    Where no head can be placed more is covered, never less, and the report says where.
    """
    done = mask_folder(read_folder(source, images=images), out, images=images)
    for name in done.unplaced:
        click.echo(f"{name}: no head could be placed; the whole box is covered")
    click.echo(
        f"{out}: {done.pictures} pictures, {done.heads} heads covered, {len(done.unplaced)} "
        f"infants whose head could not be placed, {done.boxes} boxes covered whole"
    )
