"""From a folder of COCO labels to the layout that Ultralytics trains on.

    FOLDER/data.yaml
    FOLDER/train/images/000000000001.jpg    a link to the picture, or a copy, its head covered
    FOLDER/train/labels/000000000001.txt    a line for each infant and head: class, then outline
    FOLDER/train/images/empty-00000001.jpg  a picture that shows nobody; its labels are empty
    FOLDER/val/...

Nothing is written beside the pictures. Labels are outlines, not boxes: see `outlines`.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from model.runtime.detector import CLASSES
from model.spec.errors import OutputError
from model.spec.files import written_aside
from model.training.data.folder import LabelledFolder, Picture
from model.training.data.pictures import read_picture
from model.training.detector.covers import cover_heads
from model.training.detector.outlines import outline_in_box

DATA_FILE = "data.yaml"
EMPTY_PICTURES = "train/images/empty-*"
COVERED_SHARE = 1 / 3
"""Of the training pictures: their heads are covered."""

_JPEG_END = b"\xff\xd9"

BoxKey = tuple[int, tuple[float, ...]]


def write_yolo_data(
    train: LabelledFolder,
    val: LabelledFolder,
    folder: Path,
    *,
    empty: Sequence[Path] = (),
    seed: int = 0,
) -> Path:
    """Lay out two data sets for Ultralytics; what lay there before is replaced.

    Args:
        train: To learn from; the heads of a third of its pictures are covered, drawn by `seed`.
        val: To choose the checkpoint by; its pictures stay as they are.
        folder: Where to; its parent must exist.
        empty: Pictures that show nobody, to learn from.
        seed: Draws which heads are covered, and how.

    Returns:
        The file that names both, for Ultralytics.

    Raises:
        DatasetError: A picture cannot be read.
        OutputError: The folder cannot be written.
    """
    try:
        if folder.exists():
            shutil.rmtree(folder)
        for name, data, share in (("train", train, COVERED_SHARE), ("val", val, 0.0)):
            _write_split(data, folder / name, covered_share=share, seed=seed)
        for number, path in enumerate(empty, 1):
            name = f"empty-{number:08d}"
            place(path, folder / "train" / "images" / f"{name}{path.suffix.lower()}")
            (folder / "train" / "labels" / f"{name}.txt").touch()
        content = {
            "path": str(folder.resolve()),
            "train": "train/images",
            "val": "val/images",
            "names": dict(enumerate(CLASSES)),
        }
        with written_aside(folder / DATA_FILE) as aside:
            aside.write_text(json.dumps(content, indent=2))  # JSON is YAML
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return folder / DATA_FILE


def label_lines(data: LabelledFolder) -> dict[int, list[str]]:
    """The lines of every picture's label file, by picture id: class, then x and y in 0..1.

    Coordinates are edges over the picture's size, so that a box of w px spans w.
    """
    segmentations = _segmentations(data.file)
    sizes = {picture.id: picture.size_wh for picture in data.pictures}
    lines: dict[int, list[str]] = {picture.id: [] for picture in data.pictures}
    boxes = [("infant", one.picture.id, one.box_xyxy) for one in data.instances]
    boxes += [("infant", key, box) for key, theirs in data.unlabelled.items() for box in theirs]
    boxes += [("head", key, box) for key, theirs in data.heads.items() for box in theirs]
    for name, picture_id, box in boxes:
        size_wh = sizes[picture_id]
        segmentation = segmentations.get(_key(picture_id, box))
        outline = outline_in_box(segmentation, box, size_wh) / size_wh
        numbers = " ".join(f"{value:.7f}" for value in outline.ravel())
        lines[picture_id].append(f"{CLASSES.index(name)} {numbers}")
    return lines


def _write_split(data: LabelledFolder, folder: Path, *, covered_share: float, seed: int) -> None:
    images, labels = folder / "images", folder / "labels"
    images.mkdir(parents=True)
    labels.mkdir()
    polygons = _head_polygons(data)
    for picture_id, lines in label_lines(data).items():
        (labels / f"{picture_id:012d}.txt").write_text("".join(f"{line}\n" for line in lines))
    for picture in data.pictures:
        rng = np.random.default_rng((seed, picture.id))
        target = images / f"{picture.id:012d}{picture.path.suffix.lower()}"
        if picture.id in polygons and rng.random() < covered_share:
            _write_covered(picture, polygons[picture.id], target, rng)
        else:
            place(picture.path, target)


def _write_covered(
    picture: Picture, polygons: list[NDArray[np.float32]], target: Path, rng: np.random.Generator
) -> None:
    covered = cover_heads(read_picture(picture), polygons, rng)
    if not cv2.imwrite(str(target), covered):
        raise OutputError(f"{target}: cannot be written")


def place(source: Path, target: Path) -> None:
    """A link to the picture, or a copy where Ultralytics would mend the file in its place."""
    whole = True
    if target.suffix in (".jpg", ".jpeg"):
        with source.open("rb") as stream:
            stream.seek(max(0, source.stat().st_size - len(_JPEG_END)), os.SEEK_SET)
            whole = stream.read() == _JPEG_END
    if whole:
        target.symlink_to(source.resolve())
    else:
        shutil.copyfile(source, target)


def _head_polygons(data: LabelledFolder) -> dict[int, list[NDArray[np.float32]]]:
    polygons: dict[int, list[NDArray[np.float32]]] = {}
    for one in data.instances:
        if one.head_polygon is not None:
            polygons.setdefault(one.picture.id, []).append(one.head_polygon)
    return polygons


def _segmentations(file: Path) -> Mapping[BoxKey, object]:
    """Segmentations by picture and box: the reader of keypoints does not keep them."""
    rows = json.loads(file.read_bytes())["annotations"]
    found = {}
    for row in rows:
        x, y, width, height = row["bbox"]
        box = np.array([x, y, x + width - 1, y + height - 1], np.float32)
        found[_key(row["image_id"], box)] = row.get("segmentation")
    return found


def _key(picture_id: int, box_xyxy: NDArray[np.float32]) -> BoxKey:
    return picture_id, tuple(box_xyxy.tolist())
