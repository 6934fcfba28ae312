"""Jobs: started once, followed, cancelled, tried again, deleted."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from uuid import UUID, uuid4

import pytest

from service.api.watching import JobWatch
from service.database.engine import current_time
from service.database.leases import cancel_held, fail, finish_extraction, heartbeat
from service.errors import QueueUnavailableError
from service.jobs import JobParameters, JobRequest
from service.keys import recognise, revoke_key
from tests.service_api import Api
from tests.service_rows import TERMS, claimed, find


def messages(api: Api) -> list[str]:
    """The queues of the messages that wait."""
    folder = api.service.settings.data_dir / "broker" / "messages"
    return sorted(path.name.split(".")[1] for path in folder.iterdir())


def failed_job(api: Api) -> UUID:
    """A job that failed in its extraction."""
    job_id = api.job()
    claim = claimed(api.service.database, job_id)
    with api.service.database.write() as session:
        now = claim.job.created_at
        fail(session, claim.lease, code="video.truncated", detail="It ends early.", now=now)
    return job_id


def test_a_job_is_accepted_and_its_message_sent(api: Api) -> None:
    video_id = api.upload().json()["video"]["id"]
    wanted = {"video_id": video_id, "parameters": {"window": 32, "cover": "solid"}}
    answer = api.ask("POST", "/v1/jobs", json=wanted)
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert int(answer.headers["retry-after"]) > 0
    assert job["parameters"] == {"window": 32, "cover": "solid"}
    assert job["model"] == "aggpose-t-infant21"
    assert messages(api) == ["extract"]
    seen = api.get(answer.headers["location"])
    assert seen.json() == job | {"quality": None}
    assert seen.headers["etag"] == '"0"'


@pytest.mark.parametrize("busy", ["doors", "writers"])
def test_a_status_does_not_wait_for_those_who_come_in_or_write(api: Api, busy: str) -> None:
    """And those do wait: a crowd would keep each other, and everybody, from the interpreter."""
    job_id = api.job()
    threads = api.service.doors if busy == "doors" else api.service.intake.threads
    others = [object() for _ in range(int(threads.total_tokens))]

    async def all_take() -> None:
        for other in others:
            threads.acquire_on_behalf_of_nowait(other)

    async def all_give() -> None:
        for other in others:
            threads.release_on_behalf_of(other)

    api.portal.call(all_take)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(api.get, "/v1/videos") if busy == "doors" else pool.submit(api.upload)
        assert api.get(f"/v1/jobs/{job_id}").status_code == 200
        time.sleep(0.3)
        assert not late.done()
        api.portal.call(all_give)
        assert late.result(20).is_success


def test_the_same_key_and_request_make_one_job(api: Api) -> None:
    wanted = {"video_id": api.upload().json()["video"]["id"]}
    headers = {"Idempotency-Key": "once"}
    first = api.ask("POST", "/v1/jobs", json=wanted, headers=headers)
    second = api.ask("POST", "/v1/jobs", json=wanted, headers=headers)
    assert (second.status_code, second.json()) == (202, first.json())
    assert messages(api) == ["extract"]
    more = wanted | {"parameters": {"names": True}}
    other = api.ask("POST", "/v1/jobs", json=more, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "job.idempotency_conflict")
    third = api.ask("POST", "/v1/jobs", json=wanted)
    assert third.json()["id"] != first.json()["id"]


def test_another_tenants_idempotency_key_is_its_own(api: Api) -> None:
    headers = {"Idempotency-Key": "once"}
    jobs = [
        api.upload(query="?extract=true", headers=headers, key=api.key(tenant)).json()["job"]["id"]
        for tenant in ("ward 3", "ward 4")
    ]
    assert jobs[0] != jobs[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"video_id": "x"},
        {},
        {"video_id": str(uuid4()), "colour": 1},
        {"video_id": str(uuid4()), "parameters": {"window": 0}},
        {"video_id": str(uuid4()), "parameters": {"window": 10, "detect_every": 3}},
        {"video_id": str(uuid4()), "parameters": {"cutoff_hz": 0}},
        {"video_id": str(uuid4()), "parameters": {"colour": 1}},
    ],
)
def test_a_request_that_does_not_fit_is_told_where(
    shared_api: Api, wrong: dict[str, object]
) -> None:
    answer = shared_api.ask("POST", "/v1/jobs", json=wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert answer.json()["errors"]
    assert all(error["location"].startswith("body") for error in answer.json()["errors"])


def test_a_video_or_model_that_is_not_there_is_told(api: Api) -> None:
    answer = api.ask("POST", "/v1/jobs", json={"video_id": str(uuid4())})
    assert (answer.status_code, answer.json()["code"]) == (404, "video.not_found")
    wanted = {"video_id": api.upload().json()["video"]["id"], "model": "none"}
    answer = api.ask("POST", "/v1/jobs", json=wanted)
    assert (answer.status_code, answer.json()["code"]) == (404, "model.unknown")
    assert api.get("/v1/jobs").json()["items"] == []


def test_requests_that_ask_for_the_same_have_the_same_hash() -> None:
    video_id = uuid4()
    plain = JobRequest(video_id=video_id)
    said = JobRequest(video_id=video_id, parameters=JobParameters(window=None))
    other = JobRequest(video_id=video_id, parameters=JobParameters(window=16))
    assert plain.sha256() == said.sha256() != other.sha256()


def test_a_broker_that_is_away_costs_no_job(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise QueueUnavailableError("away")

    monkeypatch.setattr(api.service.queue, "send", away)
    answer = api.upload(query="?extract=true")
    assert answer.status_code == 201
    assert find(api.service.database, UUID(answer.json()["job"]["id"])).sent_at is None


def test_a_known_etag_gives_304(api: Api) -> None:
    job_id = api.job()
    etag = api.get(f"/v1/jobs/{job_id}").headers["etag"]
    answer = api.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": f'W/"9", {etag}'})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    claimed(api.service.database, job_id)
    answer = api.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": etag})
    assert answer.status_code == 200
    assert answer.json()["state"] == "running"


def test_waiting_ends_with_the_job(api: Api) -> None:
    job_id = api.job()
    claim = claimed(api.service.database, job_id)

    def work() -> None:
        for frames in (1, 2):
            time.sleep(0.4)
            with api.service.database.write() as session:
                now = claim.job.created_at
                heartbeat(session, claim.lease, frames_handled=frames, now=now, terms=TERMS)
        with api.service.database.write() as session:
            cancel_held(session, claim.lease, now=claim.job.created_at)

    worker = threading.Thread(target=work)
    started_s = time.monotonic()
    worker.start()
    answer = api.get(f"/v1/jobs/{job_id}?wait=30")
    worker.join()
    assert answer.json()["state"] == "canceled"
    assert 0.8 < time.monotonic() - started_s < 10
    assert "retry-after" not in answer.headers


def test_waiting_with_an_etag_ends_with_any_change(api: Api) -> None:
    job_id = api.job()
    etag = api.get(f"/v1/jobs/{job_id}").headers["etag"]
    threading.Timer(0.5, claimed, (api.service.database, job_id)).start()
    answer = api.get(f"/v1/jobs/{job_id}?wait=30", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.json()["state"]) == (200, "running")


def test_waiting_ends_when_its_time_is_up_or_the_job_is_gone(api: Api) -> None:
    job_id = api.job()
    started_s = time.monotonic()
    answer = api.get(f"/v1/jobs/{job_id}?wait=1")
    assert (answer.json()["state"], answer.headers["retry-after"]) == ("queued", "2")
    assert 1 <= time.monotonic() - started_s < 5
    threading.Timer(0.3, api.ask, ("DELETE", f"/v1/jobs/{job_id}")).start()
    assert api.get(f"/v1/jobs/{job_id}?wait=30").status_code == 404
    assert api.get(f"/v1/jobs/{job_id}?wait=61").status_code == 422


@pytest.fixture
def key_that_ends(api: Api, monkeypatch: pytest.MonkeyPatch) -> str:
    """A key that is revoked when the first request waits for a job's news."""
    key = api.key("ward 3", "read")

    async def changed(*_: object) -> None:
        with api.service.database.write() as session:
            prefix = recognise(session, key).prefix
            revoke_key(session, prefix=prefix, now=current_time(session))

    monkeypatch.setattr(api.service.watch, "changed", changed)
    return key


