"""The sweeper: nothing runs without a sign of life, and nothing waits without a message."""

from uuid import UUID

import pytest
from sqlalchemy import select, update

from service.database import sweeping
from service.database.engine import Database
from service.database.figures import count_lost_leases
from service.database.frames import store_window
from service.database.jobs import add_job, request_cancel
from service.database.leases import finish_extraction, release
from service.database.sweeping import Message, Swept, sweep
from service.database.tables import Job
from service.database.videos import delete_video
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


def sweep_at(database: Database, seconds: float, *, limit: int = 100) -> Swept:
    with database.write() as session:
        return sweep(session, now=after(seconds), terms=TERMS, limit=limit)


NOTHING = Swept((), (), (), ())


def test_what_is_in_order_is_left_alone(database: Database) -> None:
    job = make_job(database)
    assert sweep_at(database, 59) == NOTHING
    claimed(database, job.id)
    before = find(database, job.id).revision
    assert sweep_at(database, 9) == NOTHING
    assert find(database, job.id).revision == before


def test_a_job_whose_worker_died_waits_again_and_is_sent(database: Database) -> None:
    job = make_job(database)
    claimed(database, job.id)
    swept = sweep_at(database, 11)
    assert swept == Swept((job.id,), (), (), (Message(job.id, "extract"),))
    now = find(database, job.id)
    assert (now.state, now.attempt, now.lease_token) == ("queued", 1, None)
    assert (now.queued_at, now.sent_at) == (after(11), after(11))
    assert sweep_at(database, 12) == NOTHING
    assert claimed(database, job.id, now=after(13)).job.attempt == 2


def test_lost_leases_are_counted_once_whoever_finds_them(database: Database) -> None:
    def lost() -> dict[str, int]:
        with database.read() as session:
            return dict(count_lost_leases(session))

    jobs = [make_job(database) for _ in range(2)]
    for job in jobs:
        claimed(database, job.id)
    taken = at_once(lambda _: claim_job(database, jobs[0].id, now=after(11)), 4)
    at_once(lambda _: sweep_at(database, 11), 4)
    assert lost() == {"extract": 2}
    (held,) = [one for one in taken if one is not None]
    with database.write() as session:
        finish_extraction(session, held.lease, timings={}, now=after(12))
    claimed(database, jobs[0].id, stage="preview", now=after(13))
    sweep_at(database, 24)
    assert lost() == {"extract": 2, "preview": 1}
    given_back = claimed(database, jobs[0].id, stage="preview", now=after(25)).lease
    with database.write() as session:
        release(session, given_back, now=after(26))
    sweep_at(database, 50)
    with database.write() as session:
        delete_video(session, jobs[0].tenant_id, jobs[0].video_id)
    assert lost() == {"extract": 2, "preview": 1}


def test_a_video_that_kills_its_workers_ends_failed(database: Database) -> None:
    job = make_job(database)
    for attempt in (1, 2, 3):
        claimed(database, job.id, now=after(20 * attempt))
        swept = sweep_at(database, 20 * attempt + 11)
        assert swept.requeued == ((job.id,) if attempt < 3 else ())
    assert (swept.failed, swept.to_send) == ((job.id,), ())
    now = find(database, job.id)
    assert (now.state, now.error_code) == ("failed", "job.attempts_exhausted")
    assert now.error_detail is not None
    assert "stopped 3 times" in now.error_detail
    assert (now.finished_at, now.lease_token) == (after(71), None)
    assert sweep_at(database, 1000) == NOTHING


def test_progress_between_deaths_keeps_a_job_going(database: Database) -> None:
    job = make_job(database)
    for life in range(6):
        taken = claimed(database, job.id, now=after(20 * life))
        with database.write() as session:
            now = after(20 * life)
            store_window(session, taken.lease, window(8 * life), now=now, terms=TERMS)
        assert sweep_at(database, 20 * life + 11).requeued == (job.id,)
    assert find(database, job.id).frames_done == 48


def test_the_preview_has_attempts_of_its_own(database: Database) -> None:
    job = make_job(database)
    for attempt in (1, 2, 3):
        taken = claimed(database, job.id, now=after(20 * attempt))
    with database.write() as session:
        finish_extraction(session, taken.lease, timings={}, now=after(61))
    for attempt in (1, 2, 3):
        claimed(database, job.id, stage="preview", now=after(100 * attempt))
        swept = sweep_at(database, 100 * attempt + 11)
    assert swept.failed == (job.id,)
    assert find(database, job.id).stage == "preview"


