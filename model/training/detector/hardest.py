"""The part of a data set that a detector gets wrong, or nearly: what is worth training on.

A detector that has seen much is right and sure about most pictures, and learns nothing from them.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import click

from model.runtime.detector import Detector
from model.runtime.engines import EngineOptions
from model.spec.files import folder_made_aside
from model.spec.progress import Progress
from model.training.data.folder import LabelledFolder, read_folder
from model.training.data.pictures import find_pictures
from model.training.detector.evaluation import MATCH_IOU, Judged, box_iou, judge, judge_empty
from model.training.detector.yolo_folder import place
from model.weights import ModelPath


def error_of(one: Judged) -> float:
    """How wrong a detector is about a picture, 0 to 1.

    One less the score of the label that was found least, or the score of the surest detection
    where nothing of its class is; whichever is worse.
    """
    worst = 0.0
    for name, labels in one.labels.items():
        found = one.detections.of(name)
        fits = box_iou(labels, found.boxes) >= MATCH_IOU
        scores = found.scores.astype(float)
        best = (fits * scores).max(axis=1, initial=0)
        worst = max([worst, *(1 - best), *scores[~fits.any(axis=0)]])
    return float(worst)


def hardest(judged: Sequence[Judged], share: float) -> list[Judged]:
    """So many parts of the pictures, those with the largest errors, in the order given."""
    ranks = sorted(range(len(judged)), key=lambda i: -error_of(judged[i]))
    return [judged[i] for i in sorted(ranks[: math.ceil(share * len(judged))])]


def write_part(
    source: Path, kept: Sequence[Judged], out: Path, data: LabelledFolder | None
) -> None:
    """A data set of some of another's pictures: links to them, and their labels.

    Args:
        source: Where the pictures lie; their places in it are kept.
        kept: Whose.
        out: The folder to fill.
        data: What was read of `source`, or None where it has no labels.

    Raises:
        OSError: `out` cannot be written.
    """
    for one in kept:
        target = out / one.picture.path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        place(one.picture.path, target)
    if data is None:
        return
    content = json.loads(data.file.read_bytes())
    ids = {one.picture.id for one in kept}
    content["images"] = [row for row in content["images"] if row["id"] in ids]
    content["annotations"] = [row for row in content["annotations"] if row["image_id"] in ids]
    labels = out / data.file.relative_to(source)
    labels.parent.mkdir(parents=True, exist_ok=True)
    labels.write_text(json.dumps(content), encoding="utf-8")


@click.command("hardest")
@click.argument("model", metavar="DETECTOR", type=ModelPath())
@click.argument(
    "source", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.argument("out", metavar="OUT", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--share", type=click.FloatRange(0, 1, min_open=True), default=0.5, show_default=True,
    help="How much of the data set to keep.",
)  # fmt: skip
@click.option("--empty", is_flag=True, help="DIR holds pictures without labels that show nobody.")
def command(model: Path, source: Path, out: Path, share: float, *, empty: bool) -> None:
    """Make a data set of the pictures that a detector gets wrong, or nearly.

    Least sure of what is there, or surest of what is not. To go on training with (`aggpose train
    detector --from`), in a part of the time. OUT, a new or empty folder, links to the pictures.
    """
    detector = Detector.open(model, EngineOptions(engine="openvino"))
    data = None if empty else read_folder(source)
    if data is None:
        paths = find_pictures(source)
        count, found = len(paths), judge_empty(detector, paths)
    else:
        count, found = len(data.pictures), judge(detector, data)
    with folder_made_aside(out) as aside:
        judged: list[Judged] = []
        with Progress(count, "pictures") as progress:
            for one in found:
                judged.append(one)
                progress.step()
        kept = hardest(judged, share)
        write_part(source, kept, aside, data)
    least = min(map(error_of, kept))
    click.echo(f"{out}: {len(kept)} of {count} pictures, errors from {least:.2f} on")
