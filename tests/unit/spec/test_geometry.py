"""Crops go out and come back; the convention is the released code's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.spec.errors import ArrayError, GeometryError
from model.spec.geometry import CropFrame, between_grids
from model.spec.warp import warp_crop, warp_crops

finite = st.floats(-2000, 2000)


def test_heatmap_to_crop_is_the_stated_formula() -> None:
    points = np.array([[0.0, 0.0], [23.5, 31.5], [10.25, 50.0]])
    expected = np.array([95.5, 127.5]) + (points - [23.5, 31.5]) * 191 / 47
    np.testing.assert_allclose(between_grids(points, (48, 64), (192, 256)), expected)


@given(finite, finite, st.floats(2, 3000), st.floats(-720, 720), finite, finite)
def test_to_picture_inverts_to_crop(
    x: float, y: float, width: float, angle: float, px: float, py: float
) -> None:
    frame = CropFrame((x, y), width, angle, (192, 256))
    point = np.array([px, py])
    np.testing.assert_allclose(frame.to_picture(frame.to_crop(point)), point, atol=1e-6)


@given(st.floats(2, 3000), st.floats(-720, 720))
def test_one_scale_serves_both_axes(width: float, angle: float) -> None:
    frame = CropFrame((5.0, 7.0), width, angle, (192, 256))
    corners = frame.to_picture(np.array([[0.0, 0.0], [191.0, 0.0], [0.0, 255.0]]))
    across, down = corners[1] - corners[0], corners[2] - corners[0]
    assert np.linalg.norm(across) == pytest.approx(width - 1)
    assert np.linalg.norm(down) == pytest.approx((width - 1) * 255 / 191)
    assert across @ down == pytest.approx(0, abs=1e-6 * width**2)


@pytest.mark.parametrize(
    ("box", "width"),
    [
        ((0, 0, 99, 39), 100 * 1.25),  # wide: the width rules
        ((0, 0, 29, 199), 200 * 0.75 * 1.25),  # tall: the height, times the aspect
    ],
)
def test_a_box_is_padded_to_the_crops_aspect(
    box: tuple[float, float, float, float], width: float
) -> None:
    frame = CropFrame.from_box(np.array(box), (192, 256))
    assert frame.width_px == pytest.approx(width)
    assert frame.center_xy == ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


def test_a_turn_of_90_brings_the_left_down() -> None:
    frame = CropFrame((50.0, 50.0), 192, 90, (192, 256))
    np.testing.assert_allclose(frame.to_picture(np.array([95.5, 137.5])), [40, 50], atol=1e-9)


@pytest.mark.parametrize("angle", [0.0, 90.0, 33.0])
def test_warp_puts_a_dot_where_to_crop_says(angle: float) -> None:
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[70:73, 90:93] = 255
    frame = CropFrame((80.0, 60.0), 96, angle, (192, 256))
    crop = warp_crop(picture, frame)[..., 0].astype(float)
    y, x = np.indices(crop.shape)
    found = np.array([(x * crop).sum(), (y * crop).sum()]) / crop.sum()
    np.testing.assert_allclose(found, frame.to_crop(np.array([91.0, 71.0])), atol=0.1)


def test_outside_the_picture_is_black() -> None:
    picture = np.full((10, 10, 3), 200, np.uint8)
    crop = warp_crop(picture, CropFrame((0.0, 0.0), 12, 0, (32, 32)))
    assert crop[0, 0].tolist() == [0, 0, 0]
    assert crop[-1, -1].tolist() == [200, 200, 200]


def test_warp_crops_stacks_frames() -> None:
    picture = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    frame = CropFrame((4.5, 4.5), 10, 0, (10, 10))
    crops = warp_crops(picture, [frame, frame.turned(180)])
    np.testing.assert_array_equal(crops.rgb[0], picture)
    np.testing.assert_array_equal(crops.rgb[1], picture[::-1, ::-1])


@pytest.mark.parametrize("width", [0.0, 1.0, math.nan, math.inf])
def test_frames_that_cannot_be_are_refused(width: float) -> None:
    with pytest.raises(GeometryError):
        CropFrame((0.0, 0.0), width, 0, (192, 256))


def test_boxes_inside_out_and_floats_are_refused() -> None:
    with pytest.raises(GeometryError, match="x1 <= x2"):
        CropFrame.from_box(np.array([5, 5, 4, 9]), (192, 256))
    with pytest.raises(ArrayError, match="expected uint8"):
        warp_crop(np.zeros((4, 4, 3)), CropFrame((0.0, 0.0), 9, 0, (32, 32)))  # type: ignore[arg-type]