def test_a_lost_message_is_sent_again(database: Database) -> None:
    job = make_job(database)
    assert sweep_at(database, 61).to_send == (Message(job.id, "extract"),)
    assert find(database, job.id).queued_at == NOW
    assert sweep_at(database, 100).to_send == ()
    assert sweep_at(database, 122).to_send == (Message(job.id, "extract"),)


def test_in_a_long_queue_only_those_near_their_turn_are_sent_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "MOST_SENT_AGAIN", 2)
    jobs = [make_job(database, queued_at=after(i)) for i in range(4)]
    never_sent = make_job(database, queued_at=after(4), sent_at=None)
    expected = {jobs[0].id, jobs[1].id, never_sent.id}
    assert {message.job_id for message in sweep_at(database, 100).to_send} == expected
    assert sweep_at(database, 101).to_send == ()
    claimed(database, jobs[0].id, now=after(102))
    assert [one.job_id for one in sweep_at(database, 103).to_send] == [jobs[2].id]


def test_a_released_job_is_sent_at_once(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    with database.write() as session:
        release(session, taken.lease, now=after(1))
    assert sweep_at(database, 1).to_send == (Message(taken.job.id, "extract"),)


def test_the_preview_s_message_goes_to_its_own_queue(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    with database.write() as session:
        finish_extraction(session, taken.lease, timings={}, now=NOW)
    assert sweep_at(database, 61).to_send == (Message(taken.job.id, "preview"),)


def test_a_cancelled_job_ends_even_if_its_worker_is_gone(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    with database.write() as session:
        request_cancel(session, taken.job.tenant_id, taken.job.id, now=after(1))
    assert sweep_at(database, 9) == NOTHING
    assert sweep_at(database, 11) == Swept((), (), (taken.job.id,), ())
    job = find(database, taken.job.id)
    assert (job.state, job.finished_at) == ("canceled", after(11))


def test_a_job_that_was_released_when_it_should_be_cancelled_ends(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    with database.write() as session:
        request_cancel(session, taken.job.tenant_id, taken.job.id, now=after(1))
        release(session, taken.lease, now=after(2))
    assert claim_job(database, taken.job.id, now=after(3)) is None
    assert sweep_at(database, 3).canceled == (taken.job.id,)


def test_fewer_attempts_than_were_made_end_a_waiting_job(database: Database) -> None:
    job = make_job(database)
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job.id).values(attempt=3))
    assert sweep_at(database, 1).failed == (job.id,)


def test_sweepers_at_once_find_each_job_once(database: Database) -> None:
    video = make_video(database)
    with database.write() as session:
        jobs = [add_job(session, new_job(video))[0].id for _ in range(30)]
    for job_id in jobs[:15]:
        claimed(database, job_id)
    swept = at_once(lambda _: sweep_at(database, 61), 6)
    requeued: list[UUID] = [job_id for each in swept for job_id in each.requeued]
    sent = [message.job_id for each in swept for message in each.to_send]
    assert sorted(requeued) == sorted(jobs[:15])
    assert sorted(sent) == sorted(jobs)


def test_a_round_has_a_limit_and_the_longest_waiting_go_first(database: Database) -> None:
    video = make_video(database)
    with database.write() as session:
        jobs = [
            add_job(session, new_job(video, queued_at=after(-n), sent_at=None))[0].id
            for n in range(5)
        ]
    assert {m.job_id for m in sweep_at(database, 0, limit=2).to_send} == set(jobs[3:])
    assert {m.job_id for m in sweep_at(database, 0, limit=2).to_send} == set(jobs[1:3])


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)  # SQLite has no locks of rows
def test_a_row_that_a_frozen_process_holds_stops_nobody(database: Database) -> None:
    video = make_video(database)
    with database.write() as session:
        jobs = [add_job(session, new_job(video))[0].id for _ in range(2)]
    for job_id in jobs:
        claimed(database, job_id)
    with database.write() as frozen:
        frozen.execute(select(Job.id).where(Job.id == jobs[0]).with_for_update()).all()
        assert sweep_at(database, 11).requeued == (jobs[1],)
    assert sweep_at(database, 12).requeued == (jobs[0],)
