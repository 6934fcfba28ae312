"""The coarse mosaic of a whole picture: what lies under every cover of a preview."""

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import check_array
from model.spec.errors import ArrayError
from model.spec.head_mask import SMALLEST_CELL_PX


def coarse(picture: NDArray[np.uint8], cell_px: int) -> NDArray[np.uint8]:
    """A picture in squares, each of one colour.

    The squares count from the upper left corner; those that the picture's end cuts are smaller.

    Args:
        picture: uint8 (H, W, 3).
        cell_px: Side of a square, at least `SMALLEST_CELL_PX`.

    Returns:
        uint8 (H, W, 3).

    Raises:
        ArrayError: Another shape or dtype, no pixels, or squares that are too small.
    """
    sizes = check_array("picture", picture, ("H", "W", 3), np.uint8)
    height, width = sizes["H"], sizes["W"]
    if cell_px < SMALLEST_CELL_PX or min(height, width) < 1:
        raise ArrayError(
            f"expected pixels in squares of at least {SMALLEST_CELL_PX} px, got {width} x {height} "
            f"px in squares of {cell_px}"
        )
    down, right = -height % cell_px, -width % cell_px
    whole = cv2.copyMakeBorder(picture, 0, down, 0, right, cv2.BORDER_REPLICATE)
    cells_wh = (whole.shape[1] // cell_px, whole.shape[0] // cell_px)
    means = cv2.resize(whole, cells_wh, interpolation=cv2.INTER_AREA)
    # Not resized back: every square must be flat to the last bit.
    squares = means.repeat(cell_px, axis=0).repeat(cell_px, axis=1)
    return np.ascontiguousarray(squares[:height, :width], np.uint8)
