"""A detector's figures as Markdown, and a sheet of what it missed, heads covered."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from model.runtime.detector import CLASSES
from model.spec.head_mask import cover
from model.training.data.folder import LabelledFolder
from model.training.data.heads import hiding_everybody
from model.training.data.pictures import read_rgb
from model.training.detector.evaluation import DetectorReport, Judged

_TILE: Final = (320, 240)
_COLUMNS: Final = 4
_MOST: Final = 24
_LABEL, _FOUND, _COVER = (40, 200, 60), (255, 140, 0), (110, 110, 110)
_HEAD_SCORE: Final = 0.1
"""A head found with at least this score is covered too, labelled or not."""


def markdown(report: DetectorReport) -> str:
    """The figures as two tables."""
    lines = [
        f"# {report.model} on {report.data}",
        "",
        f"{report.pictures} labelled pictures; {report.empty} pictures without an infant.",
        "",
        "| class | mAP50 | mAP50-95 |",
        "| --- | ---: | ---: |",
        *(
            f"| {name} | {_figure(report.map50[name])} | {_figure(report.map50_95[name])} |"
            for name in CLASSES
        ),
        "",
        "| from score | missed infants / 1000 pictures | missed heads / 1000 | false on empty |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for row in report.sweep:
        share = row.false_infants_on_empty
        lines.append(
            f"| {row.threshold:g} | {row.missed_infants_per_1000:.1f} | "
            f"{row.missed_heads_per_1000:.1f} | {'-' if share is None else f'{share:.1%}'} |"
        )
    return "\n".join(lines) + "\n"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def misses_sheet(
    judged: Sequence[Judged], data: LabelledFolder, threshold: float
) -> NDArray[np.uint8] | None:
    """Pictures whose infant was missed or seen where none is, at most 24.

    Labels are green, detections from the threshold on are orange. Heads are covered: those that are
    labelled, found, or placed by keypoints.

    Args:
        judged: Pictures of `data`, and others, which show nobody.
        data: Says where people are.
        threshold: Detections count from this score on.

    Returns:
        uint8 (H, W, 3) RGB, or None where nothing was missed.
    """
    wrong = [one for one in judged if _is_wrong(one, threshold)]
    if not wrong:
        return None
    labelled = set(data.pictures)
    tiles = [
        _tile(
            one, hiding_everybody(data, one.picture) if one.picture in labelled else (), threshold
        )
        for one in wrong[:_MOST]
    ]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)]
    return np.asarray(np.vstack(rows), np.uint8)


def _is_wrong(one: Judged, threshold: float) -> bool:
    if not len(one.labels["infant"]):
        return len(one.detections.of("infant", min_score=threshold)) > 0
    return bool(one.missed("infant", threshold).any())


def _tile(
    one: Judged, hidden: Sequence[NDArray[np.float32]], threshold: float
) -> NDArray[np.uint8]:
    """One picture, scaled into a tile."""
    picture = read_rgb(one.picture)
    for polygon in hidden:
        picture = cover(picture, polygon, "solid")
    found_heads = one.detections.of("head", min_score=_HEAD_SCORE).boxes.xyxy
    for box in (*one.labels["head"].xyxy, *found_heads):
        _rectangle(picture, box, _COVER, -1)
    for box in one.labels["infant"].xyxy:
        _rectangle(picture, box, _LABEL, 2)
    for box in one.detections.of("infant", min_score=threshold).boxes.xyxy:
        _rectangle(picture, box, _FOUND, 2)
    height, width = picture.shape[:2]
    scale = min(_TILE[0] / width, _TILE[1] / height)
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    tile = np.zeros((_TILE[1], _TILE[0], 3), np.uint8)
    tile[: size_wh[1], : size_wh[0]] = cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA)
    return tile


def _rectangle(
    picture: NDArray[np.uint8],
    box_xyxy: NDArray[np.float32],
    colour: tuple[int, int, int],
    thickness: int,
) -> None:
    x1, y1 = (int(value) for value in np.floor(box_xyxy[:2]))
    x2, y2 = (int(value) for value in np.ceil(box_xyxy[2:]))
    cv2.rectangle(picture, (x1, y1), (x2, y2), colour, thickness)
