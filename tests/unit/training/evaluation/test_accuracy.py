"""PCK, errors and swaps on cases that can be done in the head."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model.spec.arrays import LabelledKeypoints
from model.spec.skeleton import load_skeleton
from model.training.evaluation.accuracy import errors_px, labels_of, measure

INFANT21 = load_skeleton("infant21")
CHEST, HIPS = INFANT21.index("chest"), (INFANT21.index("left_hip"), INFANT21.index("right_hip"))


def labels_with_trunk(
    count: int, *, trunk_px: float = 100.0
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Infants with all points labelled far from each other, head up, the trunk of that length."""
    index = np.arange(21)
    points = np.stack([1000.0 + 500 * (index % 5), 3000.0 + 500 * (index // 5)], axis=-1)
    points[CHEST] = 0, 0
    points[HIPS[0]], points[HIPS[1]] = (40, trunk_px), (-40, trunk_px)
    stack = np.repeat(points[None], count, axis=0).astype(np.float32)
    return stack, np.full((count, 21), 2, np.uint8)


def test_shares_and_errors() -> None:
    xy, visibility = labels_with_trunk(4)
    found = xy.copy()
    wrist = INFANT21.index("left_wrist")
    found[:, wrist, 0] += (5, 15, 25, 205)
    visibility[1, wrist] = 1
    accuracy = measure(found, LabelledKeypoints(xy, visibility), INFANT21)
    one = accuracy.keypoints[wrist]
    assert (one.name, one.labelled, one.pck10, one.pck20) == ("left_wrist", 4, 0.25, 0.5)
    assert (one.median_px, one.median_trunk) == pytest.approx((20, 0.2))
    assert one.p95_px == pytest.approx(25 + 0.85 * 180)
    assert one.p95_trunk == pytest.approx(1.78)
    assert (accuracy.pck20.share, accuracy.pck20.count) == (82 / 84, 84)
    assert (accuracy.pck10.share, accuracy.pck10.count) == (81 / 84, 84)
    assert (accuracy.pck20_occluded.share, accuracy.pck20_occluded.count) == (1.0, 1)
    assert accuracy.pck20_visible.count == 83


def test_standard_error_is_from_infant_to_infant() -> None:
    """Two infants all right, two all wrong: a half, as sure as four throws of a coin are."""
    xy, visibility = labels_with_trunk(4)
    found = xy.copy()
    found[2:] += 50
    accuracy = measure(found, LabelledKeypoints(xy, visibility), INFANT21)
    assert accuracy.pck20.share == 0.5
    assert accuracy.pck20.standard_error == pytest.approx(0.5 / np.sqrt(3))
    single = measure(found[:1], LabelledKeypoints(xy[:1], visibility[:1]), INFANT21)
    assert single.pck20.standard_error is None


def test_what_is_not_labelled_does_not_count() -> None:
    xy, visibility = labels_with_trunk(2)
    found = xy + 3
    eye = INFANT21.index("left_eye")
    xy[:, eye], visibility[:, eye] = np.nan, 0
    accuracy = measure(found, LabelledKeypoints(xy, visibility), INFANT21)
    assert accuracy.pck20.count == 40
    assert accuracy.keypoints[eye].labelled == 0
    assert (accuracy.keypoints[eye].pck20, accuracy.keypoints[eye].median_px) == (None, None)
    assert accuracy.swaps.count == 16


def test_without_a_trunk_only_px_are_measured() -> None:
    xy, visibility = labels_with_trunk(1)
    found = xy + np.float32(3)
    xy[0, CHEST], visibility[0, CHEST] = np.nan, 0
    accuracy = measure(found, LabelledKeypoints(xy, visibility), INFANT21)
    knee = accuracy.keypoints[INFANT21.index("left_knee")]
    assert knee.median_px == pytest.approx(3 * np.sqrt(2))
    assert (knee.median_trunk, knee.pck20) == (None, None)
    assert (accuracy.pck20.share, accuracy.pck20.count) == (None, 0)


def test_a_missed_infant_is_wrong_everywhere_and_far_nowhere() -> None:
    xy, visibility = labels_with_trunk(2)
    found = xy.copy()
    found[1] = np.nan
    accuracy = measure(found, LabelledKeypoints(xy, visibility), INFANT21)
    assert (accuracy.pck20.share, accuracy.pck20.count) == (0.5, 42)
    assert all(one.p95_px == 0 for one in accuracy.keypoints)
    assert accuracy.swaps.count == 9
    assert np.isinf(errors_px(found, LabelledKeypoints(xy, visibility))[1]).all()


def test_swaps() -> None:
    """Infant 0 has its knees exchanged; infant 1's knees are both wrong, and no swap."""
    xy, visibility = labels_with_trunk(2)
    left, right = INFANT21.index("left_knee"), INFANT21.index("right_knee")
    found = xy.copy()
    found[0, [left, right]] = xy[0, [right, left]] + 4
    found[1, [left, right]] = xy[1, [right, left]] + 90
    accuracy = measure(found, LabelledKeypoints(xy, visibility), INFANT21)
    by_pair = {one.pair: one.swapped for one in accuracy.swaps_by_pair}
    assert (by_pair["knee"].share, by_pair["knee"].count) == (0.5, 2)
    assert (by_pair["hip"].share, by_pair["hip"].count) == (0.0, 2)
    assert (accuracy.swaps.share, accuracy.swaps.count) == (1 / 18, 18)


def test_where_the_head_points() -> None:
    xy, visibility = labels_with_trunk(4)
    turned = xy.copy()
    turned[1] = np.stack([-xy[1, :, 1], xy[1, :, 0]], axis=-1)  # clockwise: head to the right
    turned[2] = -xy[2]
    turned[3] = np.stack([xy[3, :, 1], -xy[3, :, 0]], axis=-1)
    found = turned.copy()
    found[1] += 500
    accuracy = measure(found, LabelledKeypoints(turned, visibility), INFANT21)
    shares = {name: share.share for name, share in accuracy.pck20_by_direction.items()}
    assert shares == {"up": 1.0, "right": 0.0, "down": 1.0, "left": 1.0}


def test_nobody_at_all() -> None:
    accuracy = measure(np.zeros((0, 21, 2), np.float32), labels_of([], INFANT21), INFANT21)
    assert (accuracy.pck20.share, accuracy.swaps.share) == (None, None)
    assert [one.labelled for one in accuracy.keypoints] == [0] * 21
