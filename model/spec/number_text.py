"""Numbers as text, many at once: float32 in the shortest decimal form that reads back exactly.

Text is made in cells: uint8 arrays in which zero bytes stand for nothing. Cells lie side by side as
the columns of a table, and `joined` drops the zero bytes. Formatting number by number in Python
would cost more than everything else that is done with a row.
"""

from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.spec.errors import ArrayError

Cells = NDArray[np.uint8]
"""uint8 (..., W): text of at most W bytes each."""

EXACT_DECIMALS: Final = 20
"""A width with so many decimals or more is to be added exactly; see `width_cells`."""

_POWERS: Final = 10.0 ** np.arange(23)  # all of them exact
# Numbers outside these limits are rare and written one by one. From 2**-13 on, eleven decimals
# tell all float32 apart; below a million, the digits fit the cell.
_LEAST: Final = 2.0**-13
_LIMIT: Final = 1e6
_DECIMALS: Final = 11
_WHOLE: Final = 2.0**53  # up to here float64 has every whole number
_AMPLE: Final = Context(prec=400)  # sums and differences of float32 are exact


def joined(columns: Sequence[Cells]) -> bytes:
    """The text of a table, row by row, from its columns (N, W)."""
    return np.concatenate(columns, axis=1).tobytes().translate(None, b"\0")


def constant_cells(text: bytes, rows: int) -> Cells:
    """(N, W): the same text in every row."""
    return np.broadcast_to(np.frombuffer(text, np.uint8), (rows, len(text)))


def text_cells(texts: Sequence[bytes]) -> Cells:
    """(N, W) from N texts, at least one; W is the longest one's length."""
    return np.array(texts, np.bytes_).view(np.uint8).reshape(len(texts), -1)


def float32_cells(values: NDArray[np.float32]) -> Cells:
    """The shortest decimals that read back as the same float32, also by way of float64.

    Their digits are those of `np.format_float_positional`. Whole numbers have no point; below
    1e-4 and from 1e16 on it is scientific notation, as in `1e-05`; negative zero is `-0.0`.

    Args:
        values: float32 (...).

    Returns:
        (..., 20), of which the first byte is free, for a separator; nothing for NaN.

    Raises:
        ArrayError: A value is infinite.
    """
    flat = np.ascontiguousarray(values).reshape(-1)
    if np.isinf(flat).any():
        raise ArrayError("expected finite numbers or NaN, got infinity")
    bits = flat.view(np.uint32)
    magnitude = np.abs(flat)
    usual = (magnitude >= _LEAST) & (magnitude < _LIMIT) | (bits == 0)
    magnitude = np.where(usual, magnitude, np.float32(1))
    near, scaled, decimals = _shortest(
        magnitude.astype(np.float64),
        _grid_decimals(magnitude),
        lambda near: near.astype(np.float32) == magnitude,
    )
    cells = _positional(near, scaled, decimals, negative=np.signbit(flat))
    cells[~usual] = 0
    for i in np.flatnonzero(~usual & ~np.isnan(flat)):
        text = _one_float32(flat[i])
        cells[i, 1 : 1 + len(text)] = np.frombuffer(text, np.uint8)
    return cells.reshape(*values.shape, -1)


def width_cells(first: NDArray[np.float32], last: NDArray[np.float32]) -> Cells:
    """The width in px from the first to the last pixel, last - first + 1, so that it reads back.

    It has the fewest decimals with which first + width - 1, in float64 and from left to right,
    rounds to the very same float32 `last`. Where none of up to 11 decimals does (`last` nearly or
    wholly 0), the exact width stands with EXACT_DECIMALS or more, to be added exactly.

    Args:
        first: float32 (N,), finite or NaN.
        last: float32 (N,), finite, NaN where `first` is.

    Returns:
        (N, W), nothing for NaN.
    """
    start = first.astype(np.float64)
    width = last.astype(np.float64) - start + 1
    usual = (width >= 0) & (width < _LIMIT)
    width = np.where(usual, width, 1)

    def reads_back(near: NDArray[np.float64]) -> NDArray[np.bool_]:
        again: NDArray[np.bool_] = (start + near - 1).astype(np.float32) == last
        return again

    near, scaled, decimals = _shortest(width, _grid_decimals(np.abs(last)), reads_back)
    usual &= reads_back(near) & (scaled < _WHOLE)
    near[~usual] = scaled[~usual] = 0
    cells = _positional(near, scaled, decimals, negative=np.zeros(len(width), np.bool_))
    cells[~usual] = 0
    rest = np.flatnonzero(~usual & ~np.isnan(first))
    if not len(rest):
        return cells
    texts = [b""] * len(first)
    for i in rest:
        texts[i] = _exact_width(first[i], last[i])
    return np.concatenate([cells, text_cells(texts)], axis=1)


def _exact_width(first: np.float32, last: np.float32) -> bytes:
    difference = _AMPLE.subtract(Decimal(float(last)), Decimal(float(first)))
    width = _AMPLE.add(difference, Decimal(1))
    exponent = width.as_tuple().exponent
    return f"{width:.{max(EXACT_DECIMALS, -int(exponent))}f}".encode()