def test_a_revoked_key_gets_no_more_news(api: Api, key_that_ends: str) -> None:
    answer = api.get(f"/v1/jobs/{api.job()}?wait=30", key=key_that_ends)
    assert (answer.status_code, answer.json()["code"]) == (401, "key.invalid")


def test_a_stream_ends_with_its_key(api: Api, key_that_ends: str) -> None:
    events = api.get(f"/v1/jobs/{api.job()}/events", key=key_that_ends)
    assert events.status_code == 200
    assert events.text.count("event: job") == 1


def test_many_wait_with_one_query_a_moment(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, looks = api.job(), []
    look = api.service.watch._read  # noqa: SLF001 - what waiting costs

    def counted(job_ids: list[UUID]) -> object:
        looks.append(job_ids)
        return look(job_ids)

    monkeypatch.setattr(api.service.watch, "_read", counted)
    waiting = [
        threading.Thread(target=api.get, args=(f"/v1/jobs/{job_id}?wait=10",)) for _ in range(60)
    ]
    for thread in waiting:
        thread.start()
    time.sleep(1)
    started_s = time.monotonic()
    assert api.get(f"/v1/jobs/{job_id}").status_code == 200
    assert time.monotonic() - started_s < 8
    for thread in waiting:
        thread.join()
    assert 2 <= len(looks) <= 40


def test_looking_for_many_is_nobodys_request(
    shared_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")
    found: list[str] = []
    watch = JobWatch(shared_api.service.database, look_every_s=0.01)

    def look(_: list[UUID]) -> dict[UUID, int]:
        found.append(who.get())
        return {}

    async def wait() -> None:
        who.set("the first that waits")
        await watch.changed(uuid4(), 0, 10)

    monkeypatch.setattr(watch, "_read", look)  # what logs, in the end
    asyncio.run(wait())
    assert found == ["nobody"]


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_soon(api: Api) -> None:
    waiting, running = api.job(), api.job()
    claimed(api.service.database, running)
    answer = api.ask("POST", f"/v1/jobs/{waiting}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "canceled")
    assert api.ask("POST", f"/v1/jobs/{waiting}/cancel").status_code == 202
    answer = api.ask("POST", f"/v1/jobs/{running}/cancel")
    assert (answer.json()["state"], answer.json()["cancel_requested"]) == ("running", True)
    answer = api.ask("POST", f"/v1/jobs/{failed_job(api)}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "job.finished")


def test_a_failed_job_says_why_and_can_be_tried_again(api: Api) -> None:
    job_id = failed_job(api)
    seen = api.get(f"/v1/jobs/{job_id}").json()
    assert seen["error"] == {"code": "video.truncated", "detail": "It ends early."}
    answer = api.ask("POST", f"/v1/jobs/{job_id}/retry")
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert answer.json()["error"] is None
    assert messages(api) == ["extract", "extract"]
    answer = api.ask("POST", f"/v1/jobs/{job_id}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "job.not_retryable")


def test_a_retry_of_the_preview_wakes_the_previews_queue(api: Api) -> None:
    job_id = api.job()
    claim = claimed(api.service.database, job_id)
    with api.service.database.write() as session:
        finish_extraction(session, claim.lease, timings={}, now=claim.job.created_at)
    api.ask("POST", f"/v1/jobs/{job_id}/cancel")
    assert api.ask("POST", f"/v1/jobs/{job_id}/retry").json()["stage"] == "preview"
    assert messages(api) == ["extract", "preview"]


def test_deleting_a_job_leaves_its_video(api: Api) -> None:
    job_id = api.job()
    video_id = api.get(f"/v1/jobs/{job_id}").json()["video_id"]
    api.service.store.put(f"jobs/{job_id}/keypoints.csv", [b"x"], max_bytes=10)
    assert api.ask("DELETE", f"/v1/jobs/{job_id}").status_code == 204
    assert list(api.service.store.keys()) == [f"videos/{video_id}/source"]
    assert api.get(f"/v1/jobs/{job_id}").status_code == 404
    assert api.ask("DELETE", f"/v1/jobs/{job_id}").status_code == 404
    assert api.get(f"/v1/videos/{video_id}").status_code == 200


def test_lists_come_in_pages_and_by_filters(api: Api) -> None:
    jobs = [str(api.job(content=b"\x00\x00\x00\x18ftypisom" + bytes([i]) * 5000)) for i in range(5)]
    seen, cursor = [], ""
    while True:
        page = api.get(f"/v1/jobs?limit=2{cursor}").json()
        seen += [job["id"] for job in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == jobs[::-1]
    claimed(api.service.database, UUID(jobs[2]))
    running = api.get("/v1/jobs?state=running").json()["items"]
    assert [job["id"] for job in running] == [jobs[2]]
    video_id = running[0]["video_id"]
    assert len(api.get(f"/v1/jobs?video_id={video_id}").json()["items"]) == 1
    later = {"created_after": running[0]["created_at"]}
    assert [job["id"] for job in api.get("/v1/jobs", params=later).json()["items"]] == jobs[:2:-1]
    assert api.get("/v1/jobs?subject_reference=x").json()["items"] == []
    assert len(api.get("/v1/videos?limit=3").json()["items"]) == 3
    sha256 = api.get(f"/v1/videos/{video_id}").json()["sha256"]
    assert [v["id"] for v in api.get(f"/v1/videos?sha256={sha256}").json()["items"]] == [video_id]


@pytest.mark.parametrize(
    "query",
    [
        "cursor=abc", "limit=0", "limit=201", "state=done", "video_id=1",
        "created_after=2026-01-01", "created_after=0001-01-01T00:00:00%2B14:00",
        "created_after=9999-12-31T23:59:59-14:00",
        "subject_reference=a%00b", "cursor=%00",
    ],
)  # fmt: skip
def test_a_filter_that_does_not_fit_is_told(shared_api: Api, query: str) -> None:
    assert shared_api.get(f"/v1/jobs?{query}").status_code == 422
