"""Videos: the same bytes once for each tenant, and gone with all that came from them."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import select

from service import videos as rules
from service.database.audit import add_event
from service.database.engine import Database
from service.database.frames import store_window
from service.database.jobs import add_job
from service.database.leases import finish_extraction
from service.database.results import store_artifact, store_previews
from service.database.tables import Artifact, AuditEvent, Video
from service.database.tenants import add_tenant
from service.database.videos import (
    VideoFilter,
    add_video,
    delete_video,
    find_video,
    find_video_by_sha256,
    list_videos,
    store_probe,
)
from service.errors import ConstraintError, LeaseLostError
from tests.service_rows import (
    NOW,
    TERMS,
    after,
    at_once,
    claim_job,
    claimed,
    everything,
    make_job,
    make_tenant,
    make_video,
    new_job,
    new_video,
    window,
)


def test_the_same_bytes_are_one_video(database: Database) -> None:
    tenant = make_tenant(database)

    def upload(number: int) -> tuple[UUID, bool]:
        with database.write() as session:
            wanted = new_video(tenant.id, 1, subject_reference=f"S{number}")
            video, new = add_video(session, wanted)
            return video.id, new

    made = at_once(upload, 8)
    assert sum(new for _, new in made) == 1
    assert len({video_id for video_id, _ in made}) == 1
    with database.read() as session:
        video = find_video_by_sha256(session, tenant.id, f"{1:064x}")
        assert video is not None
        assert video.id == made[0][0]
        assert find_video_by_sha256(session, tenant.id, f"{2:064x}") is None


def test_each_tenant_has_its_own(database: Database) -> None:
    video = make_video(database)
    with database.write() as session:
        other = add_tenant(session, name="ward 4", now=NOW)
        theirs, new = add_video(session, new_video(other.id, 1))
        assert new
        assert find_video(session, other.id, video.id) is None
        assert delete_video(session, other.id, video.id) is None
        found = list_videos(session, other.id, VideoFilter()).items
        assert [each.id for each in found] == [theirs.id]
        assert find_video(session, video.tenant_id, video.id) is not None


@pytest.mark.parametrize(
    "wrong", [{"sha256": "ab"}, {"size_bytes": 0}, {"blob_key": None}, {"tenant_id": UUID(int=1)}]
)
def test_videos_that_cannot_be_are_refused(database: Database, wrong: dict[str, object]) -> None:
    video = new_video(make_tenant(database).id)
    for name, value in wrong.items():
        setattr(video, name, value)
    with pytest.raises(ConstraintError), database.write() as session:
        add_video(session, video)


def test_list_filters_and_pages(database: Database) -> None:
    tenant = make_tenant(database)
    with database.write() as session:
        videos = [
            add_video(
                session,
                new_video(tenant.id, n, subject_reference="AB"[n % 2], created_at=after(n)),
            )[0].id
            for n in range(5)
        ]

    def listed(limit: int = 50, **facts: object) -> list[int]:
        wanted = VideoFilter(**facts)  # type: ignore[arg-type]
        with database.read() as session:
            page = list_videos(session, tenant.id, wanted, limit=limit)
            rest = page.next and list_videos(session, tenant.id, wanted, cursor=page.next)
            items = page.items + (rest.items if rest else ())
            return [videos.index(video.id) for video in items]

    assert listed() == listed(limit=2) == [4, 3, 2, 1, 0]
    assert listed(subject_reference="A") == listed(limit=1, subject_reference="A") == [4, 2, 0]
    assert listed(created_after=after(2)) == [4, 3]
    assert listed(sha256=f"{3:064x}") == [3]
    assert listed(sha256=f"{3:064x}", subject_reference="A") == []


def test_what_a_worker_found_is_kept(database: Database) -> None:
    video = make_video(database, user_metadata={"age_weeks": 12})
    with database.write() as session:
        assert store_probe(session, video.id, {"codec": "h264", "displayed_wh": [720, 1280]})
        assert not store_probe(session, UUID(int=1), {})
    with database.read() as session:
        found = find_video(session, video.tenant_id, video.id)
    assert found is not None
    assert found.probe == {"codec": "h264", "displayed_wh": [720, 1280]}
    assert found.user_metadata == {"age_weeks": 12}


def full_job(database: Database, job_id: UUID, number: int) -> None:
    """Give a job rows in every table."""
    taken = claimed(database, job_id)
    with database.write() as session:
        store_window(session, taken.lease, window(0), now=NOW, terms=TERMS)
        finish_extraction(session, taken.lease, timings={}, now=NOW)
    preview = claimed(database, job_id, stage="preview")
    with database.write() as session:
        store_previews(session, preview.lease, {0: b"a", 4: b"b"}, now=NOW)
        artifact = Artifact(
            job_id=job_id, kind="preview.mp4", blob_key=f"artifacts/{number}", size_bytes=5,
            media_type="video/mp4", sha256="0" * 64, created_at=NOW,
        )  # fmt: skip
        store_artifact(session, preview.lease, artifact, now=NOW)


def test_a_deleted_video_takes_all_that_came_from_it(database: Database) -> None:
    doomed, kept = make_video(database, 1), make_video(database, 2)
    with database.write() as session:
        jobs = [add_job(session, new_job(video))[0] for video in (doomed, doomed, kept)]
        waiting, _ = add_job(session, new_job(doomed))
        event = AuditEvent(
            tenant_id=doomed.tenant_id, action="video.delete", resource_id=doomed.id,
            created_at=NOW,
        )  # fmt: skip
        add_event(session, event)
    for number, job in enumerate(jobs):
        full_job(database, job.id, number)
    with database.write() as session:
        deleted = delete_video(session, doomed.tenant_id, doomed.id)
    assert deleted is not None
    keys, of_jobs = deleted
    assert {*of_jobs} == {jobs[0].id, jobs[1].id, waiting.id}
    assert sorted(keys) == ["artifacts/0", "artifacts/1", "videos/1"]
    with database.read() as session:
        rows = everything(session)
    assert {name: len(of_table) for name, of_table in rows.items()} == {
        "tenants": 1, "api_keys": 0, "workers": 0, "audit_events": 1, "lost_leases": 0,
        "deletions": 0,
        "videos": 1, "jobs": 1, "frames": 8, "windows": 1, "previews": 2, "artifacts": 1,
    }  # fmt: skip
    for name in ("frames", "windows", "previews", "artifacts"):
        assert {row[0] for row in rows[name]} == {jobs[2].id}
    assert claim_job(database, waiting.id) is None
    with database.write() as session:
        assert delete_video(session, doomed.tenant_id, doomed.id) is None


def test_a_worker_of_a_deleted_video_stores_nothing(database: Database) -> None:
    taken = claimed(database, make_job(database).id)
    with database.write() as session:
        deleted = delete_video(session, taken.job.tenant_id, taken.job.video_id)
    assert deleted == (["videos/1"], [taken.job.id])
    with pytest.raises(LeaseLostError), database.write() as session:
        store_window(session, taken.lease, window(0), now=NOW, terms=TERMS)
    with database.read() as session:
        assert not any(rows for name, rows in everything(session).items() if name != "tenants")


def test_a_job_that_is_added_while_its_video_is_deleted_goes_along(database: Database) -> None:
    video = make_video(database)

    def delete() -> tuple[list[str], list[UUID]]:
        with database.write() as session:
            deletion, jobs = rules.delete_video(session, video.tenant_id, video.id, now=NOW)
        return deletion.folders, [*jobs]

    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            job, _ = add_job(session, new_job(video))
            deleting = pool.submit(delete)
            time.sleep(0.5)  # until it waits for this session
            assert not deleting.done()
        assert deleting.result(30) == ([f"videos/{video.id}", f"jobs/{job.id}"], [job.id])


def test_of_two_that_delete_a_video_at_once_one_takes_its_jobs(database: Database) -> None:
    job = make_job(database)

    def delete(_: int) -> tuple[UUID, list[UUID]]:
        with database.write() as session:
            deletion, jobs = rules.delete_video(session, job.tenant_id, job.video_id, now=NOW)
        return deletion.id, [*jobs]

    done = sorted(at_once(delete, 4), key=lambda one: len(one[1]))
    assert done == [(job.video_id, [])] * 3 + [(job.video_id, [job.id])]


def test_bytes_that_come_while_their_video_is_deleted_are_a_new_video(database: Database) -> None:
    old = make_video(database)

    def upload() -> tuple[UUID, bool]:
        with database.write() as session:
            video, new = add_video(session, new_video(old.tenant_id))
        return video.id, new

    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            session.execute(select(Video.id).with_for_update())  # as a deletion begins
            uploading = pool.submit(upload)
            time.sleep(0.5)  # until it waits for this session
            assert not uploading.done()
            assert delete_video(session, old.tenant_id, old.id) is not None
        new_id, is_new = uploading.result(30)
    assert is_new
    assert new_id != old.id
