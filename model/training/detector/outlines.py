"""Outlines of infants and heads, so that their boxes stay tight when a picture is turned.

Turning a picture by any angle turns a box into a diamond, and the box around the diamond is far too
large. The convex hull of what lies in the box has the same box as its contents at every angle.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from model.spec.geometry import Size

Points = NDArray[np.float64]

_ELLIPSE_POINTS = 32


def outline_in_box(segmentation: object, box_xyxy: NDArray[np.floating], size_wh: Size) -> Points:
    """A convex outline that touches all four sides of a box.

    Args:
        segmentation: Of a COCO annotation: polygons, run lengths, or nothing.
        box_xyxy: (4,) px, first and last pixel centre.
        size_wh: Of the picture.

    Returns:
        float64 (P, 2) px within the picture, edges at integers: a pixel i spans i to i + 1. An
        ellipse where there is no segmentation.
    """
    low = np.maximum(np.asarray(box_xyxy[:2], np.float64), 0)
    high = np.minimum(np.asarray(box_xyxy[2:], np.float64) + 1, size_wh)
    hull = _hull(segmentation)
    if hull is None:
        angle = np.arange(_ELLIPSE_POINTS) * 2 * np.pi / _ELLIPSE_POINTS
        hull = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    first, last = hull.min(0), hull.max(0)
    return np.asarray(low + (hull - first) * (high - low) / (last - first))


def _hull(segmentation: object) -> Points | None:
    """The convex hull (P, 2) in px, or None where there is none that has an area."""
    if isinstance(segmentation, Mapping):
        points = _mask_points(dict(segmentation))
    elif isinstance(segmentation, list):
        polygons = [part for part in segmentation if isinstance(part, list) and len(part) >= 6]
        points = np.array([n for part in polygons for n in part], np.float32).reshape(-1, 2)
    else:
        return None
    if len(points) < 3:
        return None
    hull = cv2.convexHull(points.astype(np.float32))[:, 0].astype(np.float64)
    return hull if (np.ptp(hull, axis=0) >= 1).all() else None


def _mask_points(runs: dict[str, Any]) -> NDArray[np.float32]:
    if isinstance(runs["counts"], list):
        height, width = runs["size"]
        runs = coco_mask.frPyObjects(runs, height, width)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pycocotools and NumPy 2
        mask = np.ascontiguousarray(coco_mask.decode(runs))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    parts = [contour[:, 0].astype(np.float32) for contour in contours]
    return np.concatenate(parts) if parts else np.zeros((0, 2), np.float32)
