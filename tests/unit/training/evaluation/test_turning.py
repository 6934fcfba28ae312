"""Turned crops hold the infant, with its trunk down."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from model.spec.geometry import CropFrame
from model.spec.skeleton import load_skeleton
from model.spec.turning import trunk_angle, turned_frame

Infant = Callable[[float, tuple[float, float]], NDArray[np.float64]]
INFANT21 = load_skeleton("infant21")
INPUT_WH = (192, 256)


def box_of(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([points.min(0) - 6, points.max(0) + 6])


@pytest.mark.parametrize("angle_deg", [0, 30, 90, 135, 180, -90, -20.5])
def test_the_trunk_points_down(infant: Infant, angle_deg: float) -> None:
    points = infant(angle_deg, (300.0, 200.0))
    found = trunk_angle(points, INFANT21)
    assert found is not None
    assert (found - angle_deg + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)
    frame = turned_frame(box_of(points), points, INFANT21, INPUT_WH)
    in_crop = frame.to_crop(points)
    chest, hips = in_crop[[19]].mean(0), in_crop[[5, 14]].mean(0)
    assert hips[0] == pytest.approx(chest[0], abs=1e-6)
    assert hips[1] > chest[1] + 20
    assert ((in_crop > 8) & (in_crop < np.array(INPUT_WH) - 8)).all()


def test_a_lying_infant_is_larger_in_a_turned_crop(infant: Infant) -> None:
    points = infant(90, (300.0, 200.0))
    as_it_lies = CropFrame.from_box(box_of(points), INPUT_WH)
    turned = turned_frame(box_of(points), points, INFANT21, INPUT_WH)
    assert turned.scale < 0.75 * as_it_lies.scale


def test_the_crown_is_inside_where_no_point_of_the_head_is_known(infant: Infant) -> None:
    points = infant(60, (300.0, 200.0))
    box = box_of(points)
    crown = points[19] + 0.85 * (points[19] - points[[5, 14]].mean(0))
    points[list(INFANT21.head)] = np.nan
    x, y = turned_frame(box, points, INFANT21, INPUT_WH).to_crop(crown)
    assert 0 < x < 191
    assert 0 < y < 255


def test_points_that_run_away_are_held_by_the_box(infant: Infant) -> None:
    points = infant(0, (300.0, 200.0))
    box = box_of(points)
    points[4] = -2000, 5000
    turned = turned_frame(box, points, INFANT21, INPUT_WH)
    assert turned.width_px <= CropFrame.from_box(box, INPUT_WH).width_px * 1.01


def test_points_beside_the_box_leave_the_whole_box(infant: Infant) -> None:
    box = np.array([10.0, 10.0, 70.0, 90.0])
    turned = turned_frame(box, infant(180, (900.0, 900.0)), INFANT21, INPUT_WH)
    assert abs(turned.angle_deg) == pytest.approx(180)
    assert turned.width_px == pytest.approx(CropFrame.from_box(box, INPUT_WH).width_px)


def test_without_a_trunk_the_crop_lies_as_the_picture(infant: Infant) -> None:
    points = infant(90, (300.0, 200.0))
    box = box_of(points)
    points[19] = np.nan
    assert trunk_angle(points, INFANT21) is None
    turned = turned_frame(box, points, INFANT21, INPUT_WH)
    as_it_lies = CropFrame.from_box(box, INPUT_WH)
    assert (turned.angle_deg, turned.width_px) == (0, as_it_lies.width_px)


def test_a_trunk_of_no_length_points_nowhere() -> None:
    assert trunk_angle(np.full((21, 2), 50.0), INFANT21) is None
