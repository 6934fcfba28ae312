"""Covering heads in the crops of a sheet, and all that is outside an infant's box."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.geometry import CropFrame
from model.training.data.heads import corners

CELLS: Final = 6
"""Mosaic cells across a head; a finer mosaic can be recognised."""

HEAD_PER_BOX: Final = 0.4
"""Least width of a head as a share of the infant's longer side, to choose the cells by."""


def covered(
    crop: NDArray[np.uint8],
    frame: CropFrame,
    heads: Sequence[NDArray[np.float32]],
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
    cv2.fillPoly(hidden, [_pixels(frame, corners(box_xyxy))], 0)
    for region in heads:
        cv2.fillPoly(hidden, [_pixels(frame, region)], 1)
    side = float((box_xyxy[2:] - box_xyxy[:2]).max()) + 1
    largest = max([HEAD_PER_BOX * side, *(float(np.ptp(one, axis=0).max()) for one in heads)])
    cell_px = max(1.0, largest / frame.scale / CELLS)
    cells = (max(1, int(width / cell_px)), max(1, int(height / cell_px)))
    small = cv2.resize(crop, cells, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.where(hidden[..., None] > 0, coarse, crop).astype(np.uint8)


def _pixels(frame: CropFrame, region: NDArray[np.float32]) -> NDArray[np.int32]:
    return np.asarray(frame.to_crop(region).round(), np.int32)
