"""Cutting crops out of pictures, in the convention of `model.spec.geometry`."""

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import CropBatch, check_array
from model.spec.geometry import CropFrame


def warp_crop(picture: NDArray[np.uint8], frame: CropFrame) -> NDArray[np.uint8]:
    """Cut one crop out of a picture.

    Args:
        picture: uint8 (H, W, C) or (H, W).
        frame: Where the crop lies.

    Returns:
        uint8 of the frame's input size, bilinear, black where the picture ends.

    Raises:
        ArrayError: Another shape or dtype.
    """
    shape = ("H", "W") if picture.ndim == 2 else ("H", "W", "C")
    check_array("picture", picture, shape, np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(picture, frame.to_picture_matrix, frame.input_wh, flags=flags)
    return np.asarray(warped, np.uint8)


def warp_crops(picture_rgb: NDArray[np.uint8], frames: list[CropFrame]) -> CropBatch:
    """Cut N crops of one size out of an RGB picture, uint8 (H, W, 3)."""
    return CropBatch(np.stack([warp_crop(picture_rgb, frame) for frame in frames]))
