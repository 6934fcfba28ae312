"""The client against a service that is made up: what it sends, repeats, believes and refuses."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import BaseModel

from service.api.schemas import JobAnswer, VideoAnswer
from service.client import Client
from service.client_errors import AnswerError, ClientError, ProblemError, UnreachableError


def example(of: type[BaseModel]) -> dict[str, Any]:
    """The example in an answer's documentation."""
    found: dict[str, Any] = of.model_json_schema()["examples"][0]
    return found


JOB, VIDEO = example(JobAnswer), example(VideoAnswer)
JOB_ID, VIDEO_ID = UUID(JOB["id"]), UUID(VIDEO["id"])
KEY = "aggpose_abc_secret"

Answer = httpx.Response | Exception
Seen = list[httpx.Request]


class Service:
    """Gives the answers that it was given, one after another, and keeps the requests."""

    def __init__(self, *answers: Answer) -> None:
        self.seen: Seen = []
        self._answers: Iterator[Answer] = iter(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.seen.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, patience_s: float = 60.0) -> Client:
        transport = httpx.MockTransport(self)
        return Client("http://service", KEY, patience_s=patience_s, transport=transport)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The client's pauses, which take no time here."""
    passed: list[float] = []
    now_s = [0.0]

    def sleep(seconds: float) -> None:
        passed.append(seconds)
        now_s[0] += seconds

    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])
    return passed


