"""keypoints.csv: one line a frame. docs/formats.md is the contract."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.spec.errors import SequenceError
from model.spec.number_text import constant_cells, float32_cells, joined, text_cells
from model.spec.sequence import (
    ALL_FLAGS,
    NO_PTS,
    STATUSES,
    FilteredRows,
    Rows,
    SequenceHeader,
)
from model.spec.sequence_text import (
    ByteStream,
    box_cells,
    boxes_from_xywh,
    flag_cells,
    integer_cells,
    is_exact,
    keypoint_values,
    opened,
    pieces,
    read_values,
    status_cells,
    within_float32,
)

FRAME_COLUMNS = (
    "frame_index", "pts", "time_s", "status", "bbox_x", "bbox_y", "bbox_w", "bbox_h", "bbox_score",
)  # fmt: skip
KEYPOINT_COLUMNS = ("x", "y", "score")

_BLOCK_BYTES = 1 << 20
_NUMBER_BYTES = b"0123456789.+-e"
_STATUSES = [name.encode() for name in STATUSES]
_ALL_FLAGS = [b"%d" % flags for flags in range(ALL_FLAGS + 1)]


def csv_columns(keypoints: Sequence[str], *, filtered: bool) -> list[str]:
    """The names of the columns; the filtered series has one more a keypoint, behind all others."""
    columns = [
        *FRAME_COLUMNS,
        *(f"{name}_{part}" for name in keypoints for part in KEYPOINT_COLUMNS),
    ]
    return columns + [f"{name}_flags" for name in keypoints if filtered]


class CsvWriter:
    """Writes a sequence as CSV, piece by piece; the same bytes whatever the pieces.

    Args:
        header: Of the sequence; only the series and the keypoints' names go into the file.
    """

    def __init__(self, header: SequenceHeader) -> None:
        self._header = header

    def header(self) -> bytes:
        """What stands before the rows: the columns' names."""
        filtered = self._header.series == "filtered"
        names = csv_columns(self._header.skeleton.keypoints, filtered=filtered)
        return (",".join(names) + "\n").encode()

    def rows(self, block: Rows | FilteredRows) -> Iterator[bytes]:
        """The rows that come next, in pieces.

        Raises:
            SequenceError: They are not of the header's series or skeleton, or not finite.
        """
        for rows, flags in pieces(self._header, block):
            yield _lines(rows, flags)

    def end(self) -> bytes:
        """What stands behind the rows: nothing."""
        return b""


def _lines(rows: Rows, flags: NDArray[np.uint8] | None) -> bytes:
    comma = constant_cells(b",", len(rows))
    columns = [
        integer_cells(rows.frame_index, b""), comma,
        integer_cells(rows.pts, b""), comma,
        text_cells([b"" if math.isnan(t) else b"%.6f" % t for t in rows.time_s.tolist()]), comma,
        status_cells(rows.status),
    ]  # fmt: skip
    for cells in (*box_cells(rows.box_xyxy), float32_cells(rows.box_score)):
        columns += [comma, cells]
    keypoints = float32_cells(keypoint_values(rows))
    keypoints[..., 0] = ord(",")
    columns.append(keypoints.reshape(len(rows), -1))
    if flags is not None:
        columns.append(flag_cells(flags).reshape(len(rows), -1))
    return joined([*columns, constant_cells(b"\n", len(rows))])


def read_csv(source: Path | ByteStream) -> tuple[tuple[str, ...], Rows | FilteredRows]:
    """Read what CsvWriter wrote: exactly, but for `time_s`, which has six decimals there.

    Args:
        source: A file, or a binary stream such as that of `gzip.open`.

    Returns:
        The keypoints' names, and the rows; FilteredRows where there are columns of flags.

    Raises:
        SequenceError: It is no such CSV; the message names line and column.
    """
    with opened(source) as stream:
        layout = _layout(stream.readline())
        parts, number = [], 2
        while lines := stream.readlines(_BLOCK_BYTES):
            parts.append(_read_lines(layout, lines, number))
            number += len(lines)
    parts = parts or [_read_lines(layout, [], number)]
    rows = Rows.joined([part for part, _ in parts])
    if not layout.filtered:
        return layout.keypoints, rows
    return layout.keypoints, FilteredRows(rows, np.concatenate([flags for _, flags in parts]))


@dataclass(frozen=True)
class _Layout:
    """The columns of a file."""

    keypoints: tuple[str, ...]
    columns: tuple[str, ...]
    filtered: bool


