"""How far keypoints are from their labels, in px and in trunk lengths."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import LabelledKeypoints
from model.spec.metrics import pck, trunk_length
from model.spec.skeleton import Skeleton
from model.spec.turning import trunk_angle
from model.training.data.folder import Instance

THRESHOLDS: Final = (0.1, 0.2)
"""Of the PCK, in trunk lengths."""

DIRECTIONS: Final = ("up", "right", "down", "left")
"""Where the head points in the picture, each within 45 degrees; infants with a labelled trunk."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Share:
    """A share of a number of things.

    Attributes:
        share: 0..1; None of none.
        count: Of how many.
        standard_error: Of the share, from infant to infant; None of fewer than two infants.
    """

    share: float | None
    count: int
    standard_error: float | None = None


@dataclass(frozen=True)
class KeypointAccuracy:
    """One keypoint, over all infants in which it is labelled.

    Attributes:
        name: Of the keypoint.
        labelled: In how many infants it is.
        pck10: PCK at 0.1 of the trunk.
        pck20: PCK at 0.2 of the trunk.
        median_px: Median error.
        p95_px: 95th percentile of the error.
        median_trunk: Median error in trunk lengths.
        p95_trunk: 95th percentile of the error in trunk lengths.
    """

    name: str
    labelled: int
    pck10: float | None
    pck20: float | None
    median_px: float | None
    p95_px: float | None
    median_trunk: float | None
    p95_trunk: float | None


@dataclass(frozen=True)
class PairSwaps:
    """Left and right of one pair mistaken for each other, as a share of its labelled pairs."""

    pair: str
    swapped: Share


@dataclass(frozen=True)
class Accuracy:
    """All of it.

    Attributes:
        pck10: Over all labelled keypoints of infants with a labelled trunk.
        pck20: Likewise at 0.2.
        pck20_visible: Of keypoints labelled as visible.
        pck20_occluded: Of keypoints labelled as occluded.
        pck20_by_direction: By where the head points.
        keypoints: Each keypoint.
        swaps: Over all pairs.
        swaps_by_pair: Each pair.
    """

    pck10: Share
    pck20: Share
    pck20_visible: Share
    pck20_occluded: Share
    pck20_by_direction: dict[str, Share]
    keypoints: tuple[KeypointAccuracy, ...]
    swaps: Share
    swaps_by_pair: tuple[PairSwaps, ...]


def labels_of(instances: Sequence[Instance], skeleton: Skeleton) -> LabelledKeypoints:
    """The labels of N instances, of 0 too."""
    count = skeleton.num_keypoints
    return LabelledKeypoints(
        np.concatenate(
            [np.zeros((0, count, 2), np.float32), *(i.labels.keypoints_xy for i in instances)]
        ),
        np.concatenate([np.zeros((0, count), np.uint8), *(i.labels.visibility for i in instances)]),
    )


def errors_px(keypoints_xy: NDArray[np.float32], labels: LabelledKeypoints) -> Matrix:
    """Distances float64 (N, K) in px: infinite where not found, NaN where not labelled."""
    offset = keypoints_xy.astype(np.float64) - labels.keypoints_xy
    distance = np.linalg.norm(offset, axis=-1)
    missing = np.isnan(keypoints_xy).any(-1) & (labels.visibility > 0)
    return np.where(missing, np.inf, np.where(labels.visibility > 0, distance, np.nan))


def errors_in_trunks(
    keypoints_xy: NDArray[np.float32], labels: LabelledKeypoints, skeleton: Skeleton
) -> Matrix:
    """Distances float64 (N, K) in trunk lengths; NaN too where the trunk is not labelled."""
    trunk = trunk_length(labels, skeleton)
    usable = np.where(trunk > 0, trunk, np.nan)
    return errors_px(keypoints_xy, labels) / usable[:, None]


