"""Drawn skeletons: sides by colour, hollow where unsure, nothing where nothing is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model.spec.skeleton import load_skeleton
from workers.pipeline.preview.skeleton_drawing import COLOURS, draw_names, draw_skeleton, side_of

INFANT = load_skeleton("infant21")


def _points(**named: tuple[float, float]) -> NDArray[np.float32]:
    points = np.full((21, 2), np.nan, np.float32)
    for name, xy in named.items():
        points[INFANT.index(name)] = xy
    return points


def _drawn(points: NDArray[np.float32], *, sure: bool = True) -> NDArray[np.uint8]:
    picture = np.full((120, 160, 3), 90, np.uint8)
    draw_skeleton(picture, points, np.full(21, sure), INFANT)
    return picture


@pytest.mark.parametrize("side", ["left", "right"])
def test_bones_and_points_have_their_sides_colour(side: str) -> None:
    picture = _drawn(_points(**{f"{side}_knee": (30, 40), f"{side}_ankle": (110, 40)}))
    for x in (30, 70, 110):
        np.testing.assert_allclose(picture[40, x], COLOURS[side_of(f"{side}_knee")], atol=30)
    assert picture[37, 70].max() < 90, "with a dark seam"


def test_what_is_unsure_is_hollow_and_thin() -> None:
    points = _points(left_knee=(30, 40), left_ankle=(110, 40))
    sure, unsure = _drawn(points), _drawn(points, sure=False)
    assert (unsure[40, 30] != COLOURS["left"]).any()
    changed = [(np.abs(one.astype(int) - 90).max(2) > 20).sum() for one in (sure, unsure)]
    assert changed[1] < 0.6 * changed[0]


def test_nothing_known_draws_nothing() -> None:
    nothing = _points()
    far = _points(left_knee=(np.inf, 3), left_ankle=(1e30, -1e30))
    for points in (nothing, far):
        picture = _drawn(points)
        draw_names(picture, points, INFANT)
        assert (picture == 90).all()


def test_points_beyond_the_edge_draw_what_is_inside() -> None:
    picture = _drawn(_points(right_knee=(-40, 60), right_ankle=(60, 60)))
    np.testing.assert_allclose(picture[60, 5], COLOURS["right"], atol=30)


def test_names_stand_beside_each_other() -> None:
    points = _points(left_wrist=(80, 60), left_middle_finger=(82, 61), chin=(20, 20))
    picture = np.full((120, 160, 3), 90, np.uint8)
    draw_names(picture, points, INFANT)
    rows = np.flatnonzero((picture[:, 84:100] != 90).any((1, 2)))
    assert np.ptp(rows) > 18, "two lines of text"