def _layout(line: bytes) -> _Layout:
    got = line.decode(errors="replace").removesuffix("\n").split(",")
    filtered = got[-1].endswith("_flags")
    count = (len(got) - len(FRAME_COLUMNS)) // (4 if filtered else 3)
    keypoints = [name.removesuffix("_x") for name in got[len(FRAME_COLUMNS) :: 3][: max(count, 1)]]
    expected = csv_columns(keypoints or ["KEYPOINT"], filtered=filtered)
    if got != expected:
        pairs = zip_longest(got, expected, fillvalue="nothing")
        column, (have, want) = next((i, p) for i, p in enumerate(pairs, 1) if p[0] != p[1])
        raise SequenceError(f"line 1, column {column}: expected {want}, got {have[:60]!r}")
    if not line.endswith(b"\n"):
        raise SequenceError("line 1: expected an end of line, got none")
    return _Layout(tuple(keypoints), tuple(expected), filtered)


def _read_lines(layout: _Layout, lines: list[bytes], number: int) -> tuple[Rows, NDArray[np.uint8]]:
    """Rows and flags of some lines, of which the first has this number in the file."""
    if lines and not lines[-1].endswith(b"\n"):
        raise SequenceError(f"line {number + len(lines) - 1}: expected an end of line, got none")
    table = [line[:-1].split(b",") for line in lines]
    for i, fields in enumerate(table, number):
        if len(fields) != len(layout.columns):
            raise SequenceError(
                f"line {i}: expected {len(layout.columns)} fields, got {len(fields)}"
            )

    def read(start: int, stop: int, kind: _Kind) -> NDArray[Any]:
        def where(place: int) -> str:
            row, column = divmod(place, stop - start)
            return f"line {number + row}, {layout.columns[start + column]}"

        texts = [text for fields in table for text in fields[start:stop]]
        return read_values(texts, *kind, where).reshape(len(table), stop - start)

    index, pts, time_s = read(0, 1, _INDEX), read(1, 2, _PTS), read(2, 3, _NUMBER)
    status = read(3, 4, _STATUS)
    first_flag = len(FRAME_COLUMNS) + 3 * len(layout.keypoints)
    numbers = read(4, first_flag, _NUMBER)
    points = numbers[:, 5:].astype(np.float32).reshape(len(table), len(layout.keypoints), 3)
    rows = Rows(
        frame_index=index[:, 0],
        pts=pts[:, 0],
        time_s=time_s[:, 0],
        status=status[:, 0],
        box_xyxy=_boxes(numbers[:, :4], table, number),
        box_score=numbers[:, 4].astype(np.float32),
        keypoints_xy=points[..., :2],
        scores=points[..., 2],
    )
    return rows, read(first_flag, len(layout.columns), _FLAGS)


def _boxes(xywh: NDArray[np.float64], table: list[list[bytes]], number: int) -> NDArray[np.float32]:
    exact = {
        (row, axis): Decimal(text.decode())
        for row, fields in enumerate(table)
        for axis, text in enumerate(fields[6:8])
        if is_exact(text)
    }
    return boxes_from_xywh(xywh, exact, lambda row: f"line {number + row}")


def _plain(texts: Sequence[bytes]) -> Sequence[bytes]:
    """The same; raises ValueError where Python would read more than plain numbers."""
    if b"".join(texts).translate(None, _NUMBER_BYTES):
        raise ValueError
    return texts


def _indices(texts: Sequence[bytes]) -> NDArray[np.int64]:
    return np.array([int(text) for text in _plain(texts)], np.int64)


def _stamps(texts: Sequence[bytes]) -> NDArray[np.int64]:
    return np.array([int(text) if text else NO_PTS for text in _plain(texts)], np.int64)


def _numbers(texts: Sequence[bytes]) -> NDArray[np.float64]:
    return within_float32([float(text) if text else math.nan for text in _plain(texts)])


def _statuses(texts: Sequence[bytes]) -> NDArray[np.uint8]:
    return np.array([_STATUSES.index(text) for text in texts], np.uint8)


def _flags(texts: Sequence[bytes]) -> NDArray[np.uint8]:
    return np.array([_ALL_FLAGS.index(text) for text in texts], np.uint8)


_Kind = tuple[Callable[[Sequence[bytes]], NDArray[Any]], str]
_INDEX: _Kind = (_indices, "a whole number")
_PTS: _Kind = (_stamps, "a whole number or nothing")
_NUMBER: _Kind = (_numbers, "a number or nothing")
_STATUS: _Kind = (_statuses, "one of " + ", ".join(STATUSES))
_FLAGS: _Kind = (_flags, f"a sum of flags, 0 to {ALL_FLAGS}")
