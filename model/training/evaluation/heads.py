"""Where heads are in a picture, and how they are covered."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.geometry import CropFrame
from model.spec.skeleton import Skeleton
from model.training.data.folder import Instance, LabelledFolder, Picture

CELLS = 6
"""Mosaic cells across a head; a finer mosaic can be recognised."""

HEAD_ABOVE_TRUNK = 0.45
"""Where the head's middle is: trunk lengths above the trunk's upper end (median of synthetic
infants)."""

HEAD_RADIUS = 0.75
"""Radius in trunk lengths that holds a head around its middle or around a point on it."""

HEAD_TO_BODY = 0.2
"""Least radius as a share of the infant's longer side, for trunks seen from their end."""

Polygon = NDArray[np.float64]


def head_regions(
    folder: LabelledFolder, picture: Picture, instances: Iterable[Instance]
) -> list[Polygon]:
    """Regions of a picture that hold its labelled heads.

    A head that is labelled is its polygon, or the corners of its box. Of an infant without one it
    is guessed from the trunk and the keypoints on the head; of an infant with neither it may be
    anywhere in its box.

    Args:
        folder: Gives the heads' boxes.
        picture: Which one.
        instances: The infants in it.

    Returns:
        Polygons float64 (P, 2), picture px.
    """
    regions = [_rectangle(box) for box in folder.heads.get(picture.id, ())]
    for one in instances:
        if one.head_polygon is not None:
            regions.append(one.head_polygon.astype(np.float64))
        else:
            regions += _guessed(one, folder.skeleton)
    return regions


def _guessed(one: Instance, skeleton: Skeleton) -> list[Polygon]:
    points = one.labels.keypoints_xy[0].astype(np.float64)
    upper, lower = (points[list(group)].mean(0) for group in skeleton.trunk)
    trunk = float(np.linalg.norm(lower - upper))
    middles = np.concatenate(
        [points[list(skeleton.head)], [upper + HEAD_ABOVE_TRUNK * (upper - lower)]]
    )
    middles = middles[np.isfinite(middles).all(-1)]
    if not len(middles):
        return [_rectangle(one.box_xyxy)]
    side = float((one.box_xyxy[2:] - one.box_xyxy[:2]).max()) + 1
    radius = np.nanmax([HEAD_RADIUS * trunk, HEAD_TO_BODY * side])
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = radius * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    return [middle + circle for middle in middles]


def _rectangle(box_xyxy: NDArray[np.floating]) -> Polygon:
    x1, y1, x2, y2 = np.asarray(box_xyxy, np.float64)
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])


def covered(
    crop: NDArray[np.uint8],
    frame: CropFrame,
    heads: Sequence[Polygon],
    box_xyxy: NDArray[np.floating],
) -> NDArray[np.uint8]:
    """A crop with a coarse mosaic over its heads and over all that is outside a box.

    Args:
        crop: uint8 (H, W, 3).
        frame: Where it lies.
        heads: Regions in picture px.
        box_xyxy: (4,) the infant's box in picture px.

    Returns:
        A copy.
    """
    height, width = crop.shape[:2]
    hidden = np.ones((height, width), np.uint8)
    cv2.fillPoly(hidden, [_pixels(frame, _rectangle(box_xyxy))], 0)
    for region in heads:
        cv2.fillPoly(hidden, [_pixels(frame, region)], 1)
    side = float((box_xyxy[2:] - box_xyxy[:2]).max()) + 1
    largest = max([2 * HEAD_TO_BODY * side, *(float(np.ptp(one, axis=0).max()) for one in heads)])
    cell_px = max(1.0, largest / frame.scale / CELLS)
    cells = (max(1, int(width / cell_px)), max(1, int(height / cell_px)))
    small = cv2.resize(crop, cells, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.where(hidden[..., None] > 0, coarse, crop).astype(np.uint8)


def _pixels(frame: CropFrame, region: Polygon) -> NDArray[np.int32]:
    return np.asarray(frame.to_crop(region).round(), np.int32)
