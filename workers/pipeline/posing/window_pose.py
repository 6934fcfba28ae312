"""One window's keypoints: found in crops of the followed boxes, judged, and made into rows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import Keypoints
from model.spec.sequence import STATUSES, Rows
from model.spec.turning import turned_frame
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.following.watching import FollowedBoxes
from workers.pipeline.posing.poser import Poser, trusted_scores
from workers.pipeline.posing.posture import LAST_FRAMES, Posture
from workers.pipeline.video import Picture, VideoFrame

_OK, _NO_DETECTION, _LOW_CONFIDENCE, _DECODE_ERROR = (
    STATUSES.index(name) for name in ("ok", "no_detection", "low_confidence", "decode_error")
)


class WindowPose:
    """The keypoints of one window.

    Args:
        frames: B frames.
        boxes: Where the followed infant is in them.
        poser: Finds keypoints.
        settings: The numbers to go by.
    """

    def __init__(
        self,
        frames: Sequence[VideoFrame],
        boxes: FollowedBoxes,
        *,
        poser: Poser,
        settings: ExtractionSettings,
    ) -> None:
        count = poser.skeleton.num_keypoints
        self._frames, self._boxes, self._poser, self._settings = frames, boxes, poser, settings
        self._posture: Posture | None = None
        self._keypoints_xy = np.full((len(frames), count, 2), np.nan, np.float32)
        self._scores = np.full((len(frames), count), np.nan, np.float32)

    def find(self, posture: Posture | None) -> None:
        """Find the keypoints of all frames with a box, in crops of the window before's posture.

        Where there is none, it is found out in the first and the last of them.
        """
        known = np.flatnonzero(self._boxes.known)
        if len(known):
            self._posture = posture or self._first_posture(np.unique(known[[0, -1]]))
            found = self._found(known, self._posture)
            self._keypoints_xy[known], self._scores[known] = found.keypoints_xy, found.scores
            if posture is None:
                self._look_closer(known)

    def middle_of_collapse(self) -> int | None:
        """The middle of the longest run of frames whose scores are far below the usual.

        Returns:
            A place in the window; None where there is no such frame.
        """
        if self._posture is None:
            return None
        poor = self._sure < self._settings.collapse * self._posture.score
        edges = np.flatnonzero(np.diff(poor, prepend=False, append=False))
        starts, ends = edges[::2], edges[1::2]
        if not len(starts):
            return None
        longest = int((ends - starts).argmax())
        return int(starts[longest] + ends[longest] - 1) // 2

    def find_again(self, boxes: FollowedBoxes, at: int) -> None:
        """Once more after another look, with the posture found out anew; the better is kept.

        Args:
            boxes: Where the infant is by all looks.
            at: Where in the window it was looked at.
        """
        self._boxes = boxes
        lost = ~boxes.known
        self._keypoints_xy[lost], self._scores[lost] = np.nan, np.nan
        if lost[at]:
            return
        posture = self._first_posture(np.array([at]))
        known = np.flatnonzero(boxes.known)
        if self._keep_better(known, posture, self._found(known, posture)):
            self._look_closer(known)

    def _look_closer(self, which: NDArray[np.intp]) -> None:
        """Once more in crops around what each frame has shown; the better is kept.

        A posture that was just found out is that of a frame or two, and says where the infant lies
        in their boxes: of other frames, whose boxes may be much larger, it cuts far too much.
        """
        sure = which[self._sure[which] >= self._settings.min_pose_score]
        if self._posture is None or not len(sure):
            return
        posture = self._posture_in(sure, otherwise=self._posture)
        crops = [
            turned_frame(
                self._boxes.xyxy[i], self._keypoints_xy[i], self._poser.skeleton,
                self._poser.input_wh, angle_deg=posture.angle_deg,
            )
            for i in sure
        ]  # fmt: skip
        self._keep_better(sure, posture, self._poser.find(self._pictures(sure), crops))

    def _keep_better(self, which: NDArray[np.intp], posture: Posture, found: Keypoints) -> bool:
        """Keep what was found where it is surer than before; whether it is anywhere."""
        before = self._sure[which]
        better = ~(trusted_scores(found, self._boxes.xyxy[which]) <= before)  # NaN is worse
        if better.any():
            self._posture = posture
        self._keypoints_xy[which[better]] = found.keypoints_xy[better]
        self._scores[which[better]] = found.scores[better]
        return bool(better.any())

    def _first_posture(self, which: NDArray[np.intp]) -> Posture:
        return self._poser.first_posture(
            self._pictures(which),
            self._boxes.xyxy[which],
            min_trunk_score=self._settings.min_pose_score,
        )

    def _found(self, which: NDArray[np.intp], posture: Posture) -> Keypoints:
        crops = posture.crops(self._boxes.xyxy[which], self._poser.input_wh)
        return self._poser.find(self._pictures(which), crops)

    def _pictures(self, which: NDArray[np.intp]) -> list[Picture]:
        pictures = [self._frames[i].picture for i in which]
        return [picture for picture in pictures if picture is not None]

    @property
    def _sure(self) -> NDArray[np.float64]:
        """How sure each frame is: float64 (B,), NaN where nothing was looked for."""
        return trusted_scores(Keypoints(self._keypoints_xy, self._scores), self._boxes.xyxy)

    @property
    def _status(self) -> NDArray[np.uint8]:
        """uint8 (B,): a held box counts only where the pose model finds the infant in it."""
        low = self._sure < self._settings.min_pose_score
        status = np.where(low, _LOW_CONFIDENCE, _OK)
        status[~self._boxes.known | (self._boxes.held & low)] = _NO_DETECTION
        status[[frame.picture is None for frame in self._frames]] = _DECODE_ERROR
        return status.astype(np.uint8)

    def rows(self) -> Rows:
        """The window's rows."""
        status = self._status
        there = (status == _OK) | (status == _LOW_CONFIDENCE)
        return Rows(
            frame_index=np.array([frame.index for frame in self._frames], np.int64),
            pts=np.array([frame.pts for frame in self._frames], np.int64),
            time_s=np.array([frame.time_s for frame in self._frames], np.float64),
            status=status,
            box_xyxy=np.where(there[:, None], self._boxes.xyxy, np.nan).astype(np.float32),
            box_score=np.where(there, self._boxes.score, np.nan).astype(np.float32),
            keypoints_xy=np.where(there[:, None, None], self._keypoints_xy, np.float32(np.nan)),
            scores=np.where(there[:, None], self._scores, np.float32(np.nan)),
        )

    def next_posture(self, before: Posture | None) -> Posture | None:
        """What the next window starts from: the last good frames' posture.

        Returns:
            None where there was no good frame, so that it is found out anew; what was before
            where no frame could be read.
        """
        status = self._status
        if (status == _DECODE_ERROR).all():
            return before
        good = np.flatnonzero(status == _OK)[-LAST_FRAMES:]
        if self._posture is None or not len(good):
            return None
        return self._posture_in(good, otherwise=self._posture)

    def _posture_in(self, which: NDArray[np.intp], *, otherwise: Posture) -> Posture:
        return Posture.of(
            Keypoints(self._keypoints_xy[which], self._scores[which]),
            self._boxes.xyxy[which],
            self._poser.skeleton,
            otherwise=otherwise,
            min_trunk_score=self._settings.min_pose_score,
        )