def job(state: str, revision: int) -> httpx.Response:
    return httpx.Response(200, json=JOB | {"state": state}, headers={"ETag": f'"{revision}"'})


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    said = {"detail": "so it is", "code": code, "title": "So", "status": status, "request_id": "r1"}
    return httpx.Response(
        status, json=said, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def film(tmp_path: Path) -> Path:
    path = tmp_path / "ward 7 Anna.mp4"
    path.write_bytes(bytes(range(256)) * 1000)
    return path


def test_a_video_is_sent_without_its_name_and_counted(tmp_path: Path) -> None:
    none = httpx.Response(200, json={"items": [], "next": None})
    service = Service(none, httpx.Response(201, json={"video": VIDEO, "job": None}))
    counted: list[int] = []
    path = film(tmp_path)
    with service.client() as client:
        assert client.upload(path, progress=counted.append).id == VIDEO_ID
    asked, sent = service.seen
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert asked.url.params["sha256"] == sha256
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert path.read_bytes() in sent.content
    assert b"Anna" not in sent.content
    assert int(sent.headers["Content-Length"]) == len(sent.content)
    assert sum(counted) == path.stat().st_size


@pytest.mark.parametrize("stored", [True, None])
def test_a_known_video_is_not_sent_again(tmp_path: Path, *, stored: bool | None) -> None:
    listed = httpx.Response(200, json={"items": [VIDEO], "next": None})
    service = Service(listed, httpx.Response(200, json=VIDEO | {"stored": stored}))
    with service.client() as client:
        assert client.upload(film(tmp_path)).id == VIDEO_ID
    assert [request.method for request in service.seen] == ["GET", "GET"]


def test_a_known_video_whose_bytes_are_lost_is_sent_again(tmp_path: Path) -> None:
    listed = httpx.Response(200, json={"items": [VIDEO], "next": None})
    lost = httpx.Response(200, json=VIDEO | {"stored": False})
    service = Service(listed, lost, httpx.Response(200, json={"video": VIDEO, "job": None}))
    path = film(tmp_path)
    with service.client() as client:
        assert client.upload(path).id == VIDEO_ID
    assert service.seen[1].url.path == f"/v1/videos/{VIDEO_ID}"
    assert path.read_bytes() in service.seen[2].content


def test_words_about_the_infant_go_along(tmp_path: Path) -> None:
    none = httpx.Response(200, json={"items": [], "next": None})
    service = Service(none, httpx.Response(201, json={"video": VIDEO, "job": None}))
    with service.client() as client:
        client.upload(film(tmp_path), subject_reference="ward3-0017", metadata={"week": 12})
    _, sent = service.seen
    assert b'name="subject_reference"\r\n\r\nward3-0017\r\n' in sent.content
    assert b'name="metadata"\r\n\r\n{"week": 12}\r\n' in sent.content


@pytest.mark.parametrize(
    ("has", "says", "sent"),
    [
        ({"subject_reference": "a"}, {"subject_reference": "a"}, False),
        ({"subject_reference": "a"}, {}, False),
        ({"subject_reference": None}, {"subject_reference": "a"}, True),
        ({"subject_reference": "b"}, {"subject_reference": "a"}, True),  # the service refuses it
        ({"metadata": {"week": 12}}, {"metadata": {"week": 13}}, False),  # the first one stays
        ({"metadata": {}}, {"metadata": {"week": 12}}, True),
        ({"metadata": {}}, {"metadata": {}}, False),
    ],
)
def test_a_known_video_is_sent_again_for_words_that_it_lacks(
    tmp_path: Path, has: dict[str, Any], says: dict[str, Any], *, sent: bool
) -> None:
    known = VIDEO | {"subject_reference": None, "metadata": {}} | has
    service = Service(
        httpx.Response(200, json={"items": [known], "next": None}),
        httpx.Response(200, json={"video": known, "job": None})
        if sent
        else httpx.Response(200, json=known | {"stored": True}),
    )
    with service.client() as client:
        client.upload(film(tmp_path), **says)
    assert service.seen[1].method == ("POST" if sent else "GET")


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_retry_whose_answer_was_lost_has_happened(state: str) -> None:
    service = Service(
        httpx.Response(200, json=JOB),
        httpx.ReadError("gone"),
        problem(409, "job.not_retryable"),
        httpx.Response(200, json=JOB | {"state": state}),
    )
    with service.client() as client:
        client.job(JOB_ID)
        assert client.retry(JOB_ID).state == state


def test_a_job_that_has_succeeded_is_not_tried_again() -> None:
    done = httpx.Response(200, json=JOB | {"state": "succeeded"})
    with (
        Service(problem(409, "job.not_retryable"), done).client() as client,
        pytest.raises(ProblemError) as caught,
    ):
        client.retry(JOB_ID)
    assert caught.value.code == "job.not_retryable"


def test_an_upload_that_broke_off_starts_over(tmp_path: Path, pauses: list[float]) -> None:
    none = httpx.Response(200, json={"items": [], "next": None})
    uploaded = httpx.Response(201, json={"video": VIDEO, "job": None})
    service = Service(none, httpx.ReadError("gone"), uploaded)
    counted: list[int] = []
    path = film(tmp_path)
    with service.client() as client:
        client.upload(path, progress=counted.append)
    assert path.read_bytes() in service.seen[2].content
    assert sum(counted) == path.stat().st_size
    assert min(counted) == -path.stat().st_size
    assert len(pauses) == 1


def test_a_job_is_asked_for_once_even_when_asked_twice(pauses: list[float]) -> None:
    busy, made = (
        problem(503, "database.unavailable", Retry_After="3"),
        httpx.Response(202, json=JOB),
    )
    service = Service(busy, made)
    with service.client() as client:
        wanted = client.create_job(VIDEO_ID, model="mine", parameters={"window": 32})
    assert wanted.id == JOB_ID
    first, second = service.seen
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert json.loads(second.content) == {
        "video_id": str(VIDEO_ID), "model": "mine", "parameters": {"window": 32}
    }  # fmt: skip
    assert pauses == [3.0]


def test_waiting_asks_for_news_and_ends_with_the_job(pauses: list[float]) -> None:
    news = [job("queued", 1), httpx.Response(304), job("running", 2), job("succeeded", 3)]
    service = Service(*news)
    told: list[str] = []
    with service.client() as client:
        assert client.wait(JOB_ID, progress=lambda one: told.append(one.state)).state == "succeeded"
    assert told == ["queued", "running", "succeeded"]
    etags = [request.headers.get("If-None-Match") for request in service.seen]
    assert etags == [None, '"1"', '"1"', '"2"']
    assert [request.url.params.get("wait") for request in service.seen] == [None, "20", "20", "20"]
    assert pauses == [1.0], "a service that does not wait is not asked all the time"


def test_waiting_outlives_a_restart_but_not_an_end(pauses: list[float]) -> None:
    away = httpx.ConnectError("refused")
    service = Service(job("running", 1), away, away, job("succeeded", 2))
    with service.client() as client:
        assert client.wait(JOB_ID).state == "succeeded"
    assert pauses == [0.5, 1.0]
    service = Service(job("running", 1), *[away] * 50)
    with service.client(patience_s=20) as client, pytest.raises(UnreachableError):
        client.wait(JOB_ID)
    assert sum(pauses[2:]) <= 20


def test_a_wrong_address_is_told_at_once(pauses: list[float]) -> None:
    service = Service(httpx.ConnectError("refused"))
    with service.client() as client, pytest.raises(UnreachableError, match="refused"):
        client.job(JOB_ID)
    assert pauses == []


def test_a_problem_keeps_its_words(pauses: list[float]) -> None:
    service = Service(problem(404, "job.not_found"))
    with service.client() as client, pytest.raises(ProblemError, match="so it is") as raised:
        client.job(JOB_ID)
    error = raised.value
    assert (error.code, error.title, error.status) == ("job.not_found", "So", 404)
    assert (error.request_id, error.retry_after_s) == ("r1", None)
    assert pauses == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, text="<html>nothing here</html>"),
        httpx.Response(200, json={"something": "else"}),
        httpx.Response(302, headers={"Location": "/login"}),
    ],
)
def test_what_is_not_the_service_is_told(answer: httpx.Response) -> None:
    with Service(answer).client() as client, pytest.raises(AnswerError, match="AggPose's API"):
        client.job(JOB_ID)