def measure(
    keypoints_xy: NDArray[np.float32], labels: LabelledKeypoints, skeleton: Skeleton
) -> Accuracy:
    """Compare N predictions with their labels.

    Args:
        keypoints_xy: float32 (N, K, 2) picture px; NaN where an infant was missed. It then counts
            against the PCK, and not in the errors' quantiles.
        labels: N instances.
        skeleton: Of both.

    Raises:
        ArrayError: Shapes that do not belong together.
    """
    in_px = errors_px(keypoints_xy, labels)
    in_trunks = errors_in_trunks(keypoints_xy, labels, skeleton)
    pck10, pck20 = (pck(keypoints_xy, labels, skeleton, threshold=limit) for limit in THRESHOLDS)
    counted = ~np.isnan(in_trunks)
    seen = labels.visibility == 2
    towards = _head_direction(labels, skeleton)
    swapped, pairs = _swaps(keypoints_xy, labels, skeleton)
    within = in_trunks <= THRESHOLDS[1]
    return Accuracy(
        pck10=_share(in_trunks <= THRESHOLDS[0], counted),
        pck20=_share(within, counted),
        pck20_visible=_share(within, counted & seen),
        pck20_occluded=_share(within, counted & ~seen),
        pck20_by_direction={
            name: _share(within, counted & (towards == i)[:, None])
            for i, name in enumerate(DIRECTIONS)
        },
        keypoints=tuple(
            KeypointAccuracy(
                name,
                int((labels.visibility[:, k] > 0).sum()),
                _number(pck10[k]),
                _number(pck20[k]),
                *_quantiles(in_px[:, k]),
                *_quantiles(in_trunks[:, k]),
            )
            for k, name in enumerate(skeleton.keypoints)
        ),
        swaps=_share(swapped, pairs),
        swaps_by_pair=tuple(
            PairSwaps(
                skeleton.keypoints[a].split("_", 1)[1],
                _share(swapped[:, [p]], pairs[:, [p]]),
            )
            for p, (a, _) in enumerate(skeleton.flip_pairs)
        ),
    )


def _share(hits: NDArray[np.bool_], counted: NDArray[np.bool_]) -> Share:
    """Of (N, M) things that count, with the standard error of a ratio over N infants."""
    count = int(counted.sum())
    if not count:
        return Share(None, 0)
    share = float((hits & counted).sum() / count)
    per_infant = (hits & counted).sum(-1) - share * counted.sum(-1)
    infants = int(counted.any(-1).sum())
    if infants < 2:
        return Share(share, count)
    spread = infants / (infants - 1) * float((per_infant**2).sum())
    return Share(share, count, float(np.sqrt(spread)) / count)


def _swaps(
    keypoints_xy: NDArray[np.float32], labels: LabelledKeypoints, skeleton: Skeleton
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the P pairs are swapped, and which count, both (N, P).

    A pair counts where both are labelled and found and the trunk is labelled. It is swapped where
    exchanging the two brings both nearer to their labels, and within 0.2 trunk lengths.
    """
    exchanged = errors_in_trunks(keypoints_xy[:, skeleton.flip_order], labels, skeleton)
    as_found = errors_in_trunks(keypoints_xy, labels, skeleton)
    better = (exchanged < as_found) & (exchanged <= THRESHOLDS[1])
    left, right = np.array(skeleton.flip_pairs, np.intp).reshape(-1, 2).T
    counts = np.isfinite(as_found)
    return better[:, left] & better[:, right], counts[:, left] & counts[:, right]


def _head_direction(labels: LabelledKeypoints, skeleton: Skeleton) -> NDArray[np.intp]:
    """Index into DIRECTIONS (N,); -1 where the trunk is not labelled."""
    angles = [trunk_angle(points, skeleton) for points in labels.keypoints_xy]
    return np.array([-1 if angle is None else round(angle / 90) % 4 for angle in angles], np.intp)


def _quantiles(errors: Matrix) -> tuple[float | None, float | None]:
    """Median and 95th percentile over what was labelled and found."""
    finite = errors[np.isfinite(errors)]
    if not len(finite):
        return None, None
    median, most = np.quantile(finite, (0.5, 0.95))
    return float(median), float(most)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
