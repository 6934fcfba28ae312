"""The body's frame: the same whatever way the infant lies."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.spec.skeleton import load_skeleton
from tests.tracks import sample_rows
from workers.pipeline.smoothing.body_frame import in_body_frame, trunk_length_px, usual_trunk_px

INFANT = load_skeleton("infant21")
POINTS = sample_rows("landscape").keypoints_xy[::25]


@given(st.floats(-180, 180), st.floats(0.2, 5), st.floats(-500, 500), st.floats(-500, 500))
def test_turning_scaling_and_moving_the_picture_changes_nothing(
    angle_deg: float, scale: float, x: float, y: float
) -> None:
    angle = math.radians(angle_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved = scale * POINTS.astype(np.float64) @ turn.T + [x, y]
    np.testing.assert_allclose(
        in_body_frame(moved, INFANT), in_body_frame(POINTS, INFANT), atol=1e-5
    )


def test_the_axes_are_those_of_an_infant_on_its_back() -> None:
    points = np.full((1, 21, 2), np.nan)
    for name, xy in {
        "chest": (100, 100), "left_hip": (110, 200), "right_hip": (90, 200),
        "left_wrist": (150, 150), "chin": (100, 50),
    }.items():  # fmt: skip
        points[0, INFANT.index(name)] = xy
    body = in_body_frame(points, INFANT)[0]
    np.testing.assert_allclose(body[INFANT.index("chest")], [0, 1], atol=1e-12)
    np.testing.assert_allclose(body[INFANT.index("left_wrist")], [0.5, 0.5], atol=1e-12)
    np.testing.assert_allclose(body[INFANT.index("chin")], [0, 1.5], atol=1e-12)
    assert np.isnan(body[INFANT.index("left_knee")]).all()


def test_without_a_trunk_there_is_no_frame() -> None:
    lost = POINTS.copy()
    lost[3, INFANT.index("chest")] = np.nan
    body = in_body_frame(lost, INFANT)
    assert np.isnan(body[3]).all()
    assert np.isfinite(body[4]).all()
    assert np.isnan(trunk_length_px(lost, INFANT)[3])
    lost[:, INFANT.index("chest")] = np.nan
    assert np.isnan(in_body_frame(lost, INFANT)).all()
    assert usual_trunk_px(lost, INFANT) is None
    assert usual_trunk_px(np.zeros((4, 21, 2)), INFANT) is None
    assert np.isnan(in_body_frame(np.zeros((4, 21, 2)), INFANT)).all()
    assert usual_trunk_px(POINTS[:0], INFANT) is None


def test_the_unit_is_the_median_trunk() -> None:
    lengths = trunk_length_px(POINTS, INFANT)
    assert usual_trunk_px(POINTS, INFANT) == pytest.approx(np.median(lengths))
