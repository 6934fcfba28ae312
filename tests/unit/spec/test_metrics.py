"""OKS and PCK against numbers worked out by hand."""

import math

import numpy as np
import pytest

from model.spec.arrays import LabelledKeypoints
from model.spec.errors import ArrayError
from model.spec.metrics import oks, pck, trunk_length
from model.spec.skeleton import load_skeleton

INFANT = load_skeleton("infant21")


def labels(count: int = 1) -> LabelledKeypoints:
    points = np.zeros((count, 21, 2), np.float32)
    points[:, INFANT.index("chest")] = 100, 100
    points[:, INFANT.index("right_hip")] = 90, 160
    points[:, INFANT.index("left_hip")] = 110, 160
    return LabelledKeypoints(points, np.full((count, 21), 2, np.uint8))


def test_oks_of_perfect_and_shifted_keypoints() -> None:
    label = labels(2)
    found = label.keypoints_xy.copy()
    found[1, :, 0] += 10
    area = np.array([10000, 10000], np.float32)
    expected = math.exp(-(10**2) / (2 * 10000 * (2 * 0.05) ** 2))
    np.testing.assert_allclose(oks(found, label, area, INFANT), [1.0, expected])


def test_oks_counts_labelled_keypoints_only() -> None:
    label = labels()
    label.visibility[0, 2:] = 0
    found = label.keypoints_xy.copy()
    found[0, 5] += 1000
    found[0, 1] = np.nan
    area = np.array([10000], np.float32)
    np.testing.assert_allclose(oks(found, label, area, INFANT), [0.5])
    label.visibility[0] = 0
    assert np.isnan(oks(found, label, area, INFANT)).all()


def test_trunk_runs_from_chest_to_the_middle_of_the_hips() -> None:
    label = labels()
    assert trunk_length(label, INFANT).tolist() == [60]
    label.visibility[0, INFANT.index("left_hip")] = 0
    assert np.isnan(trunk_length(label, INFANT)).all()


def test_pck_is_in_trunk_lengths() -> None:
    label = labels(2)
    found = label.keypoints_xy.copy()
    found[0, 0, 0] += 12  # just within 0.2 of 60 px
    found[1, 0, 0] += 12.1
    found[:, 1] = np.nan
    share = pck(found, label, INFANT, threshold=0.2)
    assert share[0] == 0.5
    assert share[1] == 0
    assert (share[2:] == 1).all()


def test_pck_without_a_trunk_is_unknown() -> None:
    label = labels()
    label.visibility[0, INFANT.index("chest")] = 0
    assert np.isnan(pck(label.keypoints_xy, label, INFANT)).all()


def test_shapes_must_belong_together() -> None:
    label = labels()
    with pytest.raises(ArrayError, match=r"expected float32 \(1, 21, 2\)"):
        pck(np.zeros((2, 21, 2), np.float32), label, INFANT)
    with pytest.raises(ArrayError, match=r"labels.visibility: expected uint8 \(1, 17\)"):
        pck(label.keypoints_xy, label, load_skeleton("coco17"))
    with pytest.raises(ArrayError, match="areas above 0"):
        oks(label.keypoints_xy, label, np.zeros(1, np.float32), INFANT)
