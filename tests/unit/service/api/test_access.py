"""Who may do what: every route of the table, so that a new one cannot be forgotten."""

from dataclasses import dataclass
from typing import Any, get_args
from uuid import UUID, uuid4

import httpx
import pytest

from service.audit import Action
from service.database.audit import list_events
from service.keys import SCOPES, Scope, recognise, revoke_key
from tests.results_rows import finished_job
from tests.service_api import MP4, Api
from tests.service_rows import NOW, find

OPEN = {("GET", "/healthz"), ("GET", "/readyz")}
"""What needs no key."""
UNAUDITED = {
    ("GET", "/v1/jobs"), ("GET", "/v1/jobs/{job_id}"), ("GET", "/v1/jobs/{job_id}/events"),
    ("GET", "/v1/models"), ("GET", "/metrics"),
}  # fmt: skip
"""What gives nobody's video or result."""


@dataclass(frozen=True)
class Route:
    """One operation of the API."""

    method: str
    template: str

    @property
    def scope(self) -> Scope:
        """What a key needs for it."""
        if self.template == "/metrics":
            return "admin"
        return "read" if self.method in ("GET", "HEAD") else "write"

    def ask(
        self,
        api: Api,
        key: str | None,
        ids: dict[str, str],
        **more: Any,  # noqa: ANN401 - as httpx has them
    ) -> httpx.Response:
        """Ask for it, with a body that fits."""
        path = self.template.format(**ids, frame=0)
        if self.method == "POST" and path == "/v1/videos" and "content" not in more:
            return api.upload(MP4, key=key, **more)
        if self.method == "POST" and path == "/v1/jobs" and "content" not in more:
            more = {"json": {"video_id": ids["video_id"]}} | more
        answer = api.ask(self.method, path, key=key, **more)
        if self.method == "HEAD" and answer.is_error:  # what went wrong stands in the body
            told, answer = answer, api.get(path, key=key, **more)
            assert told.status_code == answer.status_code
        return answer


@pytest.fixture
def ids(api: Api) -> dict[str, str]:
    """A video and a job of the first tenant."""
    job_id = str(api.job())
    return {"job_id": job_id, "video_id": api.get(f"/v1/jobs/{job_id}").json()["video_id"]}


@pytest.fixture
def closed(api: Api) -> list[Route]:
    """The routes that need a key."""
    found = [
        Route(method.upper(), template)
        for template, methods in api.app.openapi()["paths"].items()
        for method in methods
        if (method.upper(), template) not in OPEN
    ]
    assert len(found) >= 20
    return sorted(found, key=lambda route: (route.method == "DELETE", route.template))


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


def test_no_route_answers_without_a_key(api: Api, closed: list[Route], ids: dict[str, str]) -> None:
    for route in closed:
        answer = route.ask(api, None, ids)
        assert code_of(answer) == (401, "key.missing"), route
        assert answer.headers["www-authenticate"] == "Bearer"


def test_no_route_takes_a_key_that_is_wrong_or_revoked(
    api: Api, closed: list[Route], ids: dict[str, str]
) -> None:
    right, revoked = api.key(), api.key("ward 3", "read", "write", "admin")
    with api.service.database.write() as session:
        prefix = recognise(session, revoked).prefix
        revoke_key(session, prefix=prefix, now=NOW)
    swapped = right[:-1] + ("A" if right[-1] != "A" else "B")
    unknown = f"aggpose_{'a' * 12}_{right[-43:]}"
    for route in closed:
        for wrong in (revoked, swapped, unknown, "x", right.upper()):
            assert code_of(route.ask(api, wrong, ids)) == (401, "key.invalid"), (route, wrong)


MISFITS = {
    "limit": "many", "cursor": "?", "wait": "-1", "from": "x", "series": "best", "state": "asleep",
    "created_after": "now", "extract": "perhaps", "sha256": "x",
}  # fmt: skip
"""Parameters, none of which fits."""
ASKED_WRONGLY: dict[str, dict[str, Any]] = {
    "parameters": {"params": MISFITS},
    "headers": {"headers": {"Idempotency-Key": " ", "Last-Event-ID": "x", "Range": "bytes=9-1"}},
    "half a body": {"headers": {"Content-Type": "application/json"}, "content": b"{"},
    "no text": {"headers": {"Content-Type": "application/json"}, "content": b"\xff"},
    "half a form": {"headers": {"Content-Type": "multipart/form-data"}, "content": b"--"},
}
"""What is wrong with requests, each with every route."""


@pytest.mark.parametrize("what", ASKED_WRONGLY)
def test_who_asks_is_judged_before_what_is_asked(
    api: Api, closed: list[Route], ids: dict[str, str], what: str
) -> None:
    wrong = ASKED_WRONGLY[what]
    places = [ids, dict.fromkeys(ids, "x")] if what == "parameters" else [ids]
    for route in closed:
        others: list[Scope] = [scope for scope in SCOPES if scope != route.scope]
        for place in places:
            answer = route.ask(api, f"aggpose_{'a' * 12}_{'b' * 43}", place, **wrong)
            assert code_of(answer) == (401, "key.invalid"), route
            answer = route.ask(api, api.key("ward 3", *others), place, **wrong)
            assert code_of(answer) == (403, "key.scope"), route


