"""Arrays refuse what they are not, and show nothing but shapes."""

import numpy as np
import pytest

from model.spec.arrays import Boxes, CropBatch, Keypoints, LabelledKeypoints
from model.spec.errors import ArrayError


def test_crops_say_expected_and_got() -> None:
    with pytest.raises(
        ArrayError, match=r"expected uint8 \(N, H, W, 3\), got float32 \(2, 8, 6, 3\)"
    ):
        CropBatch(np.zeros((2, 8, 6, 3), np.float32))
    with pytest.raises(ArrayError, match=r"got uint8 \(2, 8, 6, 1\)"):
        CropBatch(np.zeros((2, 8, 6, 1), np.uint8))
    with pytest.raises(ArrayError, match="got list"):
        CropBatch([1, 2, 3])  # type: ignore[arg-type]


def test_sizes_must_agree_between_fields() -> None:
    with pytest.raises(
        ArrayError, match=r"scores: expected float32 \(2, 21\), got float32 \(2, 17\)"
    ):
        Keypoints(np.zeros((2, 21, 2), np.float32), np.zeros((2, 17), np.float32))


def test_labels_need_a_place_where_they_are_visible() -> None:
    points = np.full((1, 2, 2), np.nan, np.float32)
    LabelledKeypoints(points, np.zeros((1, 2), np.uint8))
    with pytest.raises(ArrayError, match="got NaN"):
        LabelledKeypoints(points, np.array([[0, 1]], np.uint8))
    with pytest.raises(ArrayError, match="expected 0, 1 or 2, got 3"):
        LabelledKeypoints(np.zeros((1, 2, 2), np.float32), np.array([[0, 3]], np.uint8))


def test_boxes_inside_out_or_not_finite_are_refused() -> None:
    with pytest.raises(ArrayError, match="inside out"):
        Boxes(np.array([[5, 5, 4, 9]], np.float32))
    with pytest.raises(ArrayError, match="NaN"):
        Boxes(np.array([[5, 5, np.nan, 9]], np.float32))


def test_coco_boxes_count_pixels() -> None:
    boxes = Boxes.from_xywh(np.array([[10.0, 20.0, 4.0, 3.0]]))
    assert boxes.xyxy.tolist() == [[10, 20, 13, 22]]
    assert boxes.xywh.tolist() == [[10, 20, 4, 3]]


def test_repr_shows_shapes_only() -> None:
    keypoints = Keypoints(np.full((1, 21, 2), 7.25, np.float32), np.ones((1, 21), np.float32))
    assert repr(keypoints) == "Keypoints(keypoints_xy=float32[1, 21, 2], scores=float32[1, 21])"