def add_exactly(first: np.float32, width: Decimal) -> float:
    """The last pixel, first + width - 1, of a width that `width_cells` gave exactly."""
    return float(_AMPLE.add(_AMPLE.add(Decimal(float(first)), width), Decimal(-1)))


def _one_float32(value: np.float32) -> bytes:
    """As `float32_cells`, for the rare ones."""
    if value == 0:
        return b"-0.0"
    if 1e-4 <= abs(value) < 1e16:
        text = np.format_float_positional(value, trim="-")
    else:
        text = np.format_float_scientific(value, trim="-", exp_digits=2)
    # A handful of numbers in all float32: rounded twice, their shortest decimal ends at the
    # neighbour. With ten digits it is too near to the number for that.
    return (text if np.float32(float(text)) == value else f"{float(value):.9e}").encode()


def _grid_decimals(magnitude: NDArray[np.float32]) -> NDArray[np.intp]:
    """So many decimals that they are as close together as float32 is at these magnitudes."""
    return _DECIMALS_BY_EXPONENT.take(magnitude.view(np.uint32) >> 23)


def _shortest(
    values: NDArray[np.float64],
    decimals: NDArray[np.intp],
    reads_back: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """The decimals that read back, but for zeros at their end.

    With the decimals that `_grid_decimals` gives, the nearest decimal reads back. With one less
    they are farther apart than float32, so that at most one of them reads back; if the nearest
    does, then it holds all shorter ones too, and only its trailing zeros are in the way.

    Returns:
        The decimals as float64, times their power of ten (a whole number), and their number.
    """
    fewer = decimals - 1
    power = _POWERS[fewer]
    scaled = np.rint(values * power)
    near = scaled / power
    good = reads_back(near)
    more = _POWERS[decimals]
    scaled = np.where(good, scaled, np.rint(values * more))
    near = np.where(good, near, scaled / more)
    return near, scaled, np.where(good, fewer, decimals)


def _positional(
    near: NDArray[np.float64],
    scaled: NDArray[np.float64],
    decimals: NDArray[np.intp],
    *,
    negative: NDArray[np.bool_],
) -> Cells:
    """(N, 20): the digits of numbers below a million, without zeros that say nothing."""
    whole = near.astype(np.uint32)
    fraction = scaled - whole * _POWERS[decimals]
    fraction = (fraction * _POWERS[_DECIMALS - decimals]).astype(np.uint64)
    thousands, last = np.divmod(whole, np.uint32(10_000))
    tenths, rest = np.divmod(fraction, np.uint64(10**8))
    middle, end = np.divmod(rest.astype(np.uint32), np.uint32(10_000))
    words = np.empty((len(near), 5), np.uint32)
    words[:, 0] = _FIRST.take(thousands + 100 * negative.astype(np.uint32))
    words[:, 1] = _LAST.take(last + 10_000 * (thousands == 0).astype(np.uint32))
    words[:, 2] = _POINTED.take(tenths + 1000 * (rest == 0).astype(np.uint64))
    words[:, 3] = _FRACTION.take(middle + 10_000 * (end == 0).astype(np.uint32))
    words[:, 4] = _FRACTION.take(end + np.uint32(10_000))
    return words.view(np.uint8)


def _decimals_by_exponent() -> NDArray[np.intp]:
    spacing = 2.0 ** (np.arange(256) - 127 - 23)
    decimals: NDArray[np.float64] = np.ceil(-np.log10(spacing)).clip(1, _DECIMALS)
    return decimals.astype(np.intp)


def _word_tables() -> tuple[NDArray[np.uint32], ...]:
    """Four bytes of text by number: a whole number's first two digits, its last four, the point
    with three decimals, four decimals more.

    Each table has two halves. The second is for a minus sign (first) or for numbers that have
    nothing before (last) or behind (decimals): zeros that say nothing are left out there.
    """  # noqa: D205 - a list
    digits = np.arange(10_000)[:, None] // [1000, 100, 10, 1] % 10
    text = (digits + ord("0")).astype(np.uint8)
    leading = np.where(np.cumsum(digits, axis=1) > 0, text, np.uint8(0))
    trailing = np.where(np.cumsum(digits[:, ::-1], axis=1)[:, ::-1] > 0, text, np.uint8(0))
    first, last, pointed, short = leading[:100], leading.copy(), text[:1000], trailing[:1000]
    negative, pointed, short = first.copy(), pointed.copy(), short.copy()
    negative[:, 1] = ord("-")
    last[0, 3] = ord("0")
    pointed[:, 0] = ord(".")
    short[:, 0] = 0
    short[1:, 0] = ord(".")
    halves = ((first, negative), (text, last), (pointed, short), (text, trailing))
    return tuple(np.concatenate(pair).view(np.uint32)[:, 0] for pair in halves)


_DECIMALS_BY_EXPONENT: Final = _decimals_by_exponent()
_FIRST, _LAST, _POINTED, _FRACTION = _word_tables()
