"""Crops of a posture: as `turned_frame` makes them, carried along with the box, nothing cut off."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.spec.arrays import Keypoints
from model.spec.skeleton import load_skeleton
from model.spec.turning import turned_frame
from tests.drawn_infants import Drawn
from workers.pipeline.posing.posture import Posture

SKELETON = load_skeleton("infant21")
SIZE = (192, 256)
ENDS = [place for group in SKELETON.trunk for place in group]
ANGLES = st.floats(-180, 180)


def _keypoints(*infants: Drawn, scores: tuple[float, ...] | None = None) -> Keypoints:
    xy = np.stack([infant.keypoints_xy for infant in infants]).astype(np.float32)
    given_scores = np.array(scores or (0.5,) * len(infants), np.float32)
    return Keypoints(xy, np.repeat(given_scores[:, None], xy.shape[1], axis=1))


def _boxes(*infants: Drawn) -> NDArray[np.float64]:
    return np.stack([infant.box_xyxy for infant in infants])


def _of(keypoints: Keypoints, boxes: NDArray[np.float64], otherwise: Posture) -> Posture:
    return Posture.of(keypoints, boxes, SKELETON, otherwise=otherwise, min_trunk_score=0.3)


def _posture(*infants: Drawn, near_deg: float = 0.0) -> Posture:
    return _of(_keypoints(*infants), _boxes(*infants), Posture.anyhow(near_deg))


@given(angle=ANGLES, size=st.floats(20, 300))
def test_of_one_frame_it_is_the_turned_frame(angle: float, size: float) -> None:
    infant = Drawn((300, 200), angle, (size, 2 * size))
    (crop,) = _posture(infant).crops(_boxes(infant), SIZE)
    expected = turned_frame(infant.box_xyxy, _keypoints(infant).keypoints_xy[0], SKELETON, SIZE)
    np.testing.assert_allclose(crop.center_xy, expected.center_xy, atol=0.02)
    assert crop.width_px == pytest.approx(expected.width_px, abs=0.05)
    assert abs((crop.angle_deg - expected.angle_deg + 180) % 360 - 180) < 0.01


@given(angle=ANGLES, turns=st.lists(st.floats(-15, 15), min_size=1, max_size=8))
def test_angles_are_unwrapped_about_the_last(angle: float, turns: list[float]) -> None:
    infants = [Drawn((300, 200), angle + turn, (60, 120)) for turn in turns]
    posture = _posture(*infants, near_deg=angle)
    assert -180 <= posture.angle_deg <= 180
    difference = (posture.angle_deg - angle - np.median(turns) + 180) % 360 - 180
    assert abs(difference) < 0.05


@given(angle=ANGLES, dx=st.floats(-50, 50), stretch=st.floats(1, 1.6), scale=st.floats(0.8, 1.3))
def test_the_crop_goes_and_grows_with_the_box(
    angle: float, dx: float, stretch: float, scale: float
) -> None:
    before = Drawn((300, 200), angle, (60, 120))
    now = Drawn((300 + dx, 210), angle, (60 * scale * stretch, 120 * scale))
    (crop,) = _posture(before).crops(_boxes(now), SIZE)
    in_crop = crop.to_crop(now.keypoints_xy)
    assert (in_crop >= 0).all()
    assert (in_crop <= np.array(SIZE) - 1).all()


def test_every_frame_of_the_last_counts() -> None:
    narrow, wide = Drawn((300, 200), 45, (40, 120)), Drawn((300, 200), 45, (100, 120))
    (of_both,) = _posture(narrow, wide, near_deg=45).crops(_boxes(wide), SIZE)
    (of_wide,) = _posture(wide, near_deg=45).crops(_boxes(wide), SIZE)
    assert of_both.width_px >= of_wide.width_px - 0.05


def test_one_frame_gone_astray_does_not_turn_it_and_the_score_is_the_usual() -> None:
    infants = [Drawn((300, 200), angle, (60, 120)) for angle in (10, 11, 170)]
    keypoints = _keypoints(*infants, scores=(0.6, 0.5, 0.1))
    posture = _of(keypoints, _boxes(*infants), Posture.anyhow(10))
    assert posture.angle_deg == pytest.approx(10.5, abs=0.01)
    assert posture.score == pytest.approx(0.5)


@given(before=ANGLES, astray=st.lists(ANGLES, min_size=4, max_size=8), end=st.sampled_from(ENDS))
def test_trunks_that_are_not_sure_do_not_turn_it(
    before: float, astray: list[float], end: int
) -> None:
    lay = _posture(Drawn((300, 200), before, (60, 120)), near_deg=before)
    sure = [Drawn((300, 200), before + 20, (60, 120))] * 4
    infants = sure + [Drawn((300, 200), angle, (60, 120)) for angle in astray]
    keypoints = _keypoints(*infants)
    keypoints.scores[4:, end] = 0.29  # one end of the trunk is enough
    posture = _of(keypoints, _boxes(*infants), lay)
    assert posture == replace(lay, score=posture.score)
    assert posture.score == pytest.approx(0.49, abs=0.011)


@given(before=ANGLES, astray=st.lists(ANGLES, max_size=3))
def test_where_most_are_sure_they_turn_it_and_the_others_do_not_count(
    before: float, astray: list[float]
) -> None:
    lay = _posture(Drawn((300, 200), before, (60, 120)), near_deg=before)
    sure = [Drawn((300, 200), before + 20, (60, 120))] * 4
    infants = sure + [Drawn((300, 200), angle, (60, 120)) for angle in astray]
    keypoints = _keypoints(*infants)
    keypoints.scores[4:, ENDS] = 0.29
    posture = _of(keypoints, _boxes(*infants), lay)
    assert abs((posture.angle_deg - before - 20 + 180) % 360 - 180) < 0.01
    alone = _of(_keypoints(*sure), _boxes(*sure), lay)
    assert (posture.hull, posture.margin) == (alone.hull, alone.margin)


def test_without_a_trunk_it_lies_as_it_did() -> None:
    keypoints = Keypoints(np.full((1, 21, 2), 50, np.float32), np.ones((1, 21), np.float32))
    posture = _of(keypoints, np.array([[0.0, 0, 99, 99]]), Posture.anyhow(30))
    assert posture == replace(Posture.anyhow(30), score=1.0)


def test_keypoints_beside_the_box_leave_all_of_the_box() -> None:
    infant = Drawn((300, 200), 30, (60, 120))
    beside = infant.box_xyxy[None] + 1000
    posture = _of(_keypoints(infant), beside, Posture.anyhow(30))
    (crop,) = posture.crops(beside, SIZE)
    (anyhow,) = Posture.anyhow(posture.angle_deg).crops(beside, SIZE)
    assert crop == anyhow


@pytest.mark.parametrize("angle", [0.0, 90.0, 180.0, -90.0])
def test_anyhow_holds_all_of_the_box(angle: float) -> None:
    (crop,) = Posture.anyhow(angle).crops(np.array([[100.0, 50, 300, 120]]), SIZE)
    corners = crop.to_crop(np.array([[100.0, 50], [300, 50], [300, 120], [100, 120]]))
    assert (corners >= 0).all()
    assert (corners <= np.array(SIZE) - 1).all()
    expected = 201 * 1.25 if angle in (0, 180) else 201 * 0.75 * 1.25
    assert crop.width_px == pytest.approx(expected)


def test_a_box_of_one_pixel() -> None:
    (crop,) = Posture.anyhow(0.0).crops(np.array([[5.0, 5, 5, 5]]), SIZE)
    assert crop.center_xy == (5, 5)
