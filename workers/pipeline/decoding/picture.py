"""A decoded picture in YUV: crops are cut and turned straight out of the planes."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from model.runtime.letterbox import GREY, Letterbox
from model.spec.errors import ArrayError
from model.spec.geometry import CropFrame, Size
from workers.pipeline.decoding.colour import Colour
from workers.pipeline.decoding.pixel_shape import square_wh
from workers.pipeline.errors import WindowError

Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
_QUARTERS: Final = (
    None,
    cv2.ROTATE_90_COUNTERCLOCKWISE,
    cv2.ROTATE_180,
    cv2.ROTATE_90_CLOCKWISE,
)


@dataclass(frozen=True)
class Orientation:
    """How a picture is displayed: in square pixels, turned counter-clockwise, then mirrored.

    Attributes:
        rotation_deg: 0, 90, 180 or 270.
        mirrored: Whether it is mirrored left to right.
        pixel_aspect_ratio: A coded pixel's width over its height.
    """

    rotation_deg: int
    mirrored: bool = False
    pixel_aspect_ratio: Fraction = Fraction(1)

    def displayed_size(self, coded_wh: Size) -> Size:
        """The displayed size of a coded picture: stretched, then turned."""
        return self.turned_size(square_wh(coded_wh, self.pixel_aspect_ratio))

    def turned_size(self, size_wh: Size) -> Size:
        """A size after the turn for one before it, and the other way round."""
        return size_wh[::-1] if self.rotation_deg % 180 else size_wh

    def to_coded_matrix(self, coded_wh: Size) -> NDArray[np.float64]:
        """float64 (2, 3): affine map from displayed to coded px."""
        upright_wh = square_wh(coded_wh, self.pixel_aspect_ratio)
        right, bottom = upright_wh[0] - 1, upright_wh[1] - 1
        matrix = np.array(
            {
                0: [[1, 0, 0], [0, 1, 0]],
                90: [[0, -1, right], [1, 0, 0]],
                180: [[-1, 0, right], [0, -1, bottom]],
                270: [[0, 1, 0], [-1, 0, bottom]],
            }[self.rotation_deg],
            np.float64,
        )
        if self.mirrored:
            last = self.turned_size(upright_wh)[0] - 1
            matrix = _after(matrix, np.array([[-1.0, 0, last], [0, 1, 0]]))
        return _after(_between_sizes(upright_wh, coded_wh), matrix)

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn an upright picture (H, W, C) of square px into a displayed one."""
        quarter = _QUARTERS[self.rotation_deg // 90]
        turned = picture if quarter is None else cv2.rotate(picture, quarter)
        return np.asarray(cv2.flip(turned, 1) if self.mirrored else turned, np.uint8)


class YuvPicture:
    """A picture whose planes lie in shared memory: 8-bit, chroma at half the size.

    Chroma samples lie beside every second pixel, in the middle between two rows, as MPEG has it;
    those of JPEG lie in the middle of four pixels.
    """

    def __init__(
        self, planes: Planes, *, colour: Colour, orientation: Orientation, jpeg_chroma: bool
    ) -> None:
        self._planes: Planes | None = planes
        self._colour = colour
        self._orientation = orientation
        height, width = planes[0].shape
        self._coded_wh: Size = (width, height)
        self._to_coded = orientation.to_coded_matrix(self._coded_wh)
        left = -0.25 if jpeg_chroma else 0.0
        self._to_chroma = np.array([[0.5, 0, left], [0, 0.5, -0.25]])

    @property
    def displayed_wh(self) -> Size:
        """Size in square px, after rotation."""
        return self._orientation.displayed_size(self._coded_wh)

    @property
    def planes(self) -> Planes:
        """Luma and chroma as coded; views of the shared memory.

        Raises:
            WindowError: The picture's window was released.
        """
        if self._planes is None:
            raise WindowError("expected a picture of a window that is not released yet")
        return self._planes

    def release(self) -> None:
        """Forget the planes: their memory is written again."""
        self._planes = None

    def crop(self, frame: CropFrame) -> NDArray[np.uint8]:
        """Cut one crop: RGB uint8 (H, W, 3) of the frame's input size, black beyond the picture."""
        to_coded = _after(self._to_coded, frame.to_picture_matrix)
        rgb = self._sampled(to_coded, frame.input_wh)
        return _faded(rgb, frame.to_picture_matrix, self.displayed_wh)

    def letterboxed(self, box: Letterbox) -> NDArray[np.uint8]:
        """The whole picture as a detector takes it: RGB uint8 of the letterbox' input size.

        Raises:
            ArrayError: The letterbox is for pictures of another size.
        """
        if box.picture_wh != self.displayed_wh:
            raise ArrayError(f"expected a letterbox of {self.displayed_wh}, got {box.picture_wh}")
        inner = self._whole(self._orientation.turned_size(box.inner_wh))
        framed = np.full((box.input_wh[1], box.input_wh[0], 3), GREY, np.uint8)
        (left, top), (width, height) = box.left_top, box.inner_wh
        framed[top : top + height, left : left + width] = inner
        return framed

    def rgb(self, size_wh: Size | None = None) -> NDArray[np.uint8]:
        """The whole picture, RGB uint8 (H, W, 3); smaller (by area) where a size is given."""
        if size_wh is None or size_wh == self.displayed_wh:
            return self._whole(self._orientation.turned_size(self.displayed_wh))
        # Where chroma lies between pixels is left aside: it is less than a pixel of these.
        size = self._orientation.turned_size(size_wh)
        whole = self._colour.to_rgb(*(_resized(plane, size) for plane in self.planes))
        return self._orientation.apply(whole)

    def _whole(self, size_wh: Size) -> NDArray[np.uint8]:
        """All of it as displayed, brought to this size before it is turned."""
        to_coded = _between_sizes(size_wh, self._coded_wh)
        return self._orientation.apply(self._sampled(to_coded, size_wh))

    def _sampled(self, to_coded: NDArray[np.float64], size_wh: Size) -> NDArray[np.uint8]:
        """RGB at the places that an affine map gives, bilinear; the border goes on for ever."""
        y, u, v = self.planes
        to_chroma = _after(self._to_chroma, to_coded)
        luma = y if np.array_equal(to_coded, np.eye(2, 3)) else _warped(y, to_coded, size_wh)
        chroma = (_warped(plane, to_chroma, size_wh) for plane in (u, v))
        return self._colour.to_rgb(luma, *chroma)


def _between_sizes(from_wh: Size, to_wh: Size) -> NDArray[np.float64]:
    """The affine map (2, 3) between px of one picture in two sizes: edges come to lie on edges."""
    scale_xy = np.divide(to_wh, from_wh)
    return np.column_stack([np.diag(scale_xy), (scale_xy - 1) / 2])


def _after(outer: NDArray[np.float64], inner: NDArray[np.float64]) -> NDArray[np.float64]:
    """The affine map (2, 3) that applies `inner` first."""
    turn = outer[:, :2] @ inner
    turn[:, 2] += outer[:, 2]
    return turn


def _warped(
    plane: NDArray[np.uint8],
    matrix: NDArray[np.float64],
    size_wh: Size,
    border: int = cv2.BORDER_REPLICATE,
) -> NDArray[np.uint8]:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(plane, matrix, size_wh, flags=flags, borderMode=border)
    return np.asarray(warped, np.uint8)


def _resized(plane: NDArray[np.uint8], size_wh: Size) -> NDArray[np.uint8]:
    smaller = size_wh[0] <= plane.shape[1] and size_wh[1] <= plane.shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, size_wh, interpolation=how), np.uint8)


def _faded(
    rgb: NDArray[np.uint8], to_picture: NDArray[np.float64], picture_wh: Size
) -> NDArray[np.uint8]:
    """A crop that fades to black where it leaves the picture, within a pixel of its border."""
    right, bottom = rgb.shape[1] - 1, rgb.shape[0] - 1
    corners = np.array([[0, 0, 1], [right, 0, 1], [0, bottom, 1], [right, bottom, 1]])
    reached = corners @ to_picture.T
    if (reached >= 0).all() and (reached <= np.subtract(picture_wh, 1)).all():
        return rgb
    inside = _warped(_white(picture_wh), to_picture, (right + 1, bottom + 1), cv2.BORDER_CONSTANT)
    return np.asarray(
        cv2.multiply(rgb, cv2.merge((inside, inside, inside)), scale=1 / 255), np.uint8
    )


@lru_cache(maxsize=1)
def _white(size_wh: Size) -> NDArray[np.uint8]:
    return np.full(size_wh[::-1], 255, np.uint8)