def test_a_proxy_may_speak_for_a_service_that_restarts(pauses: list[float]) -> None:
    service = Service(httpx.Response(502, text="<html>bad gateway</html>"), job("running", 1))
    with service.client() as client:
        assert client.job(JOB_ID).state == "running"
    assert pauses == [0.5]


@pytest.mark.parametrize(
    ("file", "asked"),
    [
        ("keypoints.csv", "/keypoints.csv?series=raw"),
        ("keypoints-filtered.json", "/keypoints.json?series=filtered"),
        ("preview.mp4", "/preview.mp4"),
        ("preview.masks.csv", "/preview.masks.csv"),
    ],
)
def test_files_have_the_names_of_extract(file: str, asked: str, tmp_path: Path) -> None:
    service = Service(httpx.Response(200, content=b"content"))
    with service.client() as client:
        client.download(JOB_ID, file, tmp_path / file)  # type: ignore[arg-type]
    assert str(service.seen[0].url) == f"http://service/v1/jobs/{JOB_ID}{asked}"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {file: b"content"}


def damaged() -> httpx.Response:
    wanted = hashlib.sha256(b"content").hexdigest()
    return httpx.Response(200, content=b"contents", headers={"ETag": f'"{wanted}"'})


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize("fails", [damaged, lambda: problem(409, "result.not_ready")])
def test_a_download_is_whole_or_not_there(
    fails: Callable[[], httpx.Response], tmp_path: Path
) -> None:
    path = tmp_path / "quality.png"
    path.write_bytes(b"before")
    service = Service(job("succeeded", 1), *[fails() for _ in range(50)])
    with service.client() as client:
        client.wait(JOB_ID)
        with pytest.raises(ClientError):
            client.download(JOB_ID, "quality.png", path)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"quality.png": b"before"}


def test_the_key_stays_when_a_file_lies_elsewhere(tmp_path: Path) -> None:
    moved = httpx.Response(307, headers={"Location": "https://files.example.org/x?signature=1"})
    service = Service(moved, httpx.Response(200, content=b"film"))
    with service.client() as client:
        client.download(JOB_ID, "preview.mp4", tmp_path / "film")
    assert (tmp_path / "film").read_bytes() == b"film"
    assert "Authorization" not in service.seen[1].headers


def test_a_key_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(ClientError, match="expected an API key"):
        Client("http://service", "aggpose ключ")
