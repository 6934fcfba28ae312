"""Rows and sightings in bytes: exact for all that can be, in one order on every machine."""

import struct
from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from model.spec.sequence import NO_PTS, Rows, Sightings
from service.database.packing import (
    FrameRecord,
    pack_rows,
    pack_sightings,
    unpack_rows,
    unpack_sightings,
)
from tests.sequences import any_rows, assert_same, same_bits

JOB = UUID(int=7)
COLUMNS = ("frame_index", "pts", "time_s", "status", "box", "keypoints")


def records(rows: Rows) -> list[FrameRecord]:
    """What the database gives back for rows that it was given."""
    packed = pack_rows(JOB, rows)
    assert all(row["job_id"] == JOB for row in packed)
    return [tuple(row[name] for name in COLUMNS) for row in packed]  # type: ignore[misc]


@given(rows=any_rows(keypoints=3))
def test_rows_come_back_to_the_last_bit(rows: Rows) -> None:
    packed = records(rows)
    assert len(packed) == len(rows)
    if packed:
        assert_same(unpack_rows(packed), rows)


@given(rows=any_rows(keypoints=1).filter(len))
def test_a_missing_time_comes_back_from_null(rows: Rows) -> None:
    as_sqlite = [
        (row[0], row[1], None if row[2] is None or np.isnan(row[2]) else row[2], *row[3:])
        for row in records(rows)
    ]
    assert_same(unpack_rows(as_sqlite), rows)


def test_bytes_are_little_endian_floats_in_storage_order() -> None:
    rows = Rows(
        frame_index=np.array([5]),
        pts=np.array([NO_PTS]),
        time_s=np.array([0.25]),
        status=np.array([2], np.uint8),
        box_xyxy=np.array([[1, 2, 3, 4]], np.float32),
        box_score=np.array([0.5], np.float32),
        keypoints_xy=np.array([[[10, 20], [30, 40]]], np.float32),
        scores=np.array([[0.75, np.nan]], np.float32),
    )
    (row,) = pack_rows(JOB, rows)
    assert (row["frame_index"], row["pts"], row["time_s"], row["status"]) == (5, NO_PTS, 0.25, 2)
    assert row["box"] == struct.pack("<5f", 1, 2, 3, 4, 0.5)
    assert row["keypoints"] == struct.pack("<6f", 10, 20, 0.75, 30, 40, np.nan)
    assert {type(row[name]) for name in COLUMNS[:4]} == {int, float}


@st.composite
def any_sightings(draw: st.DrawFn) -> Sightings:
    """Sightings that need make no sense."""
    looked, seen = draw(st.integers(0, 3)), draw(st.integers(0, 4))
    whole, small = st.integers(-(2**63), 2**63 - 1), st.floats(width=32)
    return Sightings(
        looked_at=draw(arrays.arrays(np.int64, looked, elements=whole)),
        frame_index=draw(arrays.arrays(np.int64, seen, elements=whole)),
        class_id=draw(arrays.arrays(np.uint8, seen)),
        xyxy=draw(arrays.arrays(np.float32, (seen, 4), elements=small)),
        score=draw(arrays.arrays(np.float32, seen, elements=small)),
    )


@given(sightings=any_sightings())
def test_sightings_come_back_to_the_last_bit(sightings: Sightings) -> None:
    got = unpack_sightings(pack_sightings(sightings))
    for name, column in vars(sightings).items():
        assert same_bits(getattr(got, name), column), name


def test_sightings_are_small() -> None:
    seen = Sightings(
        looked_at=np.arange(2),
        frame_index=np.zeros(3, np.int64),
        class_id=np.array([0, 1, 0], np.uint8),
        xyxy=np.ones((3, 4), np.float32),
        score=np.ones(3, np.float32),
    )
    assert len(pack_sightings(seen)) == 16 + 2 * 8 + 3 * (8 + 1 + 16 + 4)
