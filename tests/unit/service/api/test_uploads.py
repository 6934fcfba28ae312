"""Uploads: what comes in, what is refused, and that refusals leave nothing behind."""

import errno
import hashlib
import os
from collections.abc import AsyncIterator
from io import BytesIO
from itertools import pairwise
from typing import Any

import av
import pytest
from av.video.stream import VideoStream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.audit import note as audit_note
from service.blobs import parts
from service.errors import BlobUnavailableError, DatabaseUnavailableError
from tests.service_api import MP4, Api, blobs

BOUNDARY = "cut-here"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def form(*parts_of_form: tuple[str, bytes], end: bytes = b"--") -> bytes:
    """A form's body with these parts, by the disposition's parameters."""
    body = b""
    for parameters, content in parts_of_form:
        head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {parameters}\r\n\r\n"
        body += head.encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}".encode() + end + b"\r\n"


def refused(api: Api, body: bytes, **more: str) -> tuple[int, str]:
    """Status and code of an upload that must leave nothing behind."""
    answer = api.ask("POST", "/v1/videos", content=body, headers=HEADERS | more)
    assert blobs(api) == []
    assert api.get("/v1/videos").json()["items"] == []
    return answer.status_code, answer.json()["code"]


def test_a_video_is_stored_with_its_hash_and_description(api: Api) -> None:
    answer = api.upload(fields={"subject_reference": "ward3-0017", "metadata": '{"week": 12}'})
    assert answer.status_code == 201
    video = answer.json()["video"]
    assert answer.headers["location"] == f"/v1/videos/{video['id']}"
    assert video["sha256"] == hashlib.sha256(MP4).hexdigest()
    assert video["size_bytes"] == len(MP4)
    assert video["media_type"] == "video/mp4"
    assert (video["subject_reference"], video["metadata"]) == ("ward3-0017", {"week": 12})
    assert answer.json()["job"] is None
    key = f"videos/{video['id']}/source"
    assert blobs(api) == [key]
    assert b"".join(api.service.store.open(key)) == MP4
    assert api.get(answer.headers["location"]).json() == video | {"stored": True}


@pytest.mark.parametrize(
    ("muxer", "codec", "size_wh", "kind"),
    [
        ("vob", "mpeg2video", (96, 64), "video/mpeg"),
        ("mpeg", "mpeg1video", (96, 64), "video/mpeg"),
        ("dv", "dvvideo", (720, 576), "video/dv"),
    ],
)
def test_program_streams_and_dv_are_accepted(
    api: Api, muxer: str, codec: str, size_wh: tuple[int, int], kind: str
) -> None:
    film = BytesIO()
    with av.open(film, "w", format=muxer) as container:
        stream = container.add_stream(codec, 25)
        assert isinstance(stream, VideoStream)
        (stream.width, stream.height), stream.pix_fmt = size_wh, "yuv420p"
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame(*size_wh, "yuv420p")))
        container.mux(stream.encode(None))
    answer = api.upload(film.getvalue())
    assert answer.status_code == 201
    assert answer.json()["video"]["media_type"] == kind


def nested(levels: int, opened: str, closed: str) -> str:
    """Metadata of so many objects or lists, one in the other."""
    return '{"a":' + opened * (levels - 2) + "[]" + closed * (levels - 2) + "}"


@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("levels", [33, 300])
def test_metadata_that_is_nested_too_deeply_is_refused(
    api: Api, levels: int, brackets: tuple[str, str]
) -> None:
    kept = api.upload(fields={"metadata": nested(32, *brackets)}).json()["video"]
    answer = api.upload(MP4 + b"2", fields={"metadata": nested(levels, *brackets)})
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert answer.json()["errors"][0]["location"] == "body.metadata"
    assert api.get("/v1/videos").json()["items"] == [kept]
    assert len(blobs(api)) == 1


def test_one_request_uploads_and_starts_the_job(api: Api) -> None:
    answer = api.upload(query="?extract=true", headers={"Idempotency-Key": "k1"})
    job = answer.json()["job"]
    assert (job["state"], job["video_id"]) == ("queued", answer.json()["video"]["id"])
    assert answer.headers["link"] == f'</v1/jobs/{job["id"]}>; rel="related"'
    again = api.upload(query="?extract=true", headers={"Idempotency-Key": "k1"})
    assert (again.status_code, again.json()["job"]["id"]) == (200, job["id"])
    other = api.upload(MP4 + b"2", query="?extract=true", headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["code"]) == (422, "job.idempotency_conflict")
    assert len(blobs(api)) == 1
    assert len(api.get("/v1/videos").json()["items"]) == 1


