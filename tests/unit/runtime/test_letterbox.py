"""Boxes go into the input and back without moving; the frame is where it should be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.runtime.letterbox import GREY, Letterbox
from model.spec.errors import ArrayError

SIDES = st.integers(8, 3000)


@given(
    picture_wh=st.tuples(SIDES, SIDES),
    input_wh=st.tuples(st.integers(32, 640), st.integers(32, 640)),
    shares=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_boxes_come_back(
    picture_wh: tuple[int, int],
    input_wh: tuple[int, int],
    shares: tuple[float, float, float, float],
) -> None:
    frame = Letterbox.of(picture_wh, input_wh)
    x1, x2 = sorted(share * (picture_wh[0] - 1) for share in (shares[0], shares[2]))
    y1, y2 = sorted(share * (picture_wh[1] - 1) for share in (shares[1], shares[3]))
    boxes = np.array([[x1, y1, x2, y2]], np.float32)
    np.testing.assert_allclose(frame.to_picture(frame.to_input(boxes)), boxes, atol=0.01)


def test_the_whole_picture_fills_the_inside_of_the_frame() -> None:
    frame = Letterbox.of((640, 480), (320, 320))
    assert (frame.inner_wh, frame.left_top) == ((320, 240), (0, 40))
    whole = np.array([[0, 0, 639, 479]], np.float32)
    np.testing.assert_allclose(frame.to_input(whole), [[0, 40, 320, 280]])
    framed = frame.apply(np.full((480, 640, 3), 200, np.uint8))
    assert (framed[40:280] == 200).all()
    assert (framed[:40] == GREY).all()
    assert (framed[280:] == GREY).all()


def test_a_bright_square_is_found_where_it_is() -> None:
    """To half a pixel: the pixels that shine in the input span the box carried there."""
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[100:200, 300:400] = 255
    frame = Letterbox.of((640, 480), (320, 320))
    ys, xs = np.nonzero(frame.apply(picture)[..., 0] > 128)
    edges = np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], np.float64)
    np.testing.assert_array_equal(frame.to_picture(edges), [[300, 100, 399, 199]])


def test_what_lies_outside_is_cut_off_and_nothing_is_thinner_than_a_pixel() -> None:
    frame = Letterbox.of((100, 50), (64, 64))
    found = frame.to_picture(np.array([[-50, -50, 200, 200], [70, 0, 90, 5], [10, 20, 10.1, 20.1]]))
    assert found[0].tolist() == [0, 0, 99, 49]
    assert ((found >= 0) & (found <= [99, 49, 99, 49])).all()
    assert (found[:, 2:] >= found[:, :2]).all()


def test_a_picture_of_another_size() -> None:
    frame = Letterbox.of((100, 50), (64, 64))
    with pytest.raises(
        ArrayError, match=r"expected uint8 \(50, 100, 3\), got uint8 \(100, 50, 3\)"
    ):
        frame.apply(np.zeros((100, 50, 3), np.uint8))
    with pytest.raises(ArrayError, match="at least one pixel"):
        Letterbox.of((0, 50), (64, 64))
