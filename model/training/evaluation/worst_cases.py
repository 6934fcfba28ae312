"""A sheet of the infants that a model found worst, for looking at.

Heads are covered unless somebody asks for them: the infants may be real. So is what lies outside
an infant's box, for adults have faces too.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.files import written_aside
from model.spec.geometry import CropFrame
from model.spec.skeleton import Skeleton
from model.spec.warp import warp_crop
from model.training.data.folder import Instance, LabelledFolder
from model.training.data.heads import hiding_everybody
from model.training.data.pictures import read_rgb
from model.training.evaluation.accuracy import THRESHOLDS, errors_in_trunks, labels_of
from model.training.evaluation.covering import covered
from model.training.evaluation.estimating import Rgb
from model.training.evaluation.judging import Judgement

_TILE_WIDTH_PX: Final = 240
_TITLE_PX: Final = 20
_COLUMNS: Final = 6

_RIGHT, _LEFT, _MIDDLE = (255, 60, 50), (40, 120, 255), (40, 200, 60)
_LABEL, _OFF = (255, 255, 255), (255, 220, 0)


def write_worst_cases(
    judgement: Judgement,
    folder: LabelledFolder,
    path: Path,
    *,
    count: int = 24,
    show_heads: bool = False,
) -> None:
    """Draw the infants with the largest mean errors as a PNG, worst first.

    Labels are white; what was found is red on the infant's right, blue on its left and green in
    the middle; yellow lines lead from keypoints that are more than 0.2 trunk lengths off to their
    labels. An infant that was missed shows its labels alone. Nothing is written where no infant
    has a labelled trunk to measure by.

    Args:
        judgement: What was found.
        folder: The data set.
        path: The PNG to write.
        count: How many infants.
        show_heads: Leave heads as they are.

    Raises:
        OutputError: It cannot be written.
        DatasetError: A picture cannot be read.
    """
    errors = errors_in_trunks(
        judgement.keypoints_xy, labels_of(judgement.instances, judgement.skeleton),
        judgement.skeleton,
    )  # fmt: skip
    means = mean_errors(errors)
    order = np.argsort(-means, kind="stable")
    worst = [int(i) for i in order if means[i] >= 0][:count]
    if not worst:
        return
    sheet = _Sheet(judgement, folder, errors, show_heads)
    tiles = [sheet.tile(i, f"{means[i]:.2f} trunks") for i in worst]
    with written_aside(path) as aside:
        _, data = cv2.imencode(".png", _grid(tiles)[..., ::-1])
        aside.write_bytes(data.tobytes())


def mean_errors(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean error of each infant, in trunk lengths, each keypoint's counted as one at most.

    Args:
        errors: float64 (N, K) in trunk lengths; infinite where missed, NaN where not labelled.

    Returns:
        float64 (N,); 1 for infants that were missed, -1 for those without anything to measure.
    """
    counted = ~np.isnan(errors)
    total = np.where(counted, np.minimum(errors, 1.0), 0.0).sum(-1)
    count = counted.sum(-1)
    return np.where(count > 0, total / np.maximum(count, 1), -1.0)


@dataclass(frozen=True)
class _Sheet:
    """What all tiles need."""

    judgement: Judgement
    folder: LabelledFolder
    errors: NDArray[np.float64]
    show_heads: bool

    def tile(self, index: int, title: str) -> Rgb:
        """One infant in the crop in which it was found, under a line of text."""
        judgement = self.judgement
        instance, number = judgement.instances[index], judgement.matched[index]
        skeleton = judgement.skeleton
        if number is None:
            frame = CropFrame.from_box(instance.box_xyxy, judgement.input_wh)
            title = "missed"
        else:
            frame = judgement.estimates.frames[number]
        width, height = frame.input_wh
        frame = replace(frame, input_wh=(_TILE_WIDTH_PX, round(_TILE_WIDTH_PX * height / width)))
        picture = self._background(instance, frame)
        labels_xy = frame.to_crop(instance.labels.keypoints_xy[0])
        found_xy = frame.to_crop(judgement.keypoints_xy[index])
        _draw_skeleton(picture, labels_xy, skeleton, colours=[_LABEL] * skeleton.num_keypoints)
        for label, found, error in zip(labels_xy, found_xy, self.errors[index], strict=True):
            if THRESHOLDS[-1] < error < np.inf:
                cv2.line(picture, _pixel(label), _pixel(found), _OFF, 1, cv2.LINE_AA)
        _draw_skeleton(picture, found_xy, skeleton, colours=[_side(n) for n in skeleton.keypoints])
        strip = np.full((_TITLE_PX, _TILE_WIDTH_PX, 3), 30, np.uint8)
        text = f"{title}  {instance.picture.path.name[-20:]}"
        cv2.putText(strip, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _LABEL, 1, cv2.LINE_AA)
        return np.vstack([strip, picture])

    def _background(self, instance: Instance, frame: CropFrame) -> Rgb:
        crop = warp_crop(read_rgb(instance.picture), frame)
        if self.show_heads:
            return crop
        hidden = hiding_everybody(self.folder, instance.picture)
        return covered(crop, frame, hidden, instance.box_xyxy)


def _draw_skeleton(
    picture: Rgb,
    points_xy: NDArray[np.float64],
    skeleton: Skeleton,
    *,
    colours: list[tuple[int, int, int]],
) -> None:
    known = [bool(np.isfinite(point).all()) for point in points_xy]
    for a, b in skeleton.edges:
        if known[a] and known[b]:
            ends = _pixel(points_xy[a]), _pixel(points_xy[b])
            cv2.line(picture, *ends, colours[b], 1, cv2.LINE_AA)
    for point, seen, colour in zip(points_xy, known, colours, strict=True):
        if seen:
            cv2.circle(picture, _pixel(point), 2, colour, -1, cv2.LINE_AA)


def _pixel(point: NDArray[np.float64]) -> tuple[int, int]:
    x, y = point.round().astype(int)
    return int(x), int(y)


def _side(name: str) -> tuple[int, int, int]:
    return {"right": _RIGHT, "left": _LEFT}.get(name.split("_", maxsplit=1)[0], _MIDDLE)


def _grid(tiles: list[Rgb]) -> Rgb:
    columns = min(_COLUMNS, len(tiles))
    blank = np.full_like(tiles[0], 30)
    padded = [*tiles, *[blank] * (-len(tiles) % columns)]
    rows = [np.hstack(padded[i : i + columns]) for i in range(0, len(padded), columns)]
    return np.vstack(rows)
