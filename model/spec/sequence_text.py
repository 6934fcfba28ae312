"""What keypoints.csv and keypoints.json share: a row's values as text, and the box' corners back.

A box is written as (x, y, w, h), where a box of w px spans w - 1 units, as in `Boxes`; see
`width_cells` for how its far corner comes back exactly.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from model.spec.errors import SequenceError
from model.spec.number_text import (
    EXACT_DECIMALS,
    Cells,
    add_exactly,
    float32_cells,
    text_cells,
    width_cells,
)
from model.spec.sequence import NO_PTS, STATUSES, FilteredRows, Rows, SequenceHeader

_FLOAT32_END: Final = 2.0**128 - 2.0**103
"""From here on numbers round to infinity."""

Value = TypeVar("Value")

_PIECE = 256
"""Rows that are made into text together: few enough that they stay in the processor's cache."""


class ByteStream(Protocol):
    """A stream of bytes to read from, such as a file or that of `gzip.open`."""

    def read(self, size: int = ..., /) -> bytes:
        """All that is left, or so many bytes."""

    def readline(self, size: int = ..., /) -> bytes:
        """Up to the next end of line."""

    def readlines(self, hint: int = ..., /) -> list[bytes]:
        """Lines of so many bytes together."""


def pieces(
    header: SequenceHeader, block: Rows | FilteredRows
) -> Iterator[tuple[Rows, NDArray[np.uint8] | None]]:
    """A block in pieces of some hundred rows, with their flags in the filtered series.

    Raises:
        SequenceError: The block is not of the series or skeleton that the header announces, holds
            an infinite number, or a box of which a part is missing.
    """
    got = "filtered" if isinstance(block, FilteredRows) else "raw"
    if got != header.series:
        raise SequenceError(f"expected rows of the {header.series} series, got {got} ones")
    rows = block.rows if isinstance(block, FilteredRows) else block
    count = len(header.skeleton.keypoints)
    if rows.scores.shape[1] != count:
        raise SequenceError(
            f"expected {count} keypoints of {header.skeleton.id}, got {rows.scores.shape[1]}"
        )
    for name in ("time_s", "box_xyxy", "box_score", "keypoints_xy", "scores"):
        if np.isinf(getattr(rows, name)).any():
            raise SequenceError(f"{name}: expected finite numbers or NaN, got infinity")
    missing = np.isnan(rows.box_xyxy)
    if (missing.any(axis=1) != missing.all(axis=1)).any():
        raise SequenceError("box_xyxy: expected whole boxes or none, got one with a part missing")
    for start in range(0, len(rows), _PIECE):
        part = slice(start, start + _PIECE)
        yield rows[part], block.flags[part] if isinstance(block, FilteredRows) else None


def integer_cells(values: NDArray[np.int64], missing: bytes) -> Cells:
    """Whole numbers; NO_PTS as `missing`."""
    return text_cells([b"%d" % v if v != NO_PTS else missing for v in values.tolist()])


def status_cells(status: NDArray[np.uint8]) -> Cells:
    """The statuses' words."""
    return text_cells([name.encode() for name in STATUSES])[status]


def flag_cells(flags: NDArray[np.uint8]) -> Cells:
    """(N, K, 2): the sums of flags, one digit each, behind a comma."""
    return np.stack([np.full_like(flags, ord(",")), flags + np.uint8(ord("0"))], axis=-1)


def box_cells(box_xyxy: NDArray[np.float32]) -> tuple[Cells, Cells, Cells, Cells]:
    """x, y, w and h; nothing where the box is missing."""
    x1, y1, x2, y2 = np.ascontiguousarray(box_xyxy.T)
    return float32_cells(x1), float32_cells(y1), width_cells(x1, x2), width_cells(y1, y2)


def keypoint_values(rows: Rows) -> NDArray[np.float32]:
    """(N, K, 3): x, y and score."""
    return np.concatenate([rows.keypoints_xy, rows.scores[..., None]], axis=2)


def read_values(
    values: Sequence[Value],
    read: Callable[[Sequence[Value]], NDArray[Any]],
    expected: str,
    where: Callable[[int], str],
) -> NDArray[Any]:
    """Read many values together, and only if that fails look for the one to blame.

    Args:
        values: As they stand in the file.
        read: Makes an array of them; raises ValueError or OverflowError.
        expected: What they should be.
        where: Says where in the file a value stands, by its place in `values`.

    Raises:
        SequenceError: One of them is something else.
    """
    try:
        return read(values)
    except (ValueError, OverflowError):
        for i, value in enumerate(values):
            try:
                read([value])
            except (ValueError, OverflowError):
                raise SequenceError(
                    f"{where(i)}: expected {expected}, got {_shown(value)}"
                ) from None
        raise


def _shown(value: object) -> str:
    text = repr(value.decode(errors="replace") if isinstance(value, bytes) else value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def within_float32(values: Sequence[object]) -> NDArray[np.float64]:
    """Numbers as float64, None as NaN; raises OverflowError where float32 would be infinite."""
    wide = np.array(values, np.float64)
    if (np.abs(wide) >= _FLOAT32_END).any():
        raise OverflowError
    return wide


def boxes_from_xywh(
    xywh: NDArray[np.float64],
    exact: Mapping[tuple[int, int], Decimal],
    where: Callable[[int], str],
) -> NDArray[np.float32]:
    """Corners from x, y, w, h as read.

    Args:
        xywh: float64 (N, 4), NaN where missing.
        exact: The widths and heights that are `is_exact`, by row and 0 (w) or 1 (h).
        where: Says where in the file a row stands.

    Returns:
        float32 (N, 4), as it was before it was written.

    Raises:
        SequenceError: A part of a box is missing, or its far corner is beyond float32.
    """
    first = xywh[:, :2].astype(np.float32)
    far = first.astype(np.float64) + xywh[:, 2:] - 1
    for (row, axis), width in exact.items():
        far[row, axis] = add_exactly(first[row, axis], width)
    missing = np.isnan(xywh)
    bad = (missing.any(axis=1) != missing.all(axis=1)) | (np.abs(far) >= _FLOAT32_END).any(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise SequenceError(f"{where(row)}: expected a box x, y, w, h, got {xywh[row].tolist()}")
    return np.concatenate([first, far.astype(np.float32)], axis=1)


def is_exact(width: bytes) -> bool:
    """Whether a width or height, as written, is one to be added exactly; see `width_cells`."""
    return len(width) > EXACT_DECIMALS and len(width.partition(b".")[2]) >= EXACT_DECIMALS


def opened(source: Path | ByteStream) -> AbstractContextManager[ByteStream]:
    """A file or a stream; only what is opened here is closed.

    Raises:
        SequenceError: The file cannot be opened.
    """
    if not isinstance(source, Path):
        return nullcontext(source)
    try:
        return source.open("rb")
    except OSError as error:
        raise SequenceError(f"expected a file to read, got: {error}") from error
