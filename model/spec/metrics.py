"""OKS and PCK: how near keypoints are to their labels."""

import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import LabelledKeypoints, check_array
from model.spec.errors import ArrayError
from model.spec.skeleton import Skeleton


def oks(
    keypoints_xy: NDArray[np.float32],
    labels: LabelledKeypoints,
    area_px: NDArray[np.float32],
    skeleton: Skeleton,
) -> NDArray[np.float64]:
    """Object keypoint similarity of N predictions with N labels, equation (6).

    As pycocotools computes it: `exp(-d^2 / (2 * area * (2 * sigma)^2))`, averaged over the
    labelled keypoints (visibility 1 or 2).

    Args:
        keypoints_xy: float32 (N, K, 2) predicted px; NaN counts as infinitely far.
        labels: N labelled instances in the same px.
        area_px: float32 (N,) area of each labelled object in px^2, above 0.
        skeleton: Gives each keypoint's sigma.

    Returns:
        float64 (N,) in 0..1; NaN where no keypoint is labelled.

    Raises:
        ArrayError: Shapes that do not belong together, or an area of 0 or less.
    """
    distance = _distances(keypoints_xy, labels, skeleton)
    check_array("area_px", area_px, (len(labels),), np.float32)
    if not (area_px > 0).all():
        raise ArrayError(f"area_px: expected areas above 0, got {area_px.min():g}")
    variance = (2 * np.asarray(skeleton.oks_sigmas)) ** 2
    similarity = np.exp(-(distance**2) / (2 * area_px[:, None] * variance))
    return _mean_over(similarity, labels.visibility > 0)


def pck(
    keypoints_xy: NDArray[np.float32],
    labels: LabelledKeypoints,
    skeleton: Skeleton,
    *,
    threshold: float = 0.2,
) -> NDArray[np.float64]:
    """Percentage of correct keypoints: the share within `threshold` trunk lengths of their label.

    Args:
        keypoints_xy: float32 (N, K, 2) predicted px; NaN counts as wrong.
        labels: N labelled instances in the same px.
        skeleton: Gives the trunk (infant21: chest to mid-hip, coco17: mid-shoulder to mid-hip).
        threshold: In trunk lengths.

    Returns:
        float64 (K,): per keypoint, over the instances where it and the trunk are labelled; NaN
        where there is none.

    Raises:
        ArrayError: Shapes that do not belong together.
    """
    distance = _distances(keypoints_xy, labels, skeleton)
    trunk = trunk_length(labels, skeleton)[:, None]
    counted = (labels.visibility > 0) & np.isfinite(trunk)
    correct = distance <= threshold * np.where(np.isfinite(trunk), trunk, 0.0)
    return _mean_over(correct.T.astype(np.float64), counted.T)


def trunk_length(labels: LabelledKeypoints, skeleton: Skeleton) -> NDArray[np.float64]:
    """Trunk lengths in px, float64 (N,); NaN where an end of the trunk is unlabelled."""
    ends = []
    for group in skeleton.trunk:
        points = np.where(
            labels.visibility[:, group, None] > 0,
            labels.keypoints_xy[:, group].astype(np.float64),
            np.nan,
        )
        ends.append(points.mean(axis=1))
    return np.asarray(np.linalg.norm(ends[0] - ends[1], axis=-1))


def _distances(
    keypoints_xy: NDArray[np.float32], labels: LabelledKeypoints, skeleton: Skeleton
) -> NDArray[np.float64]:
    """Distance in px (N, K); infinite where the prediction is missing, NaN where unlabelled."""
    shape = (len(labels), skeleton.num_keypoints)
    check_array("labels.visibility", labels.visibility, shape, np.uint8)
    check_array("keypoints_xy", keypoints_xy, (*shape, 2), np.float32)
    offset = keypoints_xy.astype(np.float64) - labels.keypoints_xy
    distance = np.linalg.norm(offset, axis=-1)
    missing = np.isnan(keypoints_xy).any(-1)
    return np.where(missing, np.inf, distance)


def _mean_over(values: NDArray[np.float64], counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean along the last axis over what counts; NaN where nothing does."""
    total = np.where(counted, values, 0.0).sum(-1)
    count = counted.sum(-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
