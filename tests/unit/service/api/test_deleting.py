"""Deleting: what is asked for goes whole, and while it goes nobody else waits."""

import pytest
from sqlalchemy import select

from service.database.leases import hold
from service.database.tables import AuditEvent
from service.database.tenants import add_tenant
from service.errors import BlobUnavailableError, LeaseLostError
from service.leftovers import finish_deletions
from tests.results_rows import finished_job, running_job
from tests.service_api import MP4, Api, blobs
from tests.service_rows import NOW, find


def test_deleting_a_video_takes_everything_along(api: Api) -> None:
    job_id = api.job()
    video_id = api.get(f"/v1/jobs/{job_id}").json()["video_id"]
    api.service.store.put(f"jobs/{job_id}/preview.mp4", [b"film"], max_bytes=10)
    assert api.ask("DELETE", f"/v1/videos/{video_id}").status_code == 204
    assert blobs(api) == []
    for path in (f"/v1/videos/{video_id}", f"/v1/jobs/{job_id}"):
        assert api.get(path).status_code == 404
    assert api.ask("DELETE", f"/v1/videos/{video_id}").status_code == 404


@pytest.mark.parametrize("kind", ["videos", "jobs"])
def test_no_blob_is_deleted_while_a_transaction_is_open_or_a_worker_holds_the_job(
    api: Api, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    database, store = api.service.database, api.service.store
    job_id, lease, _ = running_job(api)
    job = find(database, job_id)
    place = {"videos": f"/v1/videos/{job.video_id}", "jobs": f"/v1/jobs/{job_id}"}[kind]
    store.put(f"jobs/{job_id}/preview.mp4", [b"film"], max_bytes=10)
    deleted = []
    delete = store.delete

    def delete_beside_a_worker(key: str) -> None:
        with pytest.raises(LeaseLostError), database.write() as session:
            hold(session, lease, now=NOW)
        with database.write() as session:
            add_tenant(session, name=f"ward {key}", now=NOW)  # others write meanwhile
        deleted.append(key)
        delete(key)

    monkeypatch.setattr(database, "_patience_s", 0.5)
    monkeypatch.setattr(store, "delete", delete_beside_a_worker)
    assert api.ask("DELETE", place).status_code == 204
    assert f"jobs/{job_id}/preview.mp4" in deleted
    assert not [key for key in blobs(api) if key.startswith("jobs/")]
    assert api.get(place).status_code == 404


@pytest.mark.parametrize("kind", ["videos", "jobs"])
def test_what_is_stored_while_it_is_deleted_goes_too(
    api: Api, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    job_id, _, _ = running_job(api)
    video_id = find(api.service.database, job_id).video_id
    place = {"videos": f"/v1/videos/{video_id}", "jobs": f"/v1/jobs/{job_id}"}[kind]
    store, late = api.service.store, f"jobs/{job_id}/late"
    delete_prefix = store.delete_prefix
    stored: list[str] = []

    def delete_and_store(prefix: str) -> int:
        count = delete_prefix(prefix)
        if not stored and prefix == f"jobs/{job_id}":
            stored.append(store.put(late, [b"x"], max_bytes=1).key)
        return count

    monkeypatch.setattr(store, "delete_prefix", delete_and_store)
    assert api.ask("DELETE", place).status_code == 204
    assert stored == [late]
    assert blobs(api) == ([f"videos/{video_id}/source"] if kind == "jobs" else [])


def test_leftovers_of_what_is_deleted_fail_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    video_id = api.upload().json()["video"]["id"]
    store = api.service.store
    delete_prefix, asked = store.delete_prefix, list[str]()

    def fail_the_second_time(prefix: str) -> int:
        if prefix in asked:
            raise BlobUnavailableError(f"{prefix}: away")
        asked.append(prefix)
        return delete_prefix(prefix)

    monkeypatch.setattr(store, "delete_prefix", fail_the_second_time)
    assert api.ask("DELETE", f"/v1/videos/{video_id}").status_code == 204
    assert "aggpose db orphans" in caplog.text
    assert blobs(api) == []


@pytest.fixture
def broken_off(api: Api, monkeypatch: pytest.MonkeyPatch, kind: str) -> tuple[str, dict[str, str]]:
    """A deletion whose process was killed in the middle: its address, and the ids of all."""
    job_id, _ = finished_job(api)
    video_id = api.get(f"/v1/jobs/{job_id}").json()["video_id"]
    place = {"videos": f"/v1/videos/{video_id}", "jobs": f"/v1/jobs/{job_id}"}[kind]
    before, delete = len(blobs(api)), api.service.store.delete

    def break_off(key: str) -> None:
        if len(blobs(api)) == before - 2:
            raise RuntimeError("killed")  # nothing tidies up after it
        delete(key)

    with monkeypatch.context() as patch:
        patch.setattr(api.service.store, "delete", break_off)
        assert api.ask("DELETE", place).status_code == 500
    assert len(blobs(api)) == before - 2
    return place, {"video": video_id, "job": str(job_id)}


@pytest.mark.parametrize("kind", ["videos", "jobs"])
def test_what_is_half_deleted_is_gone_for_everybody_and_stands_in_the_audit(
    api: Api, broken_off: tuple[str, dict[str, str]], kind: str
) -> None:
    place, ids = broken_off
    for path in (place, f"/v1/jobs/{ids['job']}", f"/v1/jobs/{ids['job']}/keypoints.csv"):
        assert api.get(path).status_code == 404
    assert api.get(f"/v1/{kind}").json()["items"] == []
    wanted = api.ask("POST", "/v1/jobs", json={"video_id": ids["video"]})
    assert wanted.status_code == (404 if kind == "videos" else 202)
    with api.service.database.read() as session:
        events = session.scalars(select(AuditEvent).where(AuditEvent.action.endswith(".delete")))
        deleted = {(event.action, str(event.resource_id)) for event in events}
    jobs = {("job.delete", ids["job"])}
    assert deleted == (jobs | {("video.delete", ids["video"])} if kind == "videos" else jobs)


@pytest.mark.parametrize("kind", ["videos", "jobs"])
@pytest.mark.parametrize("finished_by", ["who asks again", "the sweeper"])
def test_a_deletion_that_broke_off_is_finished(
    api: Api, broken_off: tuple[str, dict[str, str]], kind: str, finished_by: str
) -> None:
    place, ids = broken_off
    assert api.ask("DELETE", place, key=api.key("ward 4")).status_code == 404
    if finished_by == "the sweeper":
        assert finish_deletions(api.service.database, api.service.store) == 1
    else:
        assert api.ask("DELETE", place).status_code == 204
    assert blobs(api) == ([f"videos/{ids['video']}/source"] if kind == "jobs" else [])
    assert api.ask("DELETE", place).status_code == 404
    assert finish_deletions(api.service.database, api.service.store) == 0


@pytest.mark.parametrize("kind", ["videos"])
def test_the_bytes_of_a_half_deleted_video_are_a_new_video(
    api: Api, broken_off: tuple[str, dict[str, str]], kind: str
) -> None:
    again = api.upload()
    assert again.status_code == 201
    new = again.json()["video"]["id"]
    assert new != broken_off[1][kind.removesuffix("s")]
    finish_deletions(api.service.database, api.service.store)
    assert blobs(api) == [f"videos/{new}/source"]


def test_a_deletion_that_cannot_be_finished_keeps_no_other(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store, delete = api.service.store, api.service.store.delete
    ids = [api.upload(MP4 + bytes([n])).json()["video"]["id"] for n in range(2)]
    stubborn = [f"videos/{video_id}/source" for video_id in ids]

    def refuse(key: str) -> None:
        if key in stubborn:
            raise BlobUnavailableError(f"{key}: not permitted")
        delete(key)

    monkeypatch.setattr(store, "delete", refuse)
    for video_id in ids:
        assert api.ask("DELETE", f"/v1/videos/{video_id}").status_code == 503
    del stubborn[1]
    assert finish_deletions(api.service.database, store) == 1
    assert blobs(api) == stubborn
    assert f"the deletion of {ids[0]} is not finished" in caplog.text
    stubborn.clear()
    assert finish_deletions(api.service.database, store) == 1
    assert blobs(api) == []


def test_what_cannot_be_deleted_can_be_asked_for_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id = api.upload().json()["video"]["id"]

    def fail(key: str) -> None:
        raise BlobUnavailableError(key)

    with monkeypatch.context() as patch:
        patch.setattr(api.service.store, "delete", fail)
        answer = api.ask("DELETE", f"/v1/videos/{video_id}")
    assert (answer.status_code, answer.json()["code"]) == (503, "blob.unavailable")
    assert answer.headers["retry-after"] == "5"
    assert video_id not in answer.json()["detail"]
    assert api.get(f"/v1/videos/{video_id}").status_code == 404
    assert api.ask("DELETE", f"/v1/videos/{video_id}").status_code == 204
    assert blobs(api) == []
