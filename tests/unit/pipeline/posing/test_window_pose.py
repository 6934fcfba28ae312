"""A window's keypoints where the posture was just found out."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.drawn_infants import Drawn, DrawnPose, drawn_pose, picture_of
from tests.films import ArrayPicture
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.following.watching import FollowedBoxes
from workers.pipeline.posing.poser import Poser
from workers.pipeline.posing.window_pose import WindowPose
from workers.pipeline.timing import StageClock
from workers.pipeline.video import VideoFrame

FRAMES = 6


@dataclass
class Watched(DrawnPose):
    """A session that notes how much of each crop is infant."""

    shares: list[float] = field(default_factory=list)

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        self.shares += [float((crop[..., 0] >= 120).mean()) for crop in batch]
        return super().run(batch)


def window_of(infant: Drawn, boxes: NDArray[np.float64], session: DrawnPose) -> WindowPose:
    picture = ArrayPicture(picture_of(infant))
    frames = [VideoFrame(i, i, i / 25, picture) for i in range(len(boxes))]
    followed = FollowedBoxes(boxes, np.full(len(boxes), 0.9), np.zeros(len(boxes), bool))
    poser = Poser(drawn_pose(session), StageClock())
    return WindowPose(frames, followed, poser=poser, settings=ExtractionSettings())


def test_boxes_that_hold_more_than_the_infant_are_looked_into_closer() -> None:
    """The detector took a hand for a part of the infant at first: boxes shrink in the window."""
    infant, session = Drawn((80, 60), 20), Watched()
    large, tight = np.array([10, 5, 150, 115]), infant.box_xyxy
    boxes = np.linspace(large, tight, FRAMES)
    window = window_of(infant, boxes, session)
    window.find(None)
    once, closer = session.shares[-2 * FRAMES : -FRAMES], session.shares[-FRAMES:]
    assert min(once) < 0.25
    assert min(closer) > 0.4
    rows = window.rows()
    expected = [infant.keypoints_xy] * FRAMES
    np.testing.assert_allclose(rows.keypoints_xy, expected, atol=0.2)


def test_a_known_posture_is_not_looked_for_again() -> None:
    infant, session = Drawn((80, 60), 20), Watched()
    first = window_of(infant, np.stack([infant.box_xyxy] * FRAMES), session)
    first.find(None)
    posture = first.next_posture(None)
    assert posture is not None
    before = session.crops
    window_of(infant, np.stack([infant.box_xyxy] * FRAMES), session).find(posture)
    assert session.crops - before == FRAMES


def test_frames_that_are_not_sure_are_not_looked_into_closer() -> None:
    infant, session = Drawn((80, 60), 0), Watched(best=0.2)
    window = window_of(infant, np.stack([infant.box_xyxy] * FRAMES), session)
    window.find(None)
    assert session.crops == 2 * 5 + FRAMES
