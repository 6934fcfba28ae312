"""Jobs as their owners see them: made once for a key, listed, cancelled, tried again, deleted."""

from uuid import UUID

import pytest

from service.database.engine import Database
from service.database.frames import store_window
from service.database.jobs import (
    JobCount,
    JobFilter,
    add_job,
    count_jobs,
    delete_job,
    find_job,
    find_job_by_idempotency_key,
    list_jobs,
    request_cancel,
    retry,
)
from service.database.leases import fail
from service.database.pages import Cursor
from service.database.tables import Job
from service.database.tenants import add_tenant
from service.database.videos import add_video, delete_video
from service.errors import ConstraintError, VideoNotFoundError
from tests.service_rows import (
    NOW,
    TERMS,
    after,
    at_once,
    claimed,
    find,
    make_job,
    make_video,
    new_job,
    new_video,
    window,
)


def listed(
    database: Database, tenant_id: UUID, cursor: Cursor | None = None, **wanted: object
) -> list[UUID]:
    with database.read() as session:
        page = list_jobs(session, tenant_id, JobFilter(**wanted), cursor=cursor)  # type: ignore[arg-type]
        return [job.id for job in page.items]


def test_a_new_job_waits_for_extraction(database: Database) -> None:
    job = find(database, make_job(database, parameters={"window": 64}).id)
    assert (job.state, job.stage, job.attempt, job.frames_done) == ("queued", "extract", 0, 0)
    assert (job.frames_total, job.header, job.resume_state, job.quality) == (None,) * 4
    assert (job.parameters, job.timings, job.cancel_requested) == ({"window": 64}, {}, False)
    assert job.created_at == NOW


def test_one_key_makes_one_job(database: Database) -> None:
    video = make_video(database)

    def make(number: int) -> tuple[UUID, bool]:
        with database.write() as session:
            wanted = new_job(video, idempotency_key="k", payload_sha256=f"{number:064x}")
            job, new = add_job(session, wanted)
            return job.id, new

    made = at_once(make, 8)
    assert sum(new for _, new in made) == 1
    assert len({job_id for job_id, _ in made}) == 1
    with database.read() as session:
        job = find_job_by_idempotency_key(session, video.tenant_id, "k")
        assert job is not None
        assert job.id == made[0][0]
        assert find_job_by_idempotency_key(session, UUID(int=1), "k") is None


def test_jobs_without_a_key_are_as_many_as_asked_for(database: Database) -> None:
    video = make_video(database)
    with database.write() as session:
        made = [add_job(session, new_job(video)) for _ in range(3)]
    assert len({job.id for job, new in made if new}) == 3


def test_a_job_of_a_deleted_video_is_refused(database: Database) -> None:
    video = make_video(database)
    with database.write() as session:
        delete_video(session, video.tenant_id, video.id)
    with pytest.raises(VideoNotFoundError), database.write() as session:
        add_job(session, new_job(video))


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "sleeping"}, {"stage": "lunch"}, {"state": "running"}, {"stage": "done"},
        {"state": "failed", "finished_at": NOW}, {"finished_at": NOW}, {"error_code": "a.b"},
        {"lease_token": UUID(int=1)}, {"lease_until": NOW}, {"attempt": -1}, {"frames_done": -1},
        {"idempotency_key": "k"}, {"payload_sha256": "0" * 64}, {"tenant_id": UUID(int=5)},
        {"model": None},
    ],
    ids=str,
)  # fmt: skip
def test_rows_that_cannot_be_are_refused(database: Database, wrong: dict[str, object]) -> None:
    video = make_video(database)
    job = new_job(video)
    for name, value in wrong.items():
        setattr(job, name, value)
    with pytest.raises(ConstraintError), database.write() as session:
        add_job(session, job)
    assert listed(database, video.tenant_id) == []


def test_another_tenant_sees_nothing(database: Database) -> None:
    job = make_job(database, idempotency_key="k", payload_sha256="0" * 64)
    with database.write() as session:
        other = add_tenant(session, name="ward 4", now=NOW).id
        assert find_job(session, other, job.id) is None
        assert not request_cancel(session, other, job.id, now=NOW)
        assert not retry(session, other, job.id, now=NOW)
        assert delete_job(session, other, job.id) is None
    assert listed(database, other) == []
    assert listed(database, job.tenant_id) == [job.id]


