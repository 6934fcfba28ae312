"""The words behind `aggpose synth`."""

import re
from pathlib import Path

import click

from model.spec.errors import SyntheticError
from model.synthetic import dataset, film, sheet, stats
from model.synthetic.closeups import make_closeups
from model.synthetic.sample import EMPTY_SHARE

_OUT_FOLDER = click.Path(file_okay=False, path_type=Path)
_OUT_FILE = click.Path(dir_okay=False, path_type=Path)


def parse_size(text: str) -> tuple[int, int]:
    """Read a size such as `640x480`.

    Raises:
        SyntheticError: It is none.
    """
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None:
        raise SyntheticError(f"expected a size such as 640x480, got {text!r}")
    return int(match[1]), int(match[2])


@click.group()
def app() -> None:
    """Synthetic infants: labelled pictures and films to train and test on."""


@app.command()
@click.option("--count", type=int, required=True, help="How many pictures the folder shall hold.")
@click.option("--seed", type=int, required=True, help="Draws everything; 0 to 65535.")
@click.option("--split", type=click.Choice(dataset.SPLITS_OF_DATA), required=True)
@click.option("--out", type=_OUT_FOLDER, required=True, help="Folder; a second call continues.")
@click.option("--workers", type=int, default=1, show_default=True, help="Processes.")
@click.option("--size", default="640x480", show_default=True, help="Of the 4:3 pictures, px.")
@click.option(
    "--empty-share", type=float, default=EMPTY_SHARE, show_default=True,
    help="How many show no infant; 1 for the detector's --empty.",
)  # fmt: skip
def images(
    count: int, seed: int, split: str, out: Path, workers: int, size: str, empty_share: float
) -> None:
    """Make labelled pictures: COCO keypoints, boxes of infants and heads.

    Shapes vary (4:3, 16:9, upright); all have the longer side of --size. The same split, seed and
    number give the same picture, whatever the number of processes.
    """
    settings = dataset.Settings(split, seed, parse_size(size), empty_share)
    made = dataset.write_dataset(out, settings, count=count, workers=workers)
    click.echo(
        f"{made} pictures made; {out / dataset.ANNOTATIONS} lists {len(dataset.read_rows(out))}."
    )


@app.command("film")
@click.option("--seconds", type=float, default=10.0, show_default=True)
@click.option("--fps", type=float, default=25.0, show_default=True)
@click.option("--seed", type=int, required=True, help="Draws everything; 0 to 65535.")
@click.option("--out", type=_OUT_FILE, required=True, help=".mp4; the truth lies beside as .json.")
@click.option("--size", default="640x480", show_default=True, help="Landscape size, px.")
@click.option("--portrait", is_flag=True, help="The displayed film is upright.")
@click.option(
    "--rotate", type=click.Choice(["0", "90", "180", "270"]), default="0", show_default=True,
    help="Store the frames turned, with metadata that asks players to turn them clockwise by this.",
)  # fmt: skip
@click.option("--vfr", is_flag=True, help="Uneven time between frames, as phones have it.")
@click.option("--arm/--no-arm", default=None, help="With or without an adult's hand.")
@click.option("--codec", type=click.Choice(list(film.CODECS)), default="h264", show_default=True)
@click.option(
    "--quality", type=click.IntRange(*film.QUALITIES), default=27, show_default=True, help="CRF."
)
def film_command(
    *, seconds: float, fps: float, seed: int, out: Path, size: str, portrait: bool, rotate: str,
    vfr: bool, arm: bool | None, codec: str, quality: int,
) -> None:  # fmt: skip
    """Make a film with its ground truth, one row a frame."""
    plan = film.FilmPlan(
        seed=seed, seconds=seconds, fps=fps, size_wh=parse_size(size), portrait=portrait,
        rotate_deg=int(rotate), variable_rate=vfr, arm=arm, codec=codec, quality=quality,
    )  # fmt: skip
    count = film.make_film(out, plan)
    click.echo(f"{out}: {count} frames; {film.truth_path(out)}: their ground truth.")


@app.command("sheet")
@click.option("--seed", type=int, required=True, help="Draws everything; 0 to 65535.")
@click.option("--out", type=_OUT_FILE, required=True, help=".png or .jpg")
@click.option("--count", type=int, default=16, show_default=True, help="How many samples.")
@click.option("--columns", type=int, default=4, show_default=True)
@click.option("--plain", is_flag=True, help="Without the labels.")
@click.option("--closeups", is_flag=True, help="Instead, close views of where the labels lie.")
def sheet_command(
    *, seed: int, out: Path, count: int, columns: int, plain: bool, closeups: bool
) -> None:
    """Draw samples side by side with their labels, each of another infant."""
    sheet.check_ending(out)
    if closeups:
        sheet.write_picture(out, make_closeups(seed))
        click.echo(f"{out}: close-ups.")
        return
    tile = (480, 360) if count <= 16 else (280, 210)
    picture = sheet.make_sheet(
        seed, count=count, columns=columns, tile_wh=tile, step=4, labelled=not plain
    )
    sheet.write_picture(out, picture)
    click.echo(f"{out}: {count} samples.")


@app.command("stats")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def stats_command(folder: Path) -> None:
    """Print what a folder of pictures holds, and plot it to stats.png in it."""
    found = stats.read_statistics(folder)
    click.echo("\n".join(stats.lines(found)))
    stats.plot(found, folder / stats.PLOT)
    click.echo(f"plotted to {folder / stats.PLOT}")
