"""Fitting a picture into the detector's input, and carrying boxes back.

The picture is scaled to fit, put into the middle and framed in grey, to the pixel as Ultralytics
does it when it predicts. There, a pixel i spans i to i + 1; a box of ours names the centres of the
first and last pixel that it covers, so that one of w px spans w - 1.
"""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import check_array
from model.spec.errors import ArrayError
from model.spec.geometry import Size

GREY = 114
"""Of the frame; Ultralytics' value."""


@dataclass(frozen=True)
class Letterbox:
    """Where a picture lies inside the input.

    Attributes:
        picture_wh: Size of the picture, px.
        inner_wh: Size of the scaled picture inside the input, px.
        left_top: First pixel of it.
        input_wh: Size of the input, px.
    """

    picture_wh: Size
    inner_wh: Size
    left_top: tuple[int, int]
    input_wh: Size

    @classmethod
    def of(cls, picture_wh: Size, input_wh: Size) -> Self:
        """The letterbox of a picture of this size.

        Raises:
            ArrayError: The picture has no pixels.
        """
        if min(picture_wh) < 1:
            raise ArrayError(
                f"picture: expected at least one pixel, got {picture_wh} wide and high"
            )
        scale = min(input_wh[0] / picture_wh[0], input_wh[1] / picture_wh[1])
        inner_w, inner_h = (max(1, round(side * scale)) for side in picture_wh)
        left, top = (
            round((whole - inner) / 2 - 0.1)
            for whole, inner in zip(input_wh, (inner_w, inner_h), strict=True)
        )
        return cls(picture_wh, (inner_w, inner_h), (left, top), input_wh)

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Scale and frame a picture, uint8 (H, W, 3), to uint8 (input height, input width, 3).

        Raises:
            ArrayError: Another shape or dtype.
        """
        width, height = self.picture_wh
        check_array("picture", picture, (height, width, 3), np.uint8)
        if self.inner_wh != self.picture_wh:
            picture = np.asarray(
                cv2.resize(picture, self.inner_wh, interpolation=cv2.INTER_LINEAR), np.uint8
            )
        framed = np.full((self.input_wh[1], self.input_wh[0], 3), GREY, np.uint8)
        (left, top), (inner_w, inner_h) = self.left_top, self.inner_wh
        framed[top : top + inner_h, left : left + inner_w] = picture
        return framed

    def to_picture(self, edges_xyxy: NDArray[np.floating]) -> NDArray[np.float32]:
        """Carry boxes (N, 4) of the input, edges, to boxes of the picture, pixel centres.

        What lies outside of the picture is cut off; a box thinner than a pixel becomes one.
        """
        size = np.tile(np.asarray(self.picture_wh, np.float64), 2)
        scale = size / np.tile(np.asarray(self.inner_wh, np.float64), 2)
        edges = (np.asarray(edges_xyxy, np.float64) - np.tile(self.left_top, 2)) * scale
        boxes = edges.clip(0, size)
        boxes[:, 2:] -= 1
        boxes[:, :2] = boxes[:, :2].clip(max=size[:2] - 1)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2])
        return np.asarray(boxes, np.float32)

    def to_input(self, boxes_xyxy: NDArray[np.floating]) -> NDArray[np.float64]:
        """Carry boxes (N, 4) of the picture, pixel centres, to boxes of the input, edges."""
        edges = np.array(boxes_xyxy, np.float64)
        edges[:, 2:] += 1
        scale = np.divide(self.inner_wh, self.picture_wh)
        return np.asarray(edges * np.tile(scale, 2) + np.tile(self.left_top, 2))
