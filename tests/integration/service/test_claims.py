"""Claims: each job is one worker's at a time, and attempts are counted before the work."""

from uuid import UUID

import pytest

from service.database.engine import Database, current_time
from service.database.frames import store_window
from service.database.jobs import add_job, request_cancel
from service.database.leases import cancel_held, claim, fail, release
from tests.service_rows import (
    NOW,
    TERMS,
    after,
    at_once,
    claim_job,
    claimed,
    find,
    make_job,
    make_video,
    new_job,
    window,
)


def test_twenty_workers_take_ten_jobs_once_each(database: Database) -> None:
    video = make_video(database)
    with database.write() as session:
        jobs = [add_job(session, new_job(video))[0].id for _ in range(10)]

    def work(number: int) -> list[tuple[UUID, UUID]]:
        taken = []
        for job_id in jobs[number % 10 :] + jobs[: number % 10]:
            got = claim_job(database, job_id)
            if got is not None:
                taken.append((job_id, got.lease.token))
        return taken

    taken = [each for worker in at_once(work, 20) for each in worker]
    assert sorted(job_id for job_id, _ in taken) == sorted(jobs)
    for job_id, token in taken:
        job = find(database, job_id)
        assert (job.state, job.attempt, job.lease_token) == ("running", 1, token)


def test_one_of_many_takes_over_an_expired_lease(database: Database) -> None:
    job = make_job(database)
    first = claimed(database, job.id)
    taken = [got for got in at_once(lambda _: claim_job(database, job.id, now=after(11)), 8) if got]
    assert len(taken) == 1
    assert taken[0].lease.token != first.lease.token
    assert find(database, job.id).attempt == 2


def test_a_claim_says_who_has_it_and_until_when(database: Database) -> None:
    job = claimed(database, make_job(database).id, now=after(5)).job
    assert (job.state, job.worker_id, job.attempt) == ("running", "w", 1)
    assert (job.lease_until, job.heartbeat_at, job.progressed_at) == (after(15), after(5), after(5))
    assert job.started_at == after(5)


def test_started_is_when_it_first_was(database: Database) -> None:
    job = make_job(database)
    claimed(database, job.id)
    assert claimed(database, job.id, now=after(11)).job.started_at == NOW


def test_a_live_lease_is_not_taken(database: Database) -> None:
    job = make_job(database)
    claimed(database, job.id)
    assert claim_job(database, job.id, now=after(9)) is None
    assert find(database, job.id).attempt == 1


def test_only_its_stage_is_taken(database: Database) -> None:
    job = make_job(database)
    assert claim_job(database, job.id, stage="preview") is None
    assert find(database, job.id).state == "queued"


def test_three_attempts_without_progress_are_all(database: Database) -> None:
    job = make_job(database)
    for attempt in (1, 2, 3):
        assert claimed(database, job.id, now=after(20 * attempt)).job.attempt == attempt
    assert claim_job(database, job.id, now=after(100)) is None


def test_a_stored_window_gives_three_attempts_more(database: Database) -> None:
    job = make_job(database)
    for attempt in (1, 2, 3):
        taken = claimed(database, job.id, now=after(20 * attempt))
    with database.write() as session:
        store_window(session, taken.lease, window(0), now=after(61), terms=TERMS)
    for attempt in (1, 2, 3):
        assert claimed(database, job.id, now=after(100 * attempt)).job.attempt == attempt
    assert claim_job(database, job.id, now=after(1000)) is None


def test_a_released_job_lost_no_attempt(database: Database) -> None:
    job = make_job(database)
    for _ in range(5):
        taken = claimed(database, job.id)
        with database.write() as session:
            release(session, taken.lease, now=NOW)
        released = find(database, job.id)
        assert (released.state, released.attempt, released.sent_at) == ("queued", 0, None)


def test_a_job_released_after_progress_starts_from_no_attempt(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    with database.write() as session:
        store_window(session, taken.lease, window(0), now=NOW, terms=TERMS)
        release(session, taken.lease, now=NOW)
    assert find(database, taken.job.id).attempt == 0


@pytest.mark.parametrize("ending", ["fail", "cancel", "cancel while queued"])
def test_what_has_ended_is_not_taken(database: Database, ending: str) -> None:
    job = make_job(database)
    if ending == "cancel while queued":
        with database.write() as session:
            assert request_cancel(session, job.tenant_id, job.id, now=NOW)
    else:
        taken = claimed(database, job.id)
        with database.write() as session:
            if ending == "fail":
                fail(session, taken.lease, code="video.empty", detail="Nothing.", now=NOW)
            else:
                cancel_held(session, taken.lease, now=NOW)
    assert claim_job(database, job.id, now=after(100)) is None


def test_what_is_gone_is_not_taken(database: Database) -> None:
    assert claim_job(database, UUID(int=7)) is None


def test_the_clock_is_one_that_claims_can_use(database: Database) -> None:
    job = make_job(database)
    with database.write() as session:
        now = current_time(session)
        taken = claim(session, job.id, stage="extract", worker_id="w", now=now, terms=TERMS)
    assert taken is not None
    assert taken.job.heartbeat_at == now
    assert now.utcoffset() is not None
