"""A copy of a data set in which every head is covered, to be published."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.errors import DatasetError, OutputError
from model.spec.files import folder_made_aside, written_aside
from model.spec.head_mask import cover
from model.spec.progress import Progress
from model.training.data.folder import Instance, LabelledFolder
from model.training.data.heads import corners, head_regions, whole_boxes
from model.training.data.pictures import read_picture

JPEG_QUALITY = 95
_TRACES = ("coco_url", "flickr_url", "date_captured")
"""Fields of COCO's pictures that lead back to the picture without a cover."""


@dataclass(frozen=True)
class Masked:
    """What was done.

    Attributes:
        pictures: How many were written.
        heads: How many covers lie over heads that were found.
        unplaced: Names of pictures, once for each infant whose head could not be placed: the
            whole of its box is covered.
        boxes: How many crowds and people without keypoints are covered whole.
    """

    pictures: int
    heads: int
    unplaced: tuple[str, ...]
    boxes: int


def mask_folder(folder: LabelledFolder, out: Path, *, images: Path | None = None) -> Masked:
    """Write a data set anew with its heads covered; labels and names stay, metadata goes.

    Everything is made in a hidden folder beside `out` that takes its place at the end.

    Args:
        folder: What was read, without problems.
        out: A folder that is empty or not there yet.
        images: Where the pictures were said to be, if that is not the data set itself.

    Raises:
        DatasetError: A picture cannot be read, or is not as its labels say.
        OutputError: `out` holds something, lies in the data set, or cannot be written.
    """
    root = folder.file.parent
    root = root.parent if root.name == "annotations" else root
    if out.resolve().is_relative_to(root.resolve()):
        raise OutputError(f"{out}: expected a folder outside the data set {root}")
    with folder_made_aside(out) as aside:
        return _write(folder, aside, root=root if images is None else images, images=images)


def _write(folder: LabelledFolder, out: Path, *, root: Path, images: Path | None) -> Masked:
    of_picture: dict[int, list[Instance]] = {}
    for one in folder.instances:
        of_picture.setdefault(one.picture.id, []).append(one)
    heads, boxes = 0, 0
    unplaced: list[str] = []
    with Progress(len(folder.pictures), "pictures") as progress:
        for picture in folder.pictures:
            pixels = read_picture(picture)
            regions, missing = head_regions(folder, picture, of_picture.get(picture.id, []))
            heads += len(regions)
            unplaced += [picture.path.name] * len(missing)
            whole = [corners(box) for box in whole_boxes(folder, picture)]
            boxes += len(whole)
            for region in (*regions, *missing, *whole):
                pixels = cover(pixels, region)
            inside = picture.path.relative_to(root)
            _write_picture(out / ("" if images is None else "images") / inside, pixels)
            progress.step()
    base = folder.file.parent
    labels = out / ("annotations" if base.name == "annotations" else "") / folder.file.name
    labels.parent.mkdir(parents=True, exist_ok=True)
    content = json.loads(folder.file.read_bytes())
    for row in content["images"]:
        for trace in _TRACES:
            row.pop(trace, None)
    with written_aside(labels) as path:
        path.write_text(json.dumps(content), encoding="utf-8")
    return Masked(len(folder.pictures), heads, tuple(unplaced), boxes)


def _write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        fits, data = cv2.imencode(path.suffix, pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    except cv2.error:
        fits = False
    if not fits:
        raise DatasetError(f"{path.name}: expected a name ending in .jpg or .png")
    with written_aside(path) as aside:
        aside.write_bytes(data.tobytes())
