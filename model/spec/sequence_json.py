"""keypoints.json: where a sequence comes from, and its frames. docs/formats.md is the contract."""

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import chain
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.spec.errors import SequenceError
from model.spec.number_text import (
    EXACT_DECIMALS,
    Cells,
    constant_cells,
    float32_cells,
    joined,
    text_cells,
)
from model.spec.sequence import (
    ALL_FLAGS,
    NO_PTS,
    STATUSES,
    FilteredRows,
    Rows,
    SequenceHeader,
)
from model.spec.sequence_header import header_json, read_header
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

_FRAME_FIELDS = frozenset(
    ("frame_index", "pts", "time_s", "status", "bbox", "bbox_score", "keypoints")
)
_NULL = np.frombuffer(b"null", np.uint8)
_MANY_DECIMALS = re.compile(rb"\.\d{%d}" % EXACT_DECIMALS)
_BLOCK = 1024
"""Frames that are read together."""


class JsonWriter:
    """Writes a sequence as one JSON object, piece by piece; the same bytes whatever the pieces.

    Args:
        header: Of the sequence.

    Raises:
        SequenceError: The header holds what JSON cannot, such as NaN.
    """

    def __init__(self, header: SequenceHeader) -> None:
        self._header = header
        self._fields = header_json(header)
        self._separator = b"\n"

    def header(self) -> bytes:
        """What stands before the rows: the header, one field a line."""
        return ("{" + ",\n".join(self._fields) + ',\n"frames":[').encode()

    def rows(self, block: Rows | FilteredRows) -> Iterator[bytes]:
        """The rows that come next, one object a line, in pieces.

        Raises:
            SequenceError: They are not of the header's series or skeleton, or not finite.
        """
        for rows, flags in pieces(self._header, block):
            yield self._separator + _objects(rows, flags)[: -len(b",\n")]
            self._separator = b",\n"

    def end(self) -> bytes:
        """What stands behind the rows."""
        return b"\n]}\n"


def _objects(rows: Rows, flags: NDArray[np.uint8] | None) -> bytes:
    def constant(text: bytes) -> Cells:
        return constant_cells(text, len(rows))

    columns = [
        constant(b'{"frame_index":'), integer_cells(rows.frame_index, b"null"),
        constant(b',"pts":'), integer_cells(rows.pts, b"null"),
        constant(b',"time_s":'), _time_cells(rows.time_s),
        constant(b',"status":"'), status_cells(rows.status),
        constant(b'","bbox":'), _box_cells(rows.box_xyxy),
        constant(b',"bbox_score":'), _number_cells(rows.box_score),
        constant(b',"keypoints":['), _keypoint_cells(rows)[:, 1:],
    ]  # fmt: skip
    if flags is not None:
        columns += [constant(b'],"flags":['), flag_cells(flags).reshape(len(rows), -1)[:, 1:]]
    return joined([*columns, constant(b"]},\n")])


def _time_cells(time_s: NDArray[np.float64]) -> Cells:
    return text_cells([b"null" if math.isnan(t) else repr(t).encode() for t in time_s.tolist()])


def _box_cells(box_xyxy: NDArray[np.float32]) -> Cells:
    comma, close = constant_cells(b",", len(box_xyxy)), constant_cells(b"]", len(box_xyxy))
    x, y, w, h = box_cells(box_xyxy)
    x[:, 0] = ord("[")
    cells = np.concatenate([x, comma, y, comma, w, comma, h, close], axis=1)
    return _as_null(cells, np.isnan(box_xyxy[:, 0]))


def _keypoint_cells(rows: Rows) -> Cells:
    """(N, K * 62): a comma, then [x,y,score] or null."""
    values = keypoint_values(rows)
    numbers = _number_cells(values)
    numbers[..., 0] = np.frombuffer(b"[,,", np.uint8)
    points = numbers.reshape(*rows.scores.shape, -1)
    close = np.full((*rows.scores.shape, 1), ord("]"), np.uint8)
    missing = np.isnan(values).sum(axis=2) == values.shape[2]
    points = _as_null(np.concatenate([points, close], axis=2), missing)
    comma = np.full_like(close, ord(","))
    return np.concatenate([comma, points], axis=2).reshape(len(rows), -1)


def _number_cells(values: NDArray[np.float32]) -> Cells:
    """Numbers, null where missing; the first byte is free."""
    cells = float32_cells(values)
    cells[np.isnan(values), 1 : 1 + len(_NULL)] = _NULL
    return cells


def _as_null(cells: Cells, missing: NDArray[np.bool_]) -> Cells:
    """Cells of anything, null where missing."""
    cells[missing] = 0
    cells[missing, : len(_NULL)] = _NULL
    return cells


def read_json(source: Path | ByteStream) -> tuple[SequenceHeader, Rows | FilteredRows]:
    """Read what JsonWriter wrote, exactly, however its white space was changed since.

    Fields of the header that are not known are left out: later writers may add some.

    Args:
        source: A file, or a binary stream such as that of `gzip.open`.

    Returns:
        The header, and the rows: FilteredRows where its series is `filtered`.

    Raises:
        SequenceError: It is no such JSON; the message names the line, field or frame.
    """
    with opened(source) as stream:
        document = _parsed(stream.read())
    if not isinstance(document, dict):
        raise SequenceError(f"expected an object, got {type(document).__name__}")
    header = read_header(document)
    frames = document.get("frames")
    if not isinstance(frames, list):
        raise SequenceError(f"frames: expected a list, got {type(frames).__name__}")
    starts = range(0, max(len(frames), 1), _BLOCK)
    parts = [_read_frames(header, frames[start : start + _BLOCK], start) for start in starts]
    rows = Rows.joined([part for part, _ in parts])
    if header.series == "raw":
        return header, rows
    return header, FilteredRows(rows, np.concatenate([flags for _, flags in parts]))


