"""Whatever becomes of the work, the job's row or its lease says so."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from model.spec.errors import EngineError, ModelFileError
from service.database.engine import Database, current_time
from service.database.frames import store_window
from service.database.jobs import request_cancel
from service.database.leases import LeaseTerms, claim, finish_extraction
from service.database.tables import Job
from service.errors import BlobMissingError, BlobUnavailableError, LeaseLostError
from tests.service_rows import find, make_job, window
from tests.unit.workers.conftest import RememberingQueue
from workers.attempt import Attempts, Work
from workers.errors import ParametersError
from workers.leases import HeldJob
from workers.pipeline.errors import (
    CancelledError,
    DecoderCrashedError,
    StateError,
    VideoTruncatedError,
)
from workers.stopping import StopFlag

TERMS = LeaseTerms(lease_s=10, stall_s=1, attempts=3, resend_s=60)


class Desk:
    """One worker process' attempts."""

    def __init__(self, database: Database, queue: RememberingQueue) -> None:
        self.database, self.queue, self.stops = database, queue, StopFlag()
        self.kept: list[str] = []
        self._attempts = Attempts(
            database, queue, TERMS, heartbeat_s=0.05, worker_stops=self.stops
        )  # fmt: skip

    def attempt(self, job_id: UUID, work: Work) -> Job:
        """Try once; the job afterwards."""
        self._attempts.attempt(
            job_id, "extract", work, worker_id="w", keep_message=lambda: self.kept.append("kept")
        )
        return find(self.database, job_id)


@pytest.fixture
def desk(database: Database, queue: RememberingQueue) -> Desk:
    return Desk(database, queue)


@pytest.fixture
def job_id(database: Database) -> UUID:
    return make_job(database).id


def raises(error: BaseException) -> Work:
    def work(_: HeldJob) -> None:
        raise error

    return work


def finish(held: HeldJob) -> None:
    held.write(lambda session, now: finish_extraction(session, held.lease, timings={}, now=now))


def test_what_is_done_wakes_the_next_stage(desk: Desk, job_id: UUID) -> None:
    job = desk.attempt(job_id, finish)
    assert (job.state, job.stage) == ("queued", "preview")
    assert desk.queue.sent == [(job_id, "preview")]


def test_where_the_broker_is_away_the_sweeper_is_to_wake_it(desk: Desk, job_id: UUID) -> None:
    desk.queue.away = True
    job = desk.attempt(job_id, finish)
    assert (job.stage, job.sent_at) == ("preview", None)


def test_a_job_that_another_holds_is_let_be(desk: Desk, job_id: UUID) -> None:
    def work(held: HeldJob) -> None:
        desk.attempt(job_id, raises(AssertionError("was claimed twice")))
        finish(held)

    assert desk.attempt(job_id, work).stage == "preview"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (VideoTruncatedError("cut"), "The video's file is damaged or was cut short"),
        (BlobMissingError("x"), "The video's file is no longer stored"),
        (ParametersError("window: too few"), "The job's parameters cannot be used. (window"),
        (ModelFileError("/models/x.onnx: not ONNX"), "The work on this video failed; please tell"),
    ],
)
def test_what_cannot_pass_fails_the_job_at_once(
    desk: Desk, job_id: UUID, error: VideoTruncatedError, sentence: str
) -> None:
    job = desk.attempt(job_id, raises(error))
    assert (job.state, job.error_code) == ("failed", error.code)
    assert job.error_detail is not None
    assert job.error_detail.startswith(sentence)


@pytest.mark.parametrize(
    "error",
    [DecoderCrashedError("x"), StateError("x"), EngineError("x"), BlobUnavailableError("x")],
)
def test_what_may_pass_is_tried_three_times(
    desk: Desk, job_id: UUID, error: DecoderCrashedError
) -> None:
    for number in (1, 2):
        job = desk.attempt(job_id, raises(error))
        assert (job.state, job.attempt, job.error_code) == ("running", number, None)
        let_the_lease_end(desk.database, job_id)
    job = desk.attempt(job_id, raises(error))
    assert (job.state, job.attempt, job.error_code) == ("failed", 3, error.code)


def test_progress_gives_new_attempts(desk: Desk, job_id: UUID) -> None:
    for _ in (1, 2):
        desk.attempt(job_id, raises(DecoderCrashedError("x")))
        let_the_lease_end(desk.database, job_id)

    def work(held: HeldJob) -> None:
        held.write(
            lambda session, now: store_window(session, held.lease, window(0), now=now, terms=TERMS)
        )
        raise DecoderCrashedError("x")

    job = desk.attempt(job_id, work)
    assert (job.state, job.attempt, job.frames_done) == ("running", 0, 8)


@pytest.mark.parametrize("error", [MemoryError(), ZeroDivisionError()])
def test_what_nobody_thought_of_leaves_the_lease_to_end(
    desk: Desk, job_id: UUID, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        job = desk.attempt(job_id, raises(error))
    assert (job.state, job.error_code) == ("running", None)
    assert job.lease_until is not None
    assert job.lease_until < datetime.now(UTC) + timedelta(seconds=TERMS.lease_s)
    assert caplog.records[-1].__dict__["facts"]["job_id"] == str(job_id)


def test_a_worker_that_stops_gives_the_job_back(desk: Desk, job_id: UUID) -> None:
    def work(held: HeldJob) -> None:
        assert not held.must_stop()
        desk.stops.set()
        assert held.must_stop()
        raise CancelledError("told to stop")

    job = desk.attempt(job_id, work)
    assert (job.state, job.attempt, job.lease_token) == ("queued", 0, None)
    assert desk.queue.sent == [(job_id, "extract")]


def test_an_error_on_the_way_out_gives_the_job_back_too(desk: Desk, job_id: UUID) -> None:
    desk.stops.set()
    job = desk.attempt(job_id, raises(BlobUnavailableError("away")))
    assert (job.state, job.attempt) == ("queued", 0)


def test_a_cancelled_job_ends(desk: Desk, job_id: UUID) -> None:
    def work(held: HeldJob) -> None:
        with desk.database.write() as session:
            now = current_time(session)
            assert request_cancel(session, held.job.tenant_id, job_id, now=now)
        wait_until(held.must_stop)
        raise CancelledError("told to stop")

    job = desk.attempt(job_id, work)
    assert (job.state, job.error_code) == ("canceled", None)
    assert desk.queue.sent == []


def test_a_lost_lease_changes_nothing(desk: Desk, job_id: UUID) -> None:
    def work(held: HeldJob) -> None:
        with desk.database.write() as session:  # at once, or a heartbeat comes between
            now = current_time(session)
            ended = (
                update(Job).where(Job.id == job_id).values(lease_until=now - timedelta(seconds=1))
            )
            session.execute(ended)
            other = claim(session, job_id, stage="extract", worker_id="x", now=now, terms=TERMS)
            assert other is not None
            finish_extraction(session, other.lease, timings={}, now=now)
        wait_until(held.must_stop)
        assert held.stop_reason == "lease lost"
        with pytest.raises(LeaseLostError):
            finish(held)
        raise CancelledError("told to stop")

    job = desk.attempt(job_id, work)
    assert (job.state, job.stage) == ("queued", "preview")


def let_the_lease_end(database: Database, job_id: UUID) -> None:
    with database.write() as session:
        long_ago = current_time(session) - timedelta(seconds=1)
        session.execute(update(Job).where(Job.id == job_id).values(lease_until=long_ago))


def wait_until(truth: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not truth():
        assert time.monotonic() < deadline
        time.sleep(0.01)
