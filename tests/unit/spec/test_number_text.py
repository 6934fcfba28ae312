"""Numbers become the shortest text that reads back exactly, whichever they are."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.spec.errors import ArrayError
from model.spec.number_text import (
    EXACT_DECIMALS,
    Cells,
    add_exactly,
    constant_cells,
    float32_cells,
    joined,
    text_cells,
    width_cells,
)
from tests.sequences import float32s

FINITE = st.floats(width=32, allow_infinity=False, allow_nan=False)
PX = st.floats(-2000, 8000, width=32)


def texts_of(cells: Cells) -> list[str]:
    lines = joined([cells, constant_cells(b"\n", len(cells))]).decode()
    return lines.split("\n")[:-1]


def numpy_text(value: np.float32) -> str:
    """The shortest form as NumPy has it, one by one."""
    if value == 0:
        return "-0.0" if np.signbit(value) else "0"
    if 1e-4 <= abs(value) < 1e16:
        return np.format_float_positional(value, unique=True, trim="-")
    return np.format_float_scientific(value, unique=True, trim="-", exp_digits=2)


def some_floats() -> NDArray[np.float32]:
    """All powers of two with their neighbours, and thousands of every magnitude and kind."""
    random = np.random.default_rng(0)
    bits = random.integers(0, 2**32, 4000, dtype=np.uint32)
    near_px = random.integers(0x38000000, 0x4A000000, 20_000, dtype=np.uint32)  # 3e-5 to 2e6
    powers = (np.arange(1, 255, dtype=np.uint32) << 23)[:, None] + np.array([-1, 0, 1])
    floats = np.concatenate([bits, near_px, powers.astype(np.uint32).ravel()]).view(np.float32)
    decimals = np.arange(-3000, 3000, dtype=np.float32) / np.float32(1000)
    edges = np.array([1e6, 999999.94, 1e16, 1e-4, 9.9999e-5, 2.0**-13, 1e-45, 3.4e38], np.float32)
    every = np.concatenate([floats, -floats[:500], decimals, edges, float32s([0, -0.0])])
    finite: NDArray[np.float32] = every[np.isfinite(every)]
    return finite


def test_shortest_text_is_numpys() -> None:
    values = some_floats()
    assert texts_of(float32_cells(values)) == [numpy_text(value) for value in values]


def test_text_reads_back_directly_and_by_way_of_float64() -> None:
    values = some_floats()
    texts = texts_of(float32_cells(values))
    by_float64 = np.array([float(text) for text in texts]).astype(np.float32)
    assert by_float64.tobytes() == values.tobytes()
    assert np.array(texts).astype(np.float32).tobytes() == values.tobytes()


@given(st.lists(FINITE, min_size=1, max_size=30))
def test_any_float32_reads_back(numbers: list[float]) -> None:
    values = np.array(numbers, np.float32)
    back = np.array([float(text) for text in texts_of(float32_cells(values))], np.float32)
    assert back.tobytes() == values.tobytes()


def test_where_reading_by_float64_would_end_at_the_neighbour_there_are_more_digits() -> None:
    # 7.038531e-26 is the shortest for float32, but as float64 it lies across the midpoint.
    value = np.array([0x15AE43FD], np.uint32).view(np.float32)
    (text,) = texts_of(float32_cells(value))
    assert np.float32(float("7.038531e-26")) != value[0]
    assert np.float32(float(text)) == value[0]


def test_missing_is_nothing_and_infinity_is_refused() -> None:
    assert joined([float32_cells(float32s([[np.nan, 1.5], [2, np.nan]])).reshape(2, -1)]) == b"1.52"
    with pytest.raises(ArrayError, match="expected finite numbers or NaN, got infinity"):
        float32_cells(float32s([1, -np.inf]))


def test_the_first_byte_is_free_for_a_separator() -> None:
    cells = float32_cells(some_floats())
    assert not cells[:, 0].any()


def last_from(first: np.float32, text: str) -> np.float32:
    """As docs/formats.md says."""
    if len(text.partition(".")[2]) >= EXACT_DECIMALS:
        return np.float32(add_exactly(first, Decimal(text)))
    return np.float32(np.float64(first) + float(text) - 1)


@given(first=PX | FINITE, last=PX | FINITE)
@example(first=-5.3, last=0.0)
@example(first=100.0, last=1e-40)
@example(first=-1e30, last=1e-30)
@example(first=np.float32(3.4028235e38), last=np.float32(-3.4028235e38))
@example(first=-1e16, last=1.5)
def test_any_width_gives_the_last_pixel_back(first: float, last: float) -> None:
    start, end = np.array([first], np.float32), np.array([last], np.float32)
    (text,) = texts_of(width_cells(start, end))
    back = last_from(start[0], text)
    assert back == end[0]


def test_widths_in_a_picture_are_short_and_none_of_fewer_decimals_would_do() -> None:
    random = np.random.default_rng(1)
    first = random.uniform(-20, 1000, 3000).astype(np.float32)
    last = (first + random.uniform(1, 900, 3000)).astype(np.float32)
    for start, end, text in zip(first, last, texts_of(width_cells(first, last)), strict=True):
        assert last_from(start, text) == end
        decimals = len(text.partition(".")[2])
        assert decimals < EXACT_DECIMALS
        width = float(end) - float(start) + 1
        if decimals:
            assert last_from(start, f"{width:.{decimals - 1}f}") != end


def test_a_whole_box_has_whole_numbers() -> None:
    assert texts_of(width_cells(float32s([10, 3, np.nan]), float32s([19, 3, np.nan]))) == [
        "10",
        "1",
        "",
    ]


def test_columns_side_by_side() -> None:
    columns = [text_cells([b"a", b"", b"ccc"]), constant_cells(b";\n", 3)]
    assert joined(columns) == b"a;\n;\nccc;\n"
