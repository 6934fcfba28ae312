"""A held job lives while its frames advance; a database that is away is waited for."""

import time
from collections.abc import Callable, Iterator
from uuid import UUID

import numpy as np
import pytest

from service.database.engine import Database, current_time
from service.database.leases import LeaseTerms, claim
from service.database.tables import Job
from service.errors import BlobUnavailableError, DatabaseUnavailableError
from service.settings import Settings
from tests.films import ArraySource
from tests.service_rows import find, make_job
from workers.leases import CountedSource, HeldJob, patiently
from workers.pipeline.errors import CancelledError
from workers.stopping import StopFlag
from workers.terms import lease_terms

TERMS = LeaseTerms(lease_s=10, stall_s=0.5, attempts=3, resend_s=60)


def held_job(database: Database, job_id: UUID, kept: list[str]) -> HeldJob:
    with database.write() as session:
        now = current_time(session)
        taken = claim(session, job_id, stage="extract", worker_id="w", now=now, terms=TERMS)
    assert taken is not None
    return HeldJob(
        database, taken, TERMS, heartbeat_s=0.05, worker_stops=StopFlag(),
        keep_message=lambda: kept.append("kept"),
    )  # fmt: skip


@pytest.fixture
def job_id(database: Database) -> UUID:
    return make_job(database).id


def wait_for(database: Database, job_id: UUID, truth: Callable[[Job], bool]) -> Job:
    deadline = time.monotonic() + 10
    while not truth(job := find(database, job_id)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return job


def test_frames_are_counted_and_the_message_is_kept(database: Database, job_id: UUID) -> None:
    kept: list[str] = []
    with held_job(database, job_id, kept) as held:
        first = find(database, job_id).lease_until
        held.advance(16)
        held.advance(4)
        job = wait_for(database, job_id, lambda job: job.frames_handled == 20)
        wait_for(database, job_id, lambda _: bool(kept))
    assert first is not None
    assert job.lease_until is not None
    assert job.lease_until > first


def test_without_frames_neither_lease_nor_message_is_kept_for_long(
    database: Database, job_id: UUID
) -> None:
    kept: list[str] = []
    with held_job(database, job_id, kept):
        time.sleep(1.0)
        until, count = find(database, job_id).lease_until, len(kept)
        time.sleep(0.3)
        assert find(database, job_id).lease_until == until
        assert len(kept) == count
    assert count


def test_nothing_is_renewed_afterwards(database: Database, job_id: UUID) -> None:
    with held_job(database, job_id, []) as held:
        held.advance(1)
    until = find(database, job_id).lease_until
    time.sleep(0.2)
    assert find(database, job_id).lease_until == until


def test_decoded_frames_count_also_those_that_are_skipped(database: Database, job_id: UUID) -> None:
    source = ArraySource([np.zeros((4, 4, 3), np.uint8)] * 10, window=4)
    with held_job(database, job_id, []) as held:
        counted = CountedSource(source, held)
        assert counted.facts == source.facts
        for window in counted:
            window.release()
        wait_for(database, job_id, lambda job: job.frames_handled == 10)


@pytest.mark.parametrize("error", [DatabaseUnavailableError("x"), BlobUnavailableError("x")])
def test_what_is_away_is_waited_for(error: DatabaseUnavailableError) -> None:
    answers: Iterator[Exception | str] = iter([error, error, "there"])

    def work() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(work, patience_s=10, give_up=lambda: False) == "there"


@pytest.mark.parametrize(("patience_s", "give_up"), [(0.1, False), (10.0, True)])
def test_patience_ends(patience_s: float, *, give_up: bool) -> None:
    def work() -> None:
        raise DatabaseUnavailableError("away")

    with pytest.raises(DatabaseUnavailableError):
        patiently(work, patience_s=patience_s, give_up=lambda: give_up)


def test_terms_follow_the_settings(settings: Settings) -> None:
    assert lease_terms(settings) == LeaseTerms(lease_s=10, stall_s=50, attempts=3, resend_s=50)


def test_a_video_that_takes_long_to_fetch_is_no_standstill(
    database: Database, job_id: UUID
) -> None:
    with held_job(database, job_id, []) as held:
        for _ in range(20):
            held.got_on()
            time.sleep(0.05)
        before = find(database, job_id).lease_until
        held.got_on()
        job = wait_for(database, job_id, lambda job: job.frames_handled == 21)
        held.note_cancel(requested=True)
        with pytest.raises(CancelledError):
            held.got_on()
    assert before is not None
    assert job.lease_until is not None
    assert job.lease_until > before