def test_pages_are_stable_while_jobs_are_added_and_deleted(database: Database) -> None:
    video = make_video(database)
    with database.write() as session:
        jobs = [add_job(session, new_job(video, created_at=after(n // 3)))[0].id for n in range(20)]
    tenant_id, seen, cursor = video.tenant_id, list[UUID](), None
    for number in range(20):
        with database.write() as session:
            page = list_jobs(session, tenant_id, JobFilter(), cursor=cursor, limit=3)
            seen += [job.id for job in page.items]
            add_job(session, new_job(video, created_at=after(100 + number)))
            delete_job(session, tenant_id, seen[-1])  # the very row that the cursor names
            cursor = None if page.next is None else Cursor.parse(page.next.text())
        if cursor is None:
            break
    assert len(seen) == len({*seen}) == 20
    assert {*seen} == {*jobs}
    order = sorted(jobs, key=lambda job_id: (jobs.index(job_id) // 3, job_id), reverse=True)
    assert seen == order


def test_the_last_page_says_so(database: Database) -> None:
    video = make_video(database)
    with database.write() as session:
        for _ in range(4):
            add_job(session, new_job(video))
        whole = list_jobs(session, video.tenant_id, JobFilter(), limit=4)
        part = list_jobs(session, video.tenant_id, JobFilter(), limit=3)
        assert (len(whole.items), whole.next) == (4, None)
        assert part.next is not None
        rest = list_jobs(session, video.tenant_id, JobFilter(), cursor=part.next, limit=3)
        assert (len(rest.items), rest.next) == (1, None)


def test_filters(database: Database) -> None:
    first = make_video(database, 1, subject_reference="A")
    second = make_video(database, 2, subject_reference="B")
    with database.write() as session:
        old = add_job(session, new_job(first))[0].id
        new = add_job(session, new_job(second, created_at=after(60)))[0].id
        other = add_tenant(session, name="ward 4", now=NOW)
        theirs, _ = add_video(session, new_video(other.id, 1, subject_reference="A"))
        add_job(session, new_job(theirs))
    tenant_id = first.tenant_id
    claimed(database, new)
    assert listed(database, tenant_id) == [new, old]
    assert listed(database, tenant_id, state="queued") == [old]
    assert listed(database, tenant_id, state="running") == [new]
    assert listed(database, tenant_id, video_id=first.id) == [old]
    assert listed(database, tenant_id, subject_reference="B") == [new]
    assert listed(database, tenant_id, subject_reference="B", state="queued") == []
    assert listed(database, tenant_id, created_after=NOW) == [new]
    assert listed(database, tenant_id, created_after=after(-1)) == [new, old]


def test_a_waiting_job_is_cancelled_at_once(database: Database) -> None:
    job = make_job(database)
    with database.write() as session:
        assert request_cancel(session, job.tenant_id, job.id, now=after(5))
    now = find(database, job.id)
    assert (now.state, now.finished_at, now.cancel_requested) == ("canceled", after(5), True)
    with database.write() as session:
        assert not request_cancel(session, job.tenant_id, job.id, now=after(6))


def test_a_failed_job_goes_on_where_it_was(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    with database.write() as session:
        store_window(session, taken.lease, window(0), now=NOW, terms=TERMS)
        fail(session, taken.lease, code="worker.lost", detail="Lost.", now=after(1))
        assert retry(session, taken.job.tenant_id, taken.job.id, now=after(2))
    job = find(database, taken.job.id)
    assert (job.state, job.attempt, job.frames_done) == ("queued", 0, 8)
    assert (job.error_code, job.error_detail, job.finished_at) == (None, None, None)
    assert (job.queued_at, job.sent_at) == (after(2), after(2))
    again = claimed(database, job.id, now=after(3))
    assert again.job.resume_state == window(0).resume_state


def test_a_cancelled_job_is_tried_again(database: Database) -> None:
    job = make_job(database)
    with database.write() as session:
        request_cancel(session, job.tenant_id, job.id, now=NOW)
        assert retry(session, job.tenant_id, job.id, now=after(1))
        assert not retry(session, job.tenant_id, job.id, now=after(2))
    claimed(database, job.id)


def test_every_change_has_a_revision_of_its_own(database: Database) -> None:
    job = make_job(database)
    seen = [find(database, job.id).revision]
    taken = claimed(database, job.id)
    seen.append(taken.job.revision)
    with database.write() as session:
        store_window(session, taken.lease, window(0), now=NOW, terms=TERMS)
    seen.append(find(database, job.id).revision)
    with database.write() as session:
        request_cancel(session, job.tenant_id, job.id, now=NOW)
    seen.append(find(database, job.id).revision)
    assert seen[0] == 0
    assert seen == sorted({*seen})


def test_deleting_a_job_leaves_its_video(database: Database) -> None:
    job = make_job(database)
    with database.write() as session:
        assert delete_job(session, job.tenant_id, job.id) == []
        assert session.get(Job, job.id) is None
        assert delete_job(session, job.tenant_id, job.id) is None
        add_job(session, Job(
            tenant_id=job.tenant_id, video_id=job.video_id, model="m", created_at=NOW,
            queued_at=NOW,
        ))  # fmt: skip


def test_counts_for_the_metrics(database: Database) -> None:
    video = make_video(database)
    with database.write() as session:
        jobs = [add_job(session, new_job(video, queued_at=after(n)))[0].id for n in range(4)]
    claimed(database, jobs[0])
    with database.read() as session:
        assert sorted(count_jobs(session), key=lambda each: each.state) == [
            JobCount("queued", "extract", 3, after(1)),
            JobCount("running", "extract", 1, None),
        ]
