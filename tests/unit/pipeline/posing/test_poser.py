"""Keypoints come back in px of the picture, and the first posture is found in any direction."""

from dataclasses import replace

import numpy as np
import pytest

from model.spec.arrays import Keypoints
from tests.drawn_infants import Drawn, DrawnPose, TrunkAstray, drawn_pose, picture_of
from tests.films import ArrayPicture
from workers.pipeline.posing.poser import Poser, trusted_scores
from workers.pipeline.posing.posture import Posture
from workers.pipeline.timing import StageClock


@pytest.mark.parametrize("angle", [-170, -135, -90, -50, 0, 20, 44, 90, 120, 180])
def test_first_posture_of_any_direction(angle: float) -> None:
    infants = [Drawn((80, 60), angle), Drawn((84, 58), angle + 4)]
    pictures = [ArrayPicture(picture_of(one)) for one in infants]
    session = DrawnPose()
    poser = Poser(drawn_pose(session), StageClock())
    boxes = np.stack([one.box_xyxy for one in infants])
    posture = poser.first_posture(pictures, boxes, min_trunk_score=0.3)
    assert abs((posture.angle_deg - angle - 2 + 180) % 360 - 180) < 0.5
    assert posture.score == pytest.approx(0.9, abs=0.01)
    assert session.crops == 2 * 5


def test_keypoints_in_px_of_the_picture() -> None:
    clock, infants = StageClock(), [Drawn((60, 60), 30), Drawn((100, 50), 60)]
    poser = Poser(drawn_pose(), clock)
    pictures = [ArrayPicture(picture_of(one)) for one in infants]
    boxes = np.stack([one.box_xyxy for one in infants])
    found = poser.find(pictures, Posture.anyhow(45).crops(boxes, poser.input_wh))
    np.testing.assert_allclose(found.keypoints_xy, [one.keypoints_xy for one in infants], atol=0.15)
    assert found.keypoints_xy.dtype == np.float32
    assert list(clock.stages) == ["crop", "pose"]


def test_where_nothing_is_found_it_lies_anyhow() -> None:
    nothing = ArrayPicture(picture_of())
    poser = Poser(drawn_pose(), StageClock())
    box = np.array([[20.0, 20, 100, 100]])
    posture = poser.first_posture([nothing], box, min_trunk_score=0.3)
    assert posture == replace(Posture.anyhow(0.0), score=posture.score)
    assert posture.score == pytest.approx(0.02)


def test_a_trunk_in_which_the_infant_is_found_no_better_was_none() -> None:
    infant = Drawn((80, 60), 0.0)
    session = TrunkAstray(turned_deg=50)
    poser = Poser(drawn_pose(session), StageClock())
    pictures, boxes = [ArrayPicture(picture_of(infant))], infant.box_xyxy[None]
    posture = poser.first_posture(pictures, boxes, min_trunk_score=0.3)
    assert posture == replace(Posture.anyhow(0.0), score=posture.score)


def test_no_crops_give_no_keypoints_and_one_too_few_is_an_error() -> None:
    poser = Poser(drawn_pose(), StageClock())
    assert len(poser.find([], [])) == 0
    with pytest.raises(ValueError, match="zip"):
        poser.find([], Posture.anyhow(0).crops(np.array([[0.0, 0, 9, 9]]), poser.input_wh))


def test_keypoints_beside_the_box_are_not_trusted() -> None:
    infant = Drawn((80, 60), 30)
    xy = np.repeat(infant.keypoints_xy[None].astype(np.float32), 4, axis=0)
    xy[1, :8] += 500  # 13 of 21 are left inside
    xy[2, :7] += 500  # 14 of 21
    xy[3] = np.nan
    scores = np.full((4, 21), 0.5, np.float32)
    scores[3] = np.nan
    trusted = trusted_scores(Keypoints(xy, scores), np.repeat(infant.box_xyxy[None], 4, axis=0))
    np.testing.assert_allclose(trusted, [0.5, 0, 0.5, np.nan])


def test_the_neighbour_in_the_crop_does_not_choose_the_turn() -> None:
    infant, neighbour = Drawn((60, 60), 0.0, (24, 70)), Drawn((112, 60), 90.0, (60, 30), who=1)
    poser = Poser(drawn_pose(), StageClock())
    picture = ArrayPicture(picture_of(infant, neighbour))
    posture = poser.first_posture([picture], infant.box_xyxy[None], min_trunk_score=0.3)
    assert posture.angle_deg == pytest.approx(0, abs=0.5)
