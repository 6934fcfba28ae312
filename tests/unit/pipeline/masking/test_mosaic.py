"""Mosaics: squares of one colour, each the mean of what lies under it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.spec.errors import ArrayError
from workers.pipeline.masking.mosaic import coarse


@given(st.integers(1, 70), st.integers(1, 50), st.integers(4, 40), st.integers(0, 9))
@settings(max_examples=60)
def test_every_square_is_flat_and_a_mean(width: int, height: int, cell_px: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    squares = coarse(picture, cell_px)
    assert squares.shape == picture.shape
    for top in range(0, height, cell_px):
        for left in range(0, width, cell_px):
            square = np.s_[top : top + cell_px, left : left + cell_px]
            assert len(np.unique(squares[square].reshape(-1, 3), axis=0)) == 1
            if top + cell_px <= height and left + cell_px <= width:
                mean = picture[square].reshape(-1, 3).mean(0)
                assert (abs(squares[top, left] - mean) <= 1).all()


@pytest.mark.parametrize(("shape", "cell_px"), [((9, 9, 3), 3), ((0, 9, 3), 8)])
def test_too_fine_or_empty(shape: tuple[int, int, int], cell_px: int) -> None:
    with pytest.raises(ArrayError, match="expected pixels in squares of at least 4 px"):
        coarse(np.zeros(shape, np.uint8), cell_px)
