"""How the infant lies in its box, and the crops that follow from it.

A crop is as the network learned them: the trunk points down, and the box of the turned infant fills
it. In a window that is not known yet, so it is taken from the window before: its last good
keypoints, carried along with the displayed box, which grows where a limb is stretched.
"""

import math
from dataclasses import dataclass
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
        near_deg: float,
    ) -> Self | None:
        """The posture in some frames: the medians of angles and scores, the hull of all.

        Args:
            keypoints: N instances in px of the displayed picture.
            boxes_xyxy: (N, 4) displayed boxes, px.
            skeleton: Gives the trunk.
            near_deg: About where the angle is; turns are counted from here.

        Returns:
            None where no frame has a trunk.
        """
        points, boxes = keypoints.keypoints_xy.astype(np.float64), boxes_xyxy.astype(np.float64)
        upper, lower = (points[:, list(group)].mean(axis=1) for group in skeleton.trunk)
        trunk = lower - upper
        length = np.linalg.norm(trunk, axis=1)
        whole = length >= _LEAST_PX
        if not whole.any():
            return None
        angles = np.degrees(np.arctan2(-trunk[whole, 0], trunk[whole, 1]))
        angle = near_deg + float(np.median(_half_turn(angles - near_deg)))
        body = np.concatenate([points, (upper - CROWN * trunk)[:, None]], axis=1)[whole]
        low, side = boxes[whole, None, :2], _sides(boxes[whole])[:, None]
        inside = ((body - low) / side).reshape(-1, 2).astype(np.float32)
        hull = cv2.convexHull(inside).reshape(-1, 2).tolist()
        diagonal = np.linalg.norm(_sides(boxes[whole]), axis=1)
        margin = float(np.median(MARGIN * length[whole] / diagonal))
        corners = tuple((float(x), float(y)) for x, y in hull)
        score = float(np.median(keypoints.scores[whole].mean(axis=1)))
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
