"""Contact sheets: many samples in one picture, with their labels drawn in."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from model.spec.errors import SyntheticError
from model.synthetic.files import write_aside
from model.synthetic.labels import Labels
from model.synthetic.landmarks import infant21
from model.synthetic.sample import Sample, make_sample
from model.synthetic.seeds import PictureSeed
from model.synthetic.sensor import Picture

_OPTIONS = {".png": [], ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 80]}
"""The coder's options, by the name's end."""
_RIGHT, _LEFT, _MIDDLE = (255, 60, 50), (40, 120, 255), (40, 200, 60)


def draw_labels(picture: Picture, labels: Labels) -> Picture:
    """Draw keypoints (filled where visible), bones, boxes and the head's region into a copy.

    The infant's right side is red, its left side blue, the middle green.

    Args:
        picture: uint8 (H, W, 3) RGB.
        labels: Of that picture.
    """
    out = np.ascontiguousarray(picture.copy())
    skeleton = infant21()
    for box, colour in ((labels.infant_xyxy, (200, 200, 200)), (labels.head_xyxy, (240, 220, 0))):
        if box is not None:
            x1, y1, x2, y2 = (int(value) for value in box)
            cv2.rectangle(out, (x1, y1), (x2, y2), colour, 1)
    if len(labels.head_polygon):
        ring = labels.head_polygon.round().astype(np.int32)
        cv2.polylines(out, [ring], isClosed=True, color=(240, 220, 0), thickness=1)
    for points, visibility in zip(
        labels.keypoints.keypoints_xy, labels.keypoints.visibility, strict=True
    ):
        places = [(int(x), int(y)) for x, y in np.nan_to_num(points.round())]
        for a, b in skeleton.edges:
            if visibility[a] and visibility[b]:
                cv2.line(out, places[a], places[b], (250, 200, 60), 1, cv2.LINE_AA)
        for name, place, seen in zip(skeleton.keypoints, places, visibility, strict=True):
            if seen:
                colour = (
                    _RIGHT
                    if name.startswith("right")
                    else (_LEFT if name.startswith("left") else _MIDDLE)
                )
                cv2.circle(out, place, 3, colour, -1 if seen == 2 else 1, cv2.LINE_AA)
    return out


def decode(sample: Sample) -> Picture:
    """The sample's picture, uint8 (H, W, 3) RGB."""
    bgr = np.asarray(cv2.imdecode(np.frombuffer(sample.jpeg, np.uint8), cv2.IMREAD_COLOR))
    return np.ascontiguousarray(bgr[..., ::-1], np.uint8)


def make_sheet(
    seed: int, *, count: int = 16, columns: int = 4, tile_wh: tuple[int, int] = (480, 360),
    step: int = 1, labelled: bool = True,
) -> Picture:  # fmt: skip
    """Draw samples side by side.

    Args:
        seed: Of the sheet's own split.
        count: How many samples.
        columns: How many side by side.
        tile_wh: Size of each, px.
        step: Take every step-th sample; 4 gives each another infant.
        labelled: Whether to draw the labels.

    Returns:
        uint8 (H, W, 3) RGB.

    Raises:
        SyntheticError: A seed or count out of range.
    """
    if count < 1 or columns < 1:
        raise SyntheticError(f"expected a count of 1 or more, got {count}")
    tiles = []
    for i in range(count):
        sample = make_sample(PictureSeed("sheet", seed, i * step))
        picture = decode(sample)
        tiles.append(_fit(draw_labels(picture, sample.labels) if labelled else picture, tile_wh))
    return _grid(tiles, columns)


def _fit(picture: Picture, tile_wh: tuple[int, int]) -> Picture:
    height, width = picture.shape[:2]
    scale = min(tile_wh[0] / width, tile_wh[1] / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    tile = np.full((tile_wh[1], tile_wh[0], 3), 40, np.uint8)
    left, top = (tile_wh[0] - size[0]) // 2, (tile_wh[1] - size[1]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    return tile


def _grid(tiles: Sequence[Picture], columns: int) -> Picture:
    blank = np.zeros_like(tiles[0])
    padded = [*tiles, *[blank] * (-len(tiles) % columns)]
    rows = [np.hstack(padded[i : i + columns]) for i in range(0, len(padded), columns)]
    return np.vstack(rows)


def check_ending(path: Path) -> None:
    """Find a name that no picture can be written under, before any work.

    Raises:
        SyntheticError: It ends in neither .png nor .jpg.
    """
    if path.suffix not in _OPTIONS:
        raise SyntheticError(f"expected a file name that ends in .png or .jpg, got {path.name!r}")


def write_picture(path: Path, picture: Picture) -> None:
    """Write a picture as PNG or JPEG, by its name's end.

    Raises:
        SyntheticError: Another ending.
        OutputError: It cannot be written.
    """
    check_ending(path)
    _, data = cv2.imencode(path.suffix, picture[..., ::-1], _OPTIONS[path.suffix])
    write_aside(path, data.tobytes())
