"""Rows and sightings as the database keeps them: exact bytes, packed and read by whole columns."""

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from model.spec.sequence import Rows, Sightings

FrameRecord = tuple[int, int, float | None, int, bytes, bytes]
"""A frame's columns in the table's order: frame_index, pts, time_s, status, box, keypoints."""

# All numbers are little-endian in storage, whatever the machine.
_F4: Final = np.dtype("<f4")
_I8: Final = np.dtype("<i8")
_COUNTS: Final = struct.Struct("<qq")


def pack_rows(job_id: UUID, rows: Rows) -> list[dict[str, object]]:
    """The frames' rows for one INSERT."""
    boxes = np.column_stack([rows.box_xyxy, rows.box_score])
    keypoints = np.concatenate([rows.keypoints_xy, rows.scores[..., None]], axis=2)
    columns = zip(
        rows.frame_index.tolist(),
        rows.pts.tolist(),
        rows.time_s.tolist(),
        rows.status.tolist(),
        _pieces(boxes),
        _pieces(keypoints),
        strict=True,
    )
    return [
        {
            "job_id": job_id, "frame_index": frame_index, "pts": pts, "time_s": time_s,
            "status": status, "box": box, "keypoints": keypoints_of_frame,
        }
        for frame_index, pts, time_s, status, box, keypoints_of_frame in columns
    ]  # fmt: skip


def unpack_rows(records: Sequence[FrameRecord]) -> Rows:
    """The frames that were read, at least one."""
    frame_index, pts, time_s, status, box, keypoints = zip(*records, strict=True)
    count = len(records)
    boxes = np.frombuffer(b"".join(box), _F4).reshape(count, 5).astype(np.float32)
    points = np.frombuffer(b"".join(keypoints), _F4).reshape(count, -1, 3).astype(np.float32)
    return Rows(
        frame_index=np.array(frame_index, np.int64),
        pts=np.array(pts, np.int64),
        time_s=np.array(time_s, np.float64),  # SQLite keeps NaN as NULL, and None reads as NaN
        status=np.array(status, np.uint8),
        box_xyxy=boxes[:, :4],
        box_score=boxes[:, 4],
        keypoints_xy=points[..., :2],
        scores=points[..., 2],
    )


def pack_sightings(sightings: Sightings) -> bytes:
    """One window's sightings: how many frames and sightings, then the columns one after another."""
    return b"".join(
        (
            _COUNTS.pack(len(sightings.looked_at), len(sightings)),
            sightings.looked_at.astype(_I8).tobytes(),
            sightings.frame_index.astype(_I8).tobytes(),
            sightings.class_id.tobytes(),
            sightings.xyxy.astype(_F4).tobytes(),
            sightings.score.astype(_F4).tobytes(),
        )
    )


def unpack_sightings(content: bytes) -> Sightings:
    """One window's sightings back."""
    looked, seen = _COUNTS.unpack_from(content)
    types: tuple[np.dtype[Any], ...] = (_I8, _I8, np.dtype("u1"), _F4, _F4)
    counts = (looked, seen, seen, 4 * seen, seen)
    start, columns = _COUNTS.size, []
    for dtype, count in zip(types, counts, strict=True):
        columns.append(np.frombuffer(content, dtype, count, start))
        start += dtype.itemsize * count
    return Sightings(
        looked_at=columns[0].astype(np.int64),
        frame_index=columns[1].astype(np.int64),
        class_id=columns[2].astype(np.uint8),
        xyxy=columns[3].reshape(seen, 4).astype(np.float32),
        score=columns[4].astype(np.float32),
    )


def _pieces(values: NDArray[np.float32]) -> Iterator[bytes]:
    """Each frame's numbers as bytes: one conversion, then cuts."""
    size = _F4.itemsize * int(np.prod(values.shape[1:]))
    content = values.astype(_F4).tobytes()
    return (content[start : start + size] for start in range(0, size * len(values), size))
