"""Crops out of planes are those that come out of the converted, turned picture."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.runtime.letterbox import GREY, Letterbox
from model.spec.errors import ArrayError
from model.spec.geometry import CropFrame
from model.spec.warp import warp_crop
from tests.unit.pipeline.decoding.coded import drawing
from workers.pipeline.decoding.colour import Colour
from workers.pipeline.decoding.picture import Orientation, Planes, YuvPicture

CROP_WH = (48, 64)
ORIENTATIONS = st.builds(Orientation, st.sampled_from([0, 90, 180, 270]), st.booleans())
COLOUR = Colour("bt601", full_range=True)


def planes_of(rgb: NDArray[np.uint8]) -> Planes:
    """JPEG's YUV of a picture, chroma in the middle of four pixels (even sizes)."""
    ycc = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)
    half = (rgb.shape[1] // 2, rgb.shape[0] // 2)
    v, u = (cv2.resize(ycc[..., i], half, interpolation=cv2.INTER_AREA) for i in (1, 2))
    return tuple(np.asarray(plane, np.uint8) for plane in (ycc[..., 0], u, v))  # type: ignore[return-value]


def picture_of(planes: Planes, orientation: Orientation, *, jpeg: bool = True) -> YuvPicture:
    return YuvPicture(planes, colour=COLOUR, orientation=orientation, jpeg_chroma=jpeg)


def turned(rgb: NDArray[np.uint8], orientation: Orientation) -> NDArray[np.uint8]:
    shown = np.rot90(rgb, orientation.rotation_deg // 90)
    return np.ascontiguousarray(shown[:, ::-1] if orientation.mirrored else shown)


@given(
    orientation=ORIENTATIONS,
    center=st.tuples(st.floats(-30, 190), st.floats(-30, 190)),
    width=st.floats(10, 250),
    angle=st.floats(-360, 360),
)
@settings(max_examples=150)
def test_crops_are_those_of_the_converted_picture(
    orientation: Orientation, center: tuple[float, float], width: float, angle: float
) -> None:
    rgb = drawing(3, (160, 120))
    picture = picture_of(planes_of(rgb), orientation)
    frame = CropFrame(center, width, angle, CROP_WH)
    found = picture.crop(frame).astype(int)
    expected = warp_crop(turned(rgb, orientation), frame).astype(int)
    assert found.shape == (64, 48, 3)
    off = np.abs(found - expected)
    assert off.mean() < 1.5  # YUV and chroma at half the size were rounded before
    assert off.max() <= 14


@given(orientation=ORIENTATIONS)
@settings(max_examples=16)
def test_beyond_the_picture_is_black(orientation: Orientation) -> None:
    white = np.full((120, 160, 3), 255, np.uint8)
    picture = picture_of(planes_of(white), orientation)
    width, height = picture.displayed_wh
    crop = picture.crop(CropFrame(((width - 1) / 2, (height - 1) / 2), 479.0, 0.0, (479, 479)))
    left, top = 239 - (width - 1) / 2, 239 - (height - 1) / 2
    inside = np.zeros((479, 479), bool)
    inside[int(top + 1) : int(top + height - 1), int(left + 1) : int(left + width - 1)] = True
    assert (crop[inside] >= 254).all()
    outside = np.pad(~inside[2:-2, 2:-2], 2, constant_values=True)
    far = cv2.erode(outside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert not crop[far].any()


@given(orientation=ORIENTATIONS, input_wh=st.tuples(st.integers(24, 200), st.integers(24, 200)))
@settings(max_examples=60)
def test_letterboxes_are_those_of_the_converted_picture(
    orientation: Orientation, input_wh: tuple[int, int]
) -> None:
    rgb = drawing(5, (160, 120))
    picture = picture_of(planes_of(rgb), orientation)
    box = Letterbox.of(picture.displayed_wh, input_wh)
    found = picture.letterboxed(box).astype(int)
    off = np.abs(found - box.apply(turned(rgb, orientation)))
    assert off.mean() < 1.5
    assert off.max() <= 14
    frame = np.ones(found.shape[:2], bool)
    (left, top), (width, height) = box.left_top, box.inner_wh
    frame[top : top + height, left : left + width] = False
    assert (found[frame] == GREY).all()


def test_letterboxes_of_other_pictures_are_refused() -> None:
    picture = picture_of(planes_of(drawing(0, (160, 120))), Orientation(90))
    with pytest.raises(ArrayError, match=r"\(120, 160\)"):
        picture.letterboxed(Letterbox.of((160, 120), (64, 64)))


@given(orientation=ORIENTATIONS, share=st.floats(0.2, 1))
@settings(max_examples=40)
def test_small_pictures_are_averages(orientation: Orientation, share: float) -> None:
    rgb = drawing(7, (160, 120))
    picture = picture_of(planes_of(rgb), orientation)
    size = (max(2, round(picture.displayed_wh[0] * share)),
            max(2, round(picture.displayed_wh[1] * share)))  # fmt: skip
    expected = cv2.resize(turned(rgb, orientation), size, interpolation=cv2.INTER_AREA)
    off = np.abs(picture.rgb(size).astype(int) - expected)
    assert off.mean() < 2
    assert off.max() <= 16


def test_chroma_lies_where_the_codec_puts_it() -> None:
    """A red ramp along x: MPEG's chroma samples lie half a pixel left of JPEG's."""
    y = np.full((32, 64), 128, np.uint8)
    flat = np.full((16, 32), 128, np.uint8)
    ramp = np.tile(np.arange(32, dtype=np.uint8) * 4 + 64, (16, 1))
    frame = CropFrame((32.0, 16.0), 25.0, 0.0, (25, 9))
    shown = [
        picture_of((y, flat, ramp), Orientation(0), jpeg=jpeg).crop(frame)[4, :, 0].astype(float)
        for jpeg in (False, True)
    ]
    step = 4 / 2 * 1.402  # of red, a pixel
    assert (shown[0] - shown[1]).mean() == pytest.approx(step / 2, abs=0.3)
