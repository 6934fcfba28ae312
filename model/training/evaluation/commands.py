"""`aggpose evaluate`."""

import json
import sys
from pathlib import Path
from typing import get_args

import click

from model.runtime.detector import Detector
from model.runtime.engines import PRECISIONS, EngineName, EngineOptions, Precision
from model.spec.errors import OutputError
from model.spec.files import written_aside
from model.spec.turning import Turn
from model.training.data.folder import LabelledFolder, read_folder
from model.training.evaluation.boxes import BoxSource, DetectedBoxes, FoundBoxes
from model.training.evaluation.coco_ap import read_coco_file
from model.training.evaluation.judging import Judgement, judge, spread
from model.training.evaluation.predictors import PredictorOptions, open_predictor
from model.training.evaluation.report import as_json, as_markdown
from model.weights import ModelPath


@click.command()
@click.argument("model", type=ModelPath())
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the report, the results, a chart and the worst cases into this folder.",
)
@click.option(
    "--boxes",
    default="gt",
    show_default=True,
    help="Where to look: gt for the labelled boxes, a detector (.onnx), or a JSON file of detected "
    "boxes in COCO's results format.",
)
@click.option(
    "--turn",
    type=click.Choice(get_args(Turn)),
    default="none",
    show_default=True,
    help="Turn crops so that the trunk points down: not at all, by the labelled trunk, by the one "
    "found in a first pass, or in the best of four first passes.",
)
@click.option("--flip-test", is_flag=True, help="Average each crop with its mirror picture.")
@click.option(
    "--engine",
    type=click.Choice(list(PRECISIONS)),
    help="What runs the model; a checkpoint runs on cpu or cuda.  [default: openvino; cpu]",
)
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    default="float32",
    show_default=True,
    help="Of the network's arithmetic.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, 512),
    default=8,
    show_default=True,
    help="Crops that go through the network together.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="Look at this many pictures only, spread evenly over the data set.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the pictures are.  [default: beside the labels]",
)
@click.option(
    "--show-heads", is_flag=True, help="Leave heads uncovered on the sheet of the worst cases."
)
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON instead of Markdown.")
def evaluate(
    model: Path,
    data: Path,
    out: Path | None,
    boxes: str,
    turn: Turn,
    engine: EngineName | None,
    precision: Precision,
    batch_size: int,
    limit: int | None,
    images: Path | None,
    *,
    flip_test: bool,
    show_heads: bool,
    json_wanted: bool,
) -> None:
    """Judge a pose model by labelled pictures.

    MODEL is an exported .onnx file or one of our checkpoints; DATA a folder of pictures with COCO
    keypoints, or the JSON file of its labels.
    """
    if out is not None:
        _make_room(out)
    folder = spread(read_folder(data, images=images), limit)
    source = _box_source(boxes, folder, engine or "openvino")
    options = PredictorOptions(engine, precision, batch_size, flip_test)
    predictor = open_predictor(model, folder.skeleton, options)
    judgement = judge(predictor, folder, source=source, turn=turn, progress=_tell_progress)
    if sys.stderr.isatty():
        click.echo(err=True)
    if out is not None:
        _write(judgement, folder, out, show_heads=show_heads)
    show = as_json if json_wanted else as_markdown
    click.echo(show(judgement.evaluation), nl=False)


def _box_source(boxes: str, folder: LabelledFolder, engine: EngineName) -> BoxSource | None:
    """None for the labelled boxes."""
    if boxes == "gt":
        return None
    if boxes.endswith(".onnx"):
        path = ModelPath().convert(boxes, None, None)
        return FoundBoxes(Detector.open(path, EngineOptions(engine=engine, batch_size=1)))
    return DetectedBoxes(Path(boxes), read_coco_file(folder).category_id)


def _make_room(out: Path) -> None:
    """Refuse a folder that cannot be before the work, not after it."""
    try:
        out.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made: {error.strerror or error}") from error


def _tell_progress(done: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{done} pictures", nl=False, err=True)


def _write(judgement: Judgement, folder: LabelledFolder, out: Path, *, show_heads: bool) -> None:
    texts = {
        "evaluation.json": as_json(judgement.evaluation),
        "evaluation.md": as_markdown(judgement.evaluation),
        "results.json": json.dumps(judgement.results),
    }
    for name, text in texts.items():
        with written_aside(out / name) as aside:
            aside.write_text(text, encoding="utf-8")
    from model.training.evaluation.chart import write_chart  # noqa: PLC0415 - brings matplotlib
    from model.training.evaluation.worst_cases import write_worst_cases  # noqa: PLC0415

    write_chart(judgement.evaluation, out / "keypoints.png")
    write_worst_cases(judgement, folder, out / "worst.png", show_heads=show_heads)
