"""Keypoints of crops, in px of the displayed picture, and the first look at an infant."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.runtime.pose import PoseEstimator
from model.spec.arrays import CropBatch, Keypoints
from model.spec.errors import ManifestError
from model.spec.geometry import CropFrame, Size
from workers.pipeline.posing.posture import Posture
from workers.pipeline.timing import StageClock
from workers.pipeline.video import Picture

QUARTERS_DEG: Final = (0.0, 90.0, 180.0, -90.0)
"""The turns that are tried where nothing is known of how the infant lies."""

_AROUND: Final = 0.1
"""A limb may reach so far out of an interpolated box, in parts of its sides."""
_MOST: Final = 2 / 3
"""So many of an infant's keypoints lie in its box at the least."""


def trusted_scores(keypoints: Keypoints, boxes_xyxy: NDArray[np.floating]) -> NDArray[np.float64]:
    """How sure it is that the infant in each box was found: float64 (N,).

    The mean of its keypoints' scores; 0 where most of them lie beside its box, because the model
    then found somebody else who reaches into the crop; NaN where nothing was looked for.
    """
    points, sides = keypoints.keypoints_xy, boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    low = (boxes_xyxy[:, :2] - _AROUND * sides)[:, None]
    high = (boxes_xyxy[:, 2:] + _AROUND * sides)[:, None]
    inside = ((points >= low) & (points <= high)).all(axis=-1).mean(axis=1)
    mean = keypoints.scores.mean(axis=1, dtype=np.float64)
    return np.where((inside < _MOST) & np.isfinite(mean), 0.0, mean)


class Poser:
    """Finds keypoints in pictures.

    Args:
        estimator: The pose model.
        clock: Counts `crop` and `pose`.

    Raises:
        ManifestError: The model names no skeleton.
    """

    def __init__(self, estimator: PoseEstimator, clock: StageClock) -> None:
        if estimator.manifest.skeleton is None:
            raise ManifestError(f"{estimator.model_file.path}: expected a skeleton, got none")
        self._estimator, self._clock = estimator, clock
        self.skeleton = estimator.manifest.skeleton
        height, width = estimator.manifest.input_hw
        self.input_wh: Size = (width, height)

    def find(self, pictures: Sequence[Picture], frames: Sequence[CropFrame]) -> Keypoints:
        """One infant in each crop of each picture, in px of the picture."""
        width, height = self.input_wh
        crops = np.empty((len(frames), height, width, 3), np.uint8)
        with self._clock.stage("crop"):
            for crop, picture, frame in zip(crops, pictures, frames, strict=True):
                crop[...] = picture.crop(frame)
        with self._clock.stage("pose"):
            found = self._estimator.estimate(CropBatch(crops))
        matrices = np.array([frame.to_picture_matrix for frame in frames]).reshape(-1, 2, 3)
        turned = found.keypoints_xy.astype(np.float64) @ matrices[:, :, :2].transpose(0, 2, 1)
        in_picture = turned + matrices[:, None, :, 2]
        return Keypoints(in_picture.astype(np.float32), found.scores)

    def first_posture(
        self,
        pictures: Sequence[Picture],
        boxes_xyxy: NDArray[np.floating],
        *,
        min_trunk_score: float,
    ) -> Posture:
        """How an infant lies of which nothing is known but its boxes.

        Four quarter turns are tried in each picture; in the one with the best scores it is looked
        at once more with its trunk down, as the network sees it best. If it does not, that trunk
        was wrong.

        Args:
            pictures: One or a few.
            boxes_xyxy: (N, 4) px, the infant's in each.
            min_trunk_score: From which on a trunk's keypoint is found.

        Returns:
            The posture; anything in the best turn where no trunk is found.
        """
        turns = [Posture.anyhow(angle) for angle in QUARTERS_DEG]
        crops = [crop for turn in turns for crop in turn.crops(boxes_xyxy, self.input_wh)]
        found = self.find([*pictures] * len(turns), crops)  # all at once: one full batch
        looks = [
            Keypoints(xy, scores)
            for xy, scores in zip(
                *(np.split(each, len(turns)) for each in (found.keypoints_xy, found.scores)),
                strict=True,
            )
        ]
        sure = [trusted_scores(look, boxes_xyxy).mean() for look in looks]
        best = int(np.argmax(sure))
        look, turn = looks[best], turns[best]
        upright = Posture.of(
            look, boxes_xyxy, self.skeleton, otherwise=turn, min_trunk_score=0.0
        )  # a quarter turn may be half of one off: no score is too low to try
        again = self.find(pictures, upright.crops(boxes_xyxy, self.input_wh))
        if trusted_scores(again, boxes_xyxy).mean() > sure[best]:
            look, turn = again, upright
        return Posture.of(
            look, boxes_xyxy, self.skeleton, otherwise=turn, min_trunk_score=min_trunk_score
        )