def _parsed(content: bytes) -> Any:  # noqa: ANN401 - JSON holds anything
    def number(text: str) -> float | Decimal:
        return Decimal(text) if is_exact(text.encode()) else float(text)

    def constant(name: str) -> None:
        raise ValueError(f"expected no {name}, got one")

    try:
        # Only widths that must be added exactly have many decimals; see `width_cells`.
        hook = number if _MANY_DECIMALS.search(content) else None
        return json.loads(content.decode(), parse_float=hook, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise SequenceError(f"malformed JSON: {error}") from error


def _read_frames(
    header: SequenceHeader, frames: list[Any], start: int
) -> tuple[Rows, NDArray[np.uint8]]:
    """Rows and flags of some frames, of which the first has this place in the list."""
    filtered = header.series == "filtered"
    names = _FRAME_FIELDS | {"flags"} if filtered else _FRAME_FIELDS
    for i, frame in enumerate(frames, start):
        if not isinstance(frame, dict) or frame.keys() != names:
            got = ", ".join(frame) if isinstance(frame, dict) else type(frame).__name__
            raise SequenceError(f"frames[{i}]: expected {', '.join(sorted(names))}, got {got:.200}")

    def read(field: str, kind: Callable[[Sequence[Any]], NDArray[Any]], what: str) -> NDArray[Any]:
        values = [frame[field] for frame in frames]
        return read_values(values, kind, what, lambda i: f"frames[{start + i}].{field}")

    count = len(header.skeleton.keypoints)
    xywh = read("bbox", _boxes, "[x, y, w, h] or null")
    points = read("keypoints", partial(_points, count), f"{count} times [x, y, score] or null")
    rows = Rows(
        frame_index=read("frame_index", _indices, "a whole number"),
        pts=read("pts", _stamps, "a whole number or null"),
        time_s=read("time_s", _numbers, "a number or null"),
        status=read("status", _statuses, "one of " + ", ".join(STATUSES)),
        box_xyxy=boxes_from_xywh(xywh, _exact(frames), lambda i: f"frames[{start + i}].bbox"),
        box_score=read("bbox_score", _numbers, "a number or null").astype(np.float32),
        keypoints_xy=points[..., :2],
        scores=points[..., 2],
    )
    if not filtered:
        return rows, np.zeros(rows.scores.shape, np.uint8)
    what = f"{count} sums of flags, 0 to {ALL_FLAGS}"
    return rows, read("flags", partial(_flags, count), what)


def _exact(frames: list[Any]) -> dict[tuple[int, int], Decimal]:
    return {
        (row, axis): width
        for row, frame in enumerate(frames)
        for axis, width in enumerate((frame["bbox"] or ())[2:])
        if isinstance(width, Decimal)
    }


def _only(values: Sequence[Any], *types: type) -> Sequence[Any]:
    """The same; raises ValueError where NumPy would make numbers of texts or truths."""
    if not {type(value) for value in values} <= set(types):
        raise ValueError
    return values


def _indices(values: Sequence[Any]) -> NDArray[np.int64]:
    return np.array(_only(values, int), np.int64)


def _stamps(values: Sequence[Any]) -> NDArray[np.int64]:
    given = [NO_PTS if value is None else value for value in values]
    return np.array(_only(given, int), np.int64)


def _numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    return within_float32(_only(values, int, float, Decimal, NoneType))


def _statuses(values: Sequence[Any]) -> NDArray[np.uint8]:
    return np.array([STATUSES.index(value) for value in values], np.uint8)


def _boxes(values: Sequence[Any]) -> NDArray[np.float64]:
    return _numbers(_flat(values, 4)).reshape(-1, 4)


def _points(count: int, values: Sequence[Any]) -> NDArray[np.float32]:
    points = [point for frame in _only(values, list) for point in frame]
    if {len(frame) for frame in values} - {count}:
        raise ValueError
    return _numbers(_flat(points, 3)).astype(np.float32).reshape(-1, count, 3)


def _flat(values: Sequence[Any], size: int) -> list[Any]:
    """The numbers of lists of one size, in a row; of null, that many nulls."""
    nothing = [None] * size
    lists = _only([nothing if value is None else value for value in values], list)
    if {len(numbers) for numbers in lists} - {size}:
        raise ValueError
    return [*chain.from_iterable(lists)]


def _flags(count: int, values: Sequence[Any]) -> NDArray[np.uint8]:
    if {len(flags) for flags in _only(values, list)} - {count}:
        raise ValueError
    flags = np.array(_only([*chain.from_iterable(values)], int), np.int64)
    if ((flags < 0) | (flags > ALL_FLAGS)).any():
        raise ValueError
    return flags.astype(np.uint8).reshape(-1, count)
