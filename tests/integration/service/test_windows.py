"""Windows of frames: stored once, exactly and in order; read in blocks, whatever the length."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import func, select

from model.spec.sequence import NO_PTS, Rows, Sightings
from service.database.engine import Database
from service.database.frames import (
    WindowContent,
    read_block,
    read_sightings,
    store_window,
    stream_rows,
)
from service.database.leases import Lease
from service.database.tables import Frame, Window
from service.errors import ConstraintError, WindowOrderError
from tests.sequences import assert_same, same_bits, usual_rows
from tests.service_rows import NOW, TERMS, at_once, claimed, find, make_job, window


def store(database: Database, lease: Lease, content: WindowContent) -> bool:
    with database.write() as session:
        return store_window(session, lease, content, now=NOW, terms=TERMS)


def stored(database: Database, lease: Lease, **span: int) -> Rows:
    return Rows.joined(list(stream_rows(database, lease.job_id, **span)))


@pytest.fixture
def lease(database: Database) -> Lease:
    return claimed(database, make_job(database).id).lease


def test_frames_come_back_to_the_last_bit(database: Database, lease: Lease) -> None:
    windows = [window(0), window(8), window(16, 3)]
    for content in windows:
        assert not store(database, lease, content)
    got = list(stream_rows(database, lease.job_id, block_frames=7))
    assert [len(block) for block in got] == [7, 7, 5]
    assert_same(Rows.joined(got), Rows.joined([content.rows for content in windows]))
    job = find(database, lease.job_id)
    assert (job.frames_done, job.resume_state) == (19, {"next_frame": 19, "angle": 16.1})


def test_extreme_numbers_come_back(database: Database, lease: Lease) -> None:
    rows = replace(
        usual_rows(4, keypoints=1),
        pts=np.array([NO_PTS, -1, 0, 2**63 - 1]),
        time_s=np.array([np.nan, -5e-324, 1e300, 1 / 3]),
        box_score=np.array([1e-45, -0.0, 3.4e38, np.nan], np.float32),
    )
    store(database, lease, WindowContent(rows, window(0).sightings, {}))
    assert_same(stored(database, lease), rows)


def test_the_state_comes_back_as_it_was(database: Database, lease: Lease) -> None:
    state = {"z": [1.0, 1e-300, 0.1 + 0.2, -0.0, 2**53 + 1], "a": {"é": None, "on": True}, "": ""}
    store(database, lease, replace(window(0), resume_state=state))
    assert repr(find(database, lease.job_id).resume_state) == repr(state)


def test_a_state_with_no_number_in_it_is_refused(database: Database, lease: Lease) -> None:
    with pytest.raises(Exception, match="not JSON compliant"):
        store(database, lease, replace(window(0), resume_state={"angle": float("nan")}))
    assert find(database, lease.job_id).frames_done == 0


def test_part_of_a_film_is_read(database: Database, lease: Lease) -> None:
    for first in (0, 8, 16):
        store(database, lease, window(first))
    got = stored(database, lease, start=5, stop=18, block_frames=4)
    assert got.frame_index.tolist() == list(range(5, 18))
    with database.read() as session:
        assert read_block(session, lease.job_id, start=24, limit=10) is None
        assert read_block(session, lease.job_id, stop=0, limit=10) is None
        block = read_block(session, lease.job_id, start=3, limit=2)
    assert block is not None
    assert block.frame_index.tolist() == [3, 4]


def test_sightings_come_back_joined(database: Database, lease: Lease) -> None:
    with database.read() as session:
        assert read_sightings(session, lease.job_id) is None
    windows = [window(0), window(8)]
    for content in windows:
        store(database, lease, content)
    with database.read() as session:
        got = read_sightings(session, lease.job_id)
    assert got is not None
    expected = Sightings.joined([content.sightings for content in windows])
    for name, column in vars(expected).items():
        assert same_bits(getattr(got, name), column), name


def test_the_same_window_again_changes_nothing(database: Database, lease: Lease) -> None:
    for first in (0, 8):
        store(database, lease, window(first))
    before = find(database, lease.job_id).revision
    for first in (8, 0):
        store(database, lease, replace(window(first), resume_state={"next_frame": -1}))
    assert_same(stored(database, lease), Rows.joined([window(0).rows, window(8).rows]))
    job = find(database, lease.job_id)
    assert (job.frames_done, job.resume_state) == (16, window(8).resume_state)
    assert job.revision > before  # a sign of life, and no more than that


def test_many_who_store_the_same_window_store_it_once(database: Database, lease: Lease) -> None:
    at_once(lambda _: store(database, lease, window(0)), 8)
    with database.read() as session:
        assert session.scalars(select(func.count()).select_from(Frame)).one() == 8
        assert session.scalars(select(func.count()).select_from(Window)).one() == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (window(9), "expected a window from frame 8, got 9 to 16"),
        (window(4), "expected a window from frame 8, got 4 to 11"),
        (window(8, 0), "expected a window of frames, got none"),
        (replace(window(8), rows=window(8).rows[::2]), "expected frames that follow each other"),
    ],
)
def test_windows_out_of_order_are_refused(
    database: Database, lease: Lease, content: WindowContent, words: str
) -> None:
    store(database, lease, window(0))
    before = find(database, lease.job_id)
    with pytest.raises(WindowOrderError, match=words) as caught:
        store(database, lease, content)
    assert caught.value.code == "job.window_order"
    now = find(database, lease.job_id)
    assert (now.frames_done, now.revision) == (before.frames_done, before.revision)
    assert len(stored(database, lease)) == 8


def test_a_window_is_stored_whole_or_not_at_all(database: Database, lease: Lease) -> None:
    twice = Window(job_id=lease.job_id, first_frame=0, sightings=b"")
    with database.write() as session:
        session.add(twice)
    with pytest.raises(ConstraintError):
        store(database, lease, window(0))
    job = find(database, lease.job_id)
    assert (job.frames_done, job.resume_state, job.attempt) == (0, None, 1)
    assert list(stream_rows(database, lease.job_id)) == []


def test_a_long_film_is_read_with_little_memory(database: Database, lease: Lease) -> None:
    store(database, lease, WindowContent(usual_rows(6000), window(0).sightings, {}))
    tracemalloc.start()
    try:
        count = sum(len(block) for block in stream_rows(database, lease.job_id, block_frames=200))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 6000
    assert peak < 1e6  # the whole film has 2 MB
