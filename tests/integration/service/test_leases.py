"""Leases: kept alive while frames advance, handed on, ended; worth nothing once they are lost."""

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from service.database.engine import Database
from service.database.frames import store_window
from service.database.jobs import delete_job, request_cancel
from service.database.leases import (
    Lease,
    cancel_held,
    complete,
    describe,
    fail,
    finish_extraction,
    heartbeat,
    hold,
    release,
)
from service.database.results import store_artifact, store_previews
from service.database.tables import Artifact
from service.errors import LeaseLostError, StalledError
from tests.service_rows import (
    NOW,
    TERMS,
    after,
    claim_job,
    claimed,
    everything,
    find,
    make_job,
    window,
)


def beat(database: Database, lease: Lease, frames: int, seconds: float) -> bool:
    with database.write() as session:
        return heartbeat(session, lease, frames_handled=frames, now=after(seconds), terms=TERMS)


def new_artifact(lease: Lease, *, blob_key: str = "artifacts/1") -> Artifact:
    return Artifact(
        job_id=lease.job_id, kind="keypoints.raw.csv", blob_key=blob_key, media_type="text/csv",
        sha256="0" * 64, size_bytes=1, created_at=NOW,
    )  # fmt: skip


WRITES: dict[str, Callable[[Session, Lease], object]] = {
    "window": lambda s, held: store_window(s, held, window(8), now=after(20), terms=TERMS),
    "same window": lambda s, held: store_window(s, held, window(0), now=after(20), terms=TERMS),
    "heartbeat": lambda s, held: heartbeat(s, held, frames_handled=99, now=NOW, terms=TERMS),
    "hold": lambda s, held: hold(s, held, now=after(20)),
    "describe": lambda s, held: describe(s, held, header={"a": 1}, frames_total=9),
    "finish": lambda s, held: finish_extraction(s, held, timings={}, now=after(20)),
    "complete": lambda s, held: complete(s, held, timings={}, quality={}, now=after(20)),
    "fail": lambda s, held: fail(s, held, code="video.empty", detail="Nothing.", now=after(20)),
    "cancel": lambda s, held: cancel_held(s, held, now=after(20)),
    "release": lambda s, held: release(s, held, now=after(20)),
    "previews": lambda s, held: store_previews(s, held, {0: b"still"}, now=after(20)),
    "no previews": lambda s, held: store_previews(s, held, {}, now=after(20)),
    "artifact": lambda s, held: store_artifact(s, held, new_artifact(held), now=after(20)),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("lost_by", ["takeover", "deletion", "end"])
def test_an_old_token_writes_nothing(
    database: Database, write: Callable[[Session, Lease], object], lost_by: str
) -> None:
    taken = claimed(database, make_job(database).id)
    with database.write() as session:
        store_window(session, taken.lease, window(0), now=NOW, terms=TERMS)
    with database.write() as session:
        if lost_by == "deletion":
            delete_job(session, taken.job.tenant_id, taken.job.id)
        elif lost_by == "end":
            fail(session, taken.lease, code="video.empty", detail="Nothing.", now=NOW)
    if lost_by == "takeover":
        claimed(database, taken.job.id, now=after(15))
    with database.read() as session:
        before = everything(session)
    with pytest.raises(LeaseLostError) as caught, database.write() as session:
        write(session, taken.lease)
    assert caught.value.code == "lease.lost"
    with database.read() as session:
        assert everything(session) == before


def test_an_expired_lease_that_nobody_took_still_writes(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    with database.write() as session:
        store_window(session, taken.lease, window(0), now=after(500), terms=TERMS)
    job = find(database, taken.job.id)
    assert (job.frames_done, job.lease_until) == (8, after(510))


def test_heartbeats_renew_while_frames_advance(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    for number in range(1, 20):
        assert not beat(database, taken.lease, number, 9 * number)
    job = find(database, taken.job.id)
    assert (job.lease_until, job.heartbeat_at) == (after(181), after(171))
    assert (job.frames_handled, job.progressed_at) == (19, after(171))
    assert job.attempt == 1


def test_heartbeats_without_frames_renew_for_a_while_only(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    beat(database, taken.lease, 5, 4)
    beat(database, taken.lease, 5, 14)
    beat(database, taken.lease, 5, 33)
    with pytest.raises(StalledError, match="no frame for 30 s"):
        beat(database, taken.lease, 5, 35)
    job = find(database, taken.job.id)
    assert (job.lease_until, job.progressed_at, job.heartbeat_at) == (
        after(43),
        after(4),
        after(33),
    )
    assert claim_job(database, taken.job.id, now=after(42)) is None
    assert claim_job(database, taken.job.id, now=after(44)) is not None


def test_a_count_that_falls_is_no_progress(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    beat(database, taken.lease, 5, 4)
    beat(database, taken.lease, 3, 14)
    job = find(database, taken.job.id)
    assert (job.frames_handled, job.progressed_at) == (5, after(4))


def test_a_stored_window_is_progress(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    beat(database, taken.lease, 0, 29)
    with database.write() as session:
        store_window(session, taken.lease, window(0), now=after(29), terms=TERMS)
    assert not beat(database, taken.lease, 0, 58)


def test_a_new_claim_counts_anew(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    beat(database, taken.lease, 50, 4)
    again = claimed(database, taken.job.id, now=after(15))
    assert again.job.frames_handled == 0
    beat(database, again.lease, 1, 44)
    assert find(database, taken.job.id).progressed_at == after(44)


def test_worker_reads_that_it_shall_stop(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    with database.write() as session:
        assert request_cancel(session, taken.job.tenant_id, taken.job.id, now=after(1))
    assert find(database, taken.job.id).state == "running"
    assert beat(database, taken.lease, 1, 2)
    with database.write() as session:
        assert store_window(session, taken.lease, window(0), now=after(3), terms=TERMS)
        cancel_held(session, taken.lease, now=after(4))
    job = find(database, taken.job.id)
    assert (job.state, job.finished_at, job.lease_token) == ("canceled", after(4), None)


def test_from_extraction_to_the_end(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    with database.write() as session:
        describe(session, taken.lease, header={"series": "raw"}, frames_total=17)
        store_window(session, taken.lease, window(0), now=after(1), terms=TERMS)
        finish_extraction(session, taken.lease, timings={"extract": 1.5}, now=after(2))
    job = find(database, taken.job.id)
    assert (job.state, job.stage, job.attempt, job.lease_token) == ("queued", "preview", 0, None)
    assert (job.frames_total, job.frames_done) == (8, 8)
    assert (job.queued_at, job.sent_at) == (after(2), after(2))
    assert claim_job(database, job.id, now=after(3)) is None
    preview = claimed(database, job.id, stage="preview", now=after(3))
    assert preview.job.attempt == 1
    assert preview.job.timings == {"extract": 1.5}
    with database.write() as session:
        timings = {**preview.job.timings, "preview": 0.5}
        complete(session, preview.lease, timings=timings, quality={"coverage": 0.9}, now=after(9))
    job = find(database, job.id)
    assert (job.state, job.stage, job.finished_at) == ("succeeded", "done", after(9))
    assert job.timings == {"extract": 1.5, "preview": 0.5}
    assert job.quality == {"coverage": 0.9}
    assert job.header == {"series": "raw"}
    assert (job.lease_token, job.lease_until, job.started_at) == (None, None, NOW)


def test_a_failure_says_why(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    with database.write() as session:
        fail(session, taken.lease, code="video.truncated", detail="It is cut.", now=after(1))
    job = find(database, taken.job.id)
    assert (job.state, job.stage) == ("failed", "extract")
    assert (job.error_code, job.error_detail) == ("video.truncated", "It is cut.")
    assert job.finished_at == after(1)