def test_a_key_that_is_right_is_told_what_does_not_fit(
    api: Api, closed: list[Route], ids: dict[str, str]
) -> None:
    document = api.app.openapi()["paths"]
    for route in closed:
        operation = document[route.template][route.method.lower()]
        read = {(one["in"], one["name"]) for one in operation.get("parameters", [])}
        wrong_ways: list[dict[str, Any]] = [{}] if "{" in route.template else []
        if any(("query", name) in read for name in MISFITS):
            wrong_ways += [ASKED_WRONGLY["parameters"]]
        for wrong in wrong_ways:
            place = ids if wrong else dict.fromkeys(ids, "x")
            answer = route.ask(api, api.key(), place, **wrong)
            assert code_of(answer) == (422, "request.invalid"), (route, wrong)
        for what in ("half a body", "no text", "half a form") if "requestBody" in operation else ():
            answer = route.ask(api, api.key(), ids, **ASKED_WRONGLY[what])
            assert answer.status_code in (400, 422), (route, what)


def test_no_route_takes_a_key_without_its_scope(
    api: Api, closed: list[Route], ids: dict[str, str]
) -> None:
    for route in closed:
        others: list[Scope] = [scope for scope in SCOPES if scope != route.scope]
        answer = route.ask(api, api.key("ward 3", *others), ids)
        assert code_of(answer) == (403, "key.scope"), route


def test_no_route_shows_another_tenants_things(
    api: Api, closed: list[Route], ids: dict[str, str]
) -> None:
    stranger = api.key("ward 4")
    for route in closed:
        if "{" in route.template or (route.method, route.template) == ("POST", "/v1/jobs"):
            status, code = code_of(route.ask(api, stranger, ids))
            assert (status, code.split(".")[1]) == (404, "not_found"), route
            nothing = dict.fromkeys(ids, str(uuid4()))
            assert code_of(route.ask(api, api.key(), nothing)) == (status, code), route
    for path in ("/v1/videos", "/v1/jobs"):
        assert api.get(path, key=stranger).json()["items"] == []
    assert api.get(f"/v1/jobs/{ids['job_id']}").json()["state"] == "queued"


def test_every_route_answers_with_the_one_scope_that_it_needs(
    api: Api, closed: list[Route], ids: dict[str, str]
) -> None:
    for route in closed:
        answer = route.ask(api, api.key("ward 3", route.scope), ids)
        assert answer.status_code not in (401, 403, 405, 500), (route, answer.text)


def test_every_access_to_a_video_or_result_leaves_a_line(api: Api, closed: list[Route]) -> None:
    answered = [route for route in closed if (route.method, route.template) not in UNAUDITED]
    answered.append(Route("GET", "/v1/jobs/{job_id}"))  # of a finished job, it holds results
    for number, route in enumerate(answered):
        job_id = job_for(api, route, number)
        video_id = find(api.service.database, job_id).video_id
        ids = {"job_id": str(job_id), "video_id": str(video_id)}
        before = len(lines(api))
        request_id = f"ask-{number}"
        answer = route.ask(api, api.key(), ids, headers={"X-Request-ID": request_id})
        assert answer.is_success, (route, answer.text)
        new = lines(api)[: len(lines(api)) - before]
        assert {line["request_id"] for line in new} == {request_id}, route
        if "{job_id}" in route.template:
            assert [line["resource_id"] for line in new] == [job_id], route
    assert {line["action"] for line in lines(api)} == set(get_args(Action))


def job_for(api: Api, route: Route, number: int) -> UUID:
    """A job of a video of its own, of which this can be asked: finished, where it holds results."""
    job_id = api.job(content=MP4 + bytes([number]))
    if route.template.endswith("/retry"):
        assert api.ask("POST", f"/v1/jobs/{job_id}/cancel").is_success
    elif not route.template.endswith("/cancel"):
        finished_job(api, job_id)
    return job_id


def lines(api: Api) -> list[dict[str, Any]]:
    """The first tenant's audit lines, newest first."""
    with api.service.database.read() as session:
        tenant_id = recognise(session, api.key()).tenant_id
        events = list_events(session, tenant_id, limit=1000).items
    names = ("action", "resource_id", "request_id")
    return [{name: getattr(event, name) for name in names} for event in events]


def test_a_key_that_asks_too_often_waits(api: Api) -> None:
    buckets = api.service.limits.requests
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buckets, "_most", 3)
        assert [api.get("/v1/jobs").status_code for _ in range(3)] == [200] * 3
        answer = api.get("/v1/jobs")
        assert code_of(answer) == (429, "rate.limited")
        assert 1 <= int(answer.headers["retry-after"]) <= 21
        assert api.get("/v1/jobs", key=api.key("ward 4")).status_code == 200


def test_a_key_that_uploads_too_often_waits(api: Api) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api.service.limits.uploads, "_most", 1)
        assert api.upload().status_code == 201
        assert code_of(api.upload()) == (429, "rate.limited")
        assert api.get("/v1/jobs").status_code == 200