@given(cuts=st.lists(st.integers(1, 9000), max_size=12), content=st.binary(max_size=200))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_chunks_give_the_same_file(api: Api, cuts: list[int], content: bytes) -> None:
    video = MP4 + content + f"\r\n--{BOUNDARY[:4]}".encode()
    body = form(('name="subject_reference"', b"x"), ('name="file"; filename="../../a"', video))
    edges = [0, *sorted(cuts), len(body)]

    async def chunks() -> AsyncIterator[bytes]:
        for start, stop in pairwise(edges):
            yield body[start:stop]

    answer = api.ask("POST", "/v1/videos", content=chunks(), headers=HEADERS)
    assert answer.status_code in (200, 201), answer.text
    assert answer.json()["video"]["sha256"] == hashlib.sha256(video).hexdigest()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "upload.malformed"),
        (b"no form at all", 400, "upload.malformed"),
        (form(('name="file"', MP4), end=b""), 400, "upload.malformed"),
        (form(('name="file"', MP4))[:-200], 400, "upload.malformed"),
        (form(('name="other"', b"x")), 400, "upload.malformed"),
        (form(('name="file"', MP4), ('name="file"', MP4)), 400, "upload.malformed"),
        (form(('name="file"', MP4), ('name="metadata"', b"{}"), ('name="metadata"', b"{}")), 400,
         "upload.malformed"),
        (form(('filename="file"', MP4)), 400, "upload.malformed"),
        (form(('name="subject_reference"', b"x" * 200_000), ('name="file"', MP4)), 400,
         "upload.malformed"),
        (form(('name="file"', MP4), ('name="subject_reference"', b"\xff")), 400,
         "upload.malformed"),
        (form(('name="file"', b"")), 415, "video.unsupported_container"),
        (form(('name="file"', b"\0\0\1\xba\rDear doctor,")), 415, "video.unsupported_container"),
        (form(('name="file"; filename="a.mp4"', b"GIF89a" + bytes(6000))), 415,
         "video.unsupported_container"),
        (form(('name="file"', MP4), ('name="patient"', b"x")), 422, "request.invalid"),
        (form(('name="file"', MP4), ('name="subject_reference"', b"a\nb")), 422, "request.invalid"),
        (form(('name="file"', MP4), ('name="subject_reference"', b"a" * 201)), 422,
         "request.invalid"),
        (form(('name="file"', MP4), ('name="metadata"', b"[1]")), 422, "request.invalid"),
        (form(('name="file"', MP4), ('name="metadata"', b'{"a": NaN}')), 422, "request.invalid"),
        (form(('name="file"', MP4), ('name="metadata"', b'{"a": "\\ud800"}')), 422,
         "request.invalid"),
        (form(('name="file"', MP4), ('name="metadata"', b'{"a": 1e999}')), 422, "request.invalid"),
        (form(('name="file"', MP4), ('name="metadata"', b'{"a":"' + b"x" * 20_000 + b'"}')), 422,
         "request.invalid"),
        (form(('name="file"', MP4), ('name="metadata"', b"[" * 50_000)), 422, "request.invalid"),
        (form(('name="file"', MP4 + bytes(1 << 20))), 413, "video.too_large"),
    ],
)  # fmt: skip
def test_what_is_no_upload_leaves_nothing(
    shared_api: Api, body: bytes, status: int, code: str
) -> None:
    assert refused(shared_api, body) == (status, code)


def test_another_content_type_is_refused(api: Api) -> None:
    assert refused(api, MP4, **{"Content-Type": "video/mp4"}) == (400, "upload.malformed")
    kind = {"Content-Type": "multipart/form-data"}
    assert refused(api, form(('name="file"', MP4)), **kind) == (400, "upload.malformed")


def test_the_values_of_fields_are_not_repeated(api: Api) -> None:
    answer = api.upload(fields={"subject_reference": "Anna\tExample", "metadata": "{}"})
    assert answer.status_code == 422
    assert "Anna" not in answer.text
    assert answer.json()["errors"][0]["location"] == "body.subject_reference"


def test_a_size_that_is_declared_too_large_is_refused_before_anything_is_read(api: Api) -> None:
    read = False

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield b"x"

    answer = api.ask(
        "POST", "/v1/videos", content=chunks(), headers=HEADERS | {"Content-Length": "9999999999"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "video.too_large")
    assert not read


def test_so_many_uploads_at_a_time_and_no_more(api: Api) -> None:
    places = api.service.intake.places

    async def take_all() -> None:
        for number in range(int(places.total_tokens)):
            places.acquire_on_behalf_of_nowait(number)

    async def give_one_back() -> None:
        places.release_on_behalf_of(0)

    api.portal.call(take_all)
    answer = api.upload()
    assert (answer.status_code, answer.json()["code"]) == (503, "upload.busy")
    assert answer.headers["retry-after"] == "5"
    assert blobs(api) == []
    api.portal.call(give_one_back)
    assert api.upload(MP4 + bytes(1 << 20)).status_code == 413
    assert api.upload().status_code == 201  # those that have ended give their places back


def test_a_full_disk_is_told_and_leaves_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("service.blobs.local.write_all", full)
    assert parts.write_all is not full
    assert refused(api, form(('name="file"', MP4))) == (507, "blob.full")


def test_a_database_that_fails_leaves_no_blob(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no audit, no video")

    monkeypatch.setattr("service.api.videos.note", fail)
    assert audit_note is not fail
    answer = api.upload()
    assert (answer.status_code, answer.json()["code"]) == (500, "service.crashed")
    assert "audit" not in answer.text
    assert blobs(api) == []


def test_a_database_that_was_never_there_leaves_no_blob(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("away")

    monkeypatch.setattr("service.api.videos.add_video", away)
    assert api.upload().status_code == 503
    assert blobs(api) == []


def test_a_video_is_shown_while_the_store_is_away(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = api.upload().json()["video"]

    def away(key: str, *, quickly: bool) -> None:
        assert quickly  # nobody waits minutes for that
        raise BlobUnavailableError(key)

    monkeypatch.setattr(api.service.store, "size", away)
    assert api.get(f"/v1/videos/{video['id']}").json() == video | {"stored": None}


def test_a_client_that_goes_away_leaves_nothing(api: Api) -> None:
    body = form(('name="file"', MP4 * 10))[:50_000]
    arriving = [
        {"type": "http.request", "body": body, "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []
    headers = HEADERS | {"authorization": f"Bearer {api.key()}"}
    scope = {
        "type": "http", "method": "POST", "path": "/v1/videos", "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip

    async def receive() -> Any:  # noqa: ANN401 - as ASGI has it
        return arriving.pop(0)

    async def send(message: Any) -> None:  # noqa: ANN401 - likewise
        sent.append(message)

    api.portal.call(api.app, scope, receive, send)
    assert (arriving, sent) == ([], [])
    assert blobs(api) == []
