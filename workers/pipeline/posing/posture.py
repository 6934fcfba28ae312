"""How the infant lies in its box, and the crops that follow from it.

A crop is as the network learned them: the trunk points down, and the box of the turned infant fills
it. In a window that is not known yet, so it is taken from the window before: its last good
keypoints, carried along with the displayed box, which grows where a limb is stretched.

Only trunks turn a crop of which the model is sure: a crop that follows a wrong trunk shows the
infant as the network has not learned it, and the next trunk is worse. Where most frames are unsure,
the crop stays as it is; an infant that turns away unseen makes the scores collapse, and is then
looked for in all directions.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import Keypoints
from model.spec.geometry import CropFrame, Size
from model.spec.skeleton import Skeleton
from model.spec.turning import CROWN, MARGIN

LAST_FRAMES: Final = 8
"""So many good frames at a window's end tell how the infant lies."""
_LEAST_PX: Final = 1.0
"""A trunk or crop below this is none."""


@dataclass(frozen=True)
class Posture:
    """How the infant lay in its box in the last good frames.

    Attributes:
        angle_deg: Of a crop with its trunk down; clockwise as displayed, -180 to 180.
        hull: Corners of the hull around all keypoints and the crown, in parts of the displayed
            box: (0, 0) is its upper left corner and (1, 1) its lower right one.
        margin: How far the body reaches beyond, in parts of the displayed box' diagonal.
        score: The usual mean of its keypoints' scores.
    """

    angle_deg: float
    hull: tuple[tuple[float, float], ...]
    margin: float
    score: float

    @classmethod
    def of(
        cls,
        keypoints: Keypoints,
        boxes_xyxy: NDArray[np.floating],
        skeleton: Skeleton,
        *,
        otherwise: Self,
        min_trunk_score: float,
    ) -> Self:
        """The posture in some frames: the medians of angles and scores, the hull of all.

        Frames that are not sure of a keypoint of the trunk do not count, but for the score; where
        they are half of all or more, the infant lies as it did.

        Args:
            keypoints: N instances in px of the displayed picture.
            boxes_xyxy: (N, 4) displayed boxes, px.
            skeleton: Gives the trunk.
            otherwise: How it lay before; turns are counted from its angle.
            min_trunk_score: From which on a frame is sure of a trunk's keypoint.
        """
        points, boxes = keypoints.keypoints_xy.astype(np.float64), boxes_xyxy.astype(np.float64)
        upper, lower = (points[:, list(group)].mean(axis=1) for group in skeleton.trunk)
        trunk = lower - upper
        length = np.linalg.norm(trunk, axis=1)
        score = float(np.median(keypoints.scores.mean(axis=1)))
        ends = [place for group in skeleton.trunk for place in group]
        sure = (keypoints.scores[:, ends] >= min_trunk_score).all(axis=1) & (length >= _LEAST_PX)
        if 2 * sure.sum() <= len(sure):
            return replace(otherwise, score=score)
        angles = np.degrees(np.arctan2(-trunk[sure, 0], trunk[sure, 1]))
        angle = otherwise.angle_deg + float(np.median(_half_turn(angles - otherwise.angle_deg)))
        body = np.concatenate([points, (upper - CROWN * trunk)[:, None]], axis=1)[sure]
        low, side = boxes[sure, None, :2], _sides(boxes[sure])[:, None]
        inside = ((body - low) / side).reshape(-1, 2).astype(np.float32)
        hull = cv2.convexHull(inside).reshape(-1, 2).tolist()
        diagonal = np.linalg.norm(_sides(boxes[sure]), axis=1)
        margin = float(np.median(MARGIN * length[sure] / diagonal))
        corners = tuple((float(x), float(y)) for x, y in hull)
        return cls(float(_half_turn(np.array(angle))), corners, margin, score)

    @classmethod
    def anyhow(cls, angle_deg: float) -> Self:
        """Anything that the displayed box allows, turned like this."""
        return cls(angle_deg, ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), 0.0, 0.0)

    def crops(self, boxes_xyxy: NDArray[np.floating], input_wh: Size) -> list[CropFrame]:
        """Crops of this posture in boxes (N, 4) px, within what the displayed boxes allow."""
        boxes = boxes_xyxy.astype(np.float64)
        axes = _axes(self.angle_deg)
        sides = _sides(boxes)
        margin = self.margin * np.linalg.norm(sides, axis=1, keepdims=True)
        body = (np.array(self.hull) * sides[:, None] + boxes[:, None, :2]) @ axes
        all_of_it = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]] @ axes
        low, high = all_of_it.min(axis=1), all_of_it.max(axis=1)
        least = np.maximum(body.min(axis=1) - margin, low)
        most = np.minimum(body.max(axis=1) + margin, high)
        whole = (most - least >= _LEAST_PX).all(axis=1, keepdims=True)  # else they lie beside it
        least, most = np.where(whole, least, low), np.where(whole, most, high)
        centers, halves = (least + most) / 2 @ axes.T, (most - least) / 2
        turned = np.concatenate([centers - halves, centers + halves], axis=1)
        return [CropFrame.from_box(box, input_wh, angle_deg=self.angle_deg) for box in turned]


def _sides(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Width and height (N, 2), at least one pixel each."""
    return np.maximum(boxes[:, 2:] - boxes[:, :2], _LEAST_PX)


def _axes(angle_deg: float) -> NDArray[np.float64]:
    """A turned crop's axes as columns: picture px times these are px along the axes."""
    angle = math.radians(angle_deg)
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _half_turn(angle_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same directions within -180 to 180 degrees."""
    return np.asarray((angle_deg + 180) % 360 - 180)
