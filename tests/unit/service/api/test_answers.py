"""What every answer has in common: problems, headers, health, figures, logs, documentation."""

import io
import json
import logging
import re
import threading
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import jsonschema_rs
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.api.problems import PROBLEMS
from service.database.engine import current_time
from service.database.leases import cancel_held
from service.errors import BlobUnavailableError, DatabaseUnavailableError, QueueUnavailableError
from service.log_lines import JsonLines
from tests.results_rows import finished_job
from tests.service_api import MP4, Api, see_workers
from tests.service_rows import after, claimed


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "route.not_found"),
        ("GET", "/v1/nothing", 404, "route.not_found"),
        ("GET", "/v1/videos/", 404, "route.not_found"),
        ("GET", "/v1/videos/not-an-id", 422, "request.invalid"),
        ("PUT", "/v1/videos", 405, "route.method_not_allowed"),
        ("GET", "/v1/jobs/1/cancel", 405, "route.method_not_allowed"),
        ("POST", "/healthz", 405, "route.method_not_allowed"),
    ],
)
def test_errors_are_problem_documents(
    shared_api: Api, method: str, path: str, status: int, code: str
) -> None:
    answer = shared_api.ask(method, path, headers={"X-Request-ID": "my-own.1"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "my-own.1"
    found = answer.json()
    assert {name: found[name] for name in ("type", "title", "status", "instance", "code")} == {
        "type": f"urn:aggpose:problem:{code}", "title": PROBLEMS[code][1], "status": status,
        "instance": path, "code": code,
    }  # fmt: skip
    assert found["request_id"] == "my-own.1"


def test_the_methods_of_a_path_are_all_named(shared_api: Api) -> None:
    assert shared_api.ask("PUT", "/v1/videos").headers["allow"] == "GET, POST"
    assert shared_api.ask("PATCH", "/v1/jobs/1").headers["allow"] == "DELETE, GET"


@pytest.mark.parametrize("body", [b"{", b"[" * 60_000, b"\xff", b"nothing", b""])
def test_a_body_that_is_no_json_is_told(shared_api: Api, body: bytes) -> None:
    answer = shared_api.ask(
        "POST", "/v1/jobs", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] in ("request.malformed", "request.invalid")


def test_a_body_has_a_limit_whether_its_length_is_declared_or_not(shared_api: Api) -> None:
    big = json.dumps({"video_id": "x" * 100_000}).encode()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 1000):
            yield big[start : start + 1000]

    for content in (big, chunks()):
        answer = shared_api.ask(
            "POST", "/v1/jobs", content=content, headers={"Content-Type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")


def test_a_request_id_that_could_be_anything_is_replaced(shared_api: Api) -> None:
    for given in ("a b", "x" * 65, "{}", ""):
        answer = shared_api.get("/healthz", headers={"X-Request-ID": given})
        assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


def test_a_crash_says_nothing_of_itself(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> None:
        raise KeyError("Anna Example")

    monkeypatch.setattr("service.api.jobs.list_jobs", crash)
    answer = api.get("/v1/jobs")
    assert (answer.status_code, answer.json()["code"]) == (500, "service.crashed")
    assert "Anna" not in answer.text


def test_a_parameter_that_does_not_fit_is_told_by_its_name(shared_api: Api) -> None:
    wrong = {"limit": "many", "state": "asleep", "created_after": "now"}
    answer = shared_api.get("/v1/jobs", params=wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    told = [error["location"] for error in answer.json()["errors"]]
    assert told == ["query.state", "query.created_after", "query.limit"]
    assert "None" not in answer.text
    headers, body = {"Idempotency-Key": "x" * 300}, {"video_id": str(uuid4())}
    answer = shared_api.ask("POST", "/v1/jobs", headers=headers, json=body)
    told = [error["location"] for error in answer.json()["errors"]]
    assert told == ["header.idempotency-key"]


def test_a_database_that_is_away_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    key = api.key()

    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("host db-7 does not answer")

    monkeypatch.setattr("service.api.jobs.list_jobs", away)
    answer = api.get("/v1/jobs", key=key)
    assert (answer.status_code, answer.json()["code"]) == (503, "database.unavailable")
    assert answer.headers["retry-after"] == "5"
    assert "db-7" not in answer.text


def test_the_service_is_ready_when_everything_answers(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = api.get("/readyz", key=None)
    assert missing.status_code == 503
    assert [error["location"] for error in missing.json()["errors"]] == [
        "worker:extract", "worker:preview",
    ]  # fmt: skip
    see_workers(api)
    assert api.get("/readyz", key=None).json() == {"status": "ok"}
    see_workers(api, ago_s=61)
    assert api.get("/readyz", key=None).status_code == 503
    for part, error in (
        ("queue", QueueUnavailableError("")), ("store", BlobUnavailableError("")),
        ("database", DatabaseUnavailableError("")),
    ):  # fmt: skip

        def fail(error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(getattr(api.service, part), "check", fail)
    found = {error["location"]: error["message"] for error in api.get("/readyz").json()["errors"]}
    assert found == {
        "database": "database.unavailable", "broker": "queue.unavailable",
        "files": "blob.unavailable",
    }  # fmt: skip


def test_figures_of_requests_jobs_and_workers(api: Api) -> None:
    api.job()
    job_id = api.job(content=MP4 + b"2")
    claimed(api.service.database, job_id)
    claimed(api.service.database, job_id, now=after(11))  # its first worker gave no sign of life
    api.ask("MADE-UP", "/v1/videos")
    finished_job(api)
    see_workers(api)
    api.get("/nowhere")
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["aggpose_jobs", "extract", "queued"] == 1
    assert found["aggpose_jobs", "extract", "running"] == 1
    assert found["aggpose_jobs", "done", "succeeded"] == 1
    assert found["aggpose_queue_jobs", "extract"] == 1
    assert found["aggpose_queue_jobs", "preview"] == 0
    assert 0 <= found["aggpose_queue_oldest_seconds", "extract"] < 60
    assert found["aggpose_frames_per_second", "decode"] == 12
    assert found["aggpose_leases_lost_total", "extract"] == 1
    assert found["aggpose_leases_lost_total", "preview"] == 0
    assert found["aggpose_requests_total", "-", "/v1/videos", "405"] == 1
    assert found["aggpose_workers", "cpu", "openvino", "extract"] == 1
    assert found["aggpose_requests_total", "POST", "/v1/videos", "201"] == 2
    assert found["aggpose_requests_total", "-", "-", "404"] == 1
    assert found["aggpose_request_seconds_count", "POST", "/v1/videos"] == 3


def test_logs_name_the_request_and_nothing_of_its_content(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    handler.addFilter(lambda record: not record.name.startswith("httpx"))  # the client's own
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [*root.handlers, handler])
    caplog.set_level(logging.DEBUG)
    secrets = ("Anna", "wrong-key", api.key())
    answer = api.upload(fields={"subject_reference": "Anna"}, query="?extract=true")
    job_id = answer.json()["job"]["id"]
    api.get(f"/v1/jobs/{job_id}?wait=0", headers={"X-Request-ID": "r-1"})
    api.get("/v1/jobs?subject_reference=Anna", headers={"X-Request-ID": "r-2"})
    api.get("/v1/jobs", key="wrong-key", headers={"X-Request-ID": "r-3"})
    api.get("/Anna")

    def crash(*_: object, **__: object) -> None:
        raise KeyError("Anna")

    monkeypatch.setattr("service.api.jobs.list_jobs", crash)
    api.get("/v1/jobs", headers={"X-Request-ID": "r-4"})
    text = stream.getvalue()
    lines = [json.loads(line) for line in text.splitlines()]
    requests = {line["request_id"]: line for line in lines if line["message"] == "request"}
    seen = requests["r-1"]
    assert (seen["job_id"], seen["route"], seen["status"]) == (job_id, "/v1/jobs/{job_id}", 200)
    assert UUID(seen["tenant_id"])
    assert requests["r-2"]["tenant_id"] == seen["tenant_id"]
    assert (requests["r-3"]["status"], requests["r-3"]["code"]) == (401, "key.invalid")
    assert "tenant_id" not in requests["r-3"]
    crashed = [line for line in lines if line.get("error") == "KeyError"]
    assert [line["request_id"] for line in crashed] == ["r-4"]
    assert not [secret for secret in secrets if secret in text]


def test_events_tell_a_jobs_news_until_its_end(api: Api) -> None:
    job_id = api.job()
    lease = claimed(api.service.database, job_id).lease

    def finish() -> None:
        while not api.service.watch._waiting:  # noqa: SLF001 - the stream has begun
            time.sleep(0.05)
        with api.service.database.write() as session:
            cancel_held(session, lease, now=current_time(session))

    worker = threading.Thread(target=finish)
    worker.start()
    answer = api.get(f"/v1/jobs/{job_id}/events")
    worker.join()
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [dict(re.findall("^(id|event|data|retry): (.*)$", part, re.MULTILINE))
              for part in answer.text.split("\n\n")]  # fmt: skip
    assert events[0] == {"retry": "2000"}
    states = [json.loads(event["data"])["state"] for event in events if "data" in event]
    assert states == ["running", "canceled"]
    last = events[-2]["id"]
    again = api.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": last})
    assert (again.status_code, again.content) == (204, b"")
    before = api.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(int(last) - 1)})
    assert before.text.count("event: job") == 1
    assert api.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "x"}).status_code == 422


def test_models_are_listed(shared_api: Api) -> None:
    found = shared_api.get("/v1/models").json()
    assert found["default"] == "aggpose-t-infant21"
    ours = next(model for model in found["items"] if model["name"] == found["default"])
    assert (ours["task"], ours["skeleton"], len(ours["keypoints"])) == ("pose", "infant21", 21)


def test_the_documentation_names_every_problem_and_each_schema(shared_api: Api) -> None:
    document = shared_api.get("/openapi.json", key=None).json()
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    for name in re.findall('"#/components/schemas/([^"]+)"', text):
        assert name in schemas
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (path, method)
            if path.startswith("/v1"):
                assert operation["security"] == [{"API key": []}]
                assert {"401", "403", "422", "429", "500", "503"} <= operation["responses"].keys()
                kinds = operation["responses"]["422"]["content"]
                assert list(kinds) == ["application/problem+json"], (path, method)
    assert "HTTPValidationError" not in schemas
    assert {"JobRequest", "JobAnswer", "UploadAnswer", "Problem"} <= {
        name for name, schema in schemas.items() if "examples" in schema
    }
    for name, schema in schemas.items():
        check = jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}"} | document)
        for example in schema.get("examples", ()):
            check.validate(example)
    assert shared_api.get("/docs", key=None).status_code == 200


def test_the_documentations_page_needs_no_other_machine(shared_api: Api) -> None:
    page = shared_api.get("/docs", key=None)
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    assets = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page.text)
    assert len(assets) == 3
    for asset in assets:
        answer = shared_api.get(f"/{asset}", key=None)
        assert answer.status_code == 200, asset
        assert answer.headers["content-type"].split(";")[0] in ("text/javascript", "text/css")
    start = shared_api.get("/docs/start.js", key=None).text
    assert "http" not in page.text + start
    assert 'url: "openapi.json"' in start
    assert shared_api.get("/openapi.json", key=None).json()["openapi"].startswith("3.1")
