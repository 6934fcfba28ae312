"""A look carries boxes to the displayed picture; sightings are all that was seen."""

import numpy as np
import pytest

from tests.drawn_infants import Drawn, DrawnDetector, drawn_detector, picture_of
from tests.films import ArrayPicture
from workers.pipeline.errors import PipelineError
from workers.pipeline.following.detecting import look_at, sightings
from workers.pipeline.timing import StageClock
from workers.pipeline.video import VideoFrame


def _frame(index: int, *infants: Drawn) -> VideoFrame:
    return VideoFrame(index, index * 3600, index / 25, ArrayPicture(picture_of(*infants)))


def test_a_look_sees_infants_and_heads_in_displayed_px() -> None:
    clock, one, two = StageClock(), Drawn((50, 40), who=0), Drawn((110, 70), 90, who=1)
    detector = drawn_detector(DrawnDetector({0: 0.5, 1: 0.75}))
    look = look_at(_frame(3, one, two), detector, min_score=0.3, clock=clock)
    assert (look.frame_index, look.time_s) == (3, 3 / 25)
    assert look.infants.scores.tolist() == [0.75, 0.5]
    np.testing.assert_allclose(look.infants.boxes.xyxy, [two.box_xyxy, one.box_xyxy], atol=1)
    assert look.heads.scores.tolist() == [0.375]  # the other one's scores 0.25
    assert list(clock.stages) == ["letterbox", "detect"]


@pytest.mark.parametrize("quarters", [-1, 1, 2, 3])
def test_a_turned_look_sees_the_same_in_displayed_px(quarters: int) -> None:
    frame, one = _frame(3, Drawn((50, 40), 20)), Drawn((50, 40), 20)
    detector = drawn_detector()
    look = look_at(frame, detector, min_score=0.3, clock=StageClock(), quarters=quarters)
    straight = look_at(frame, detector, min_score=0.3, clock=StageClock())
    np.testing.assert_allclose(look.infants.boxes.xyxy, [one.box_xyxy], atol=1)
    np.testing.assert_array_equal(look.infants.boxes.xyxy, straight.infants.boxes.xyxy)
    assert not np.allclose(look.heads.boxes.xyxy, straight.heads.boxes.xyxy, atol=2)  # was turned


def test_a_detector_whose_input_is_no_square_looks_at_pictures_as_they_lie() -> None:
    one, session = Drawn((50, 40), 20), DrawnDetector(input_shape=(None, 3, 128, 160))
    detector, clock = drawn_detector(session), StageClock()
    look = look_at(_frame(3, one), detector, min_score=0.3, clock=clock, quarters=1)
    np.testing.assert_allclose(look.infants.boxes.xyxy, [one.box_xyxy], atol=1)


def test_sightings_of_several_looks() -> None:
    detector = drawn_detector(DrawnDetector({0: 0.5, 1: 0.75}))
    frames = [_frame(0, Drawn((50, 40))), _frame(16), _frame(32, Drawn((50, 40)), Drawn(who=1))]
    looks = [look_at(f, detector, min_score=0.1, clock=StageClock()) for f in frames]
    seen = sightings(looks)
    assert seen.looked_at.tolist() == [0, 16, 32]
    assert seen.frame_index.tolist() == [0, 0, 32, 32, 32, 32]
    assert seen.class_id.tolist() == [0, 1, 0, 0, 1, 1]
    np.testing.assert_allclose(seen.score, [0.5, 0.25, 0.75, 0.5, 0.375, 0.25])
    assert len(sightings([])) == 0


def test_a_damaged_frame_cannot_be_looked_at() -> None:
    with pytest.raises(PipelineError, match="frame 7: expected a picture"):
        look_at(VideoFrame(7, 0, 0.0, None), drawn_detector(), min_score=0.1, clock=StageClock())
