"""The API over real databases and real connections."""

import gzip
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from service.api.app import create_app
from service.client import Client
from service.database.engine import Database
from service.database.leases import cancel_held
from service.database.tables import Video
from service.settings import Settings
from tests.model_files import write_empty_pose_model
from tests.results_rows import finished_job, running_job, written
from tests.served_api import served
from tests.service_api import MP4, Api, running_api
from tests.service_rows import NOW, at_once, claimed


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """A database of each kind; files and messages in a folder."""
    models = tmp_path / "models"
    models.mkdir()
    write_empty_pose_model(models)
    return Settings.read(
        data_dir=tmp_path, database_url=database_url, models_dir=models, max_upload_bytes=1 << 20
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    """A running app."""
    with running_api(settings) as running:
        yield running


def test_a_video_on_its_whole_way(api: Api) -> None:
    job_id, files = finished_job(api)
    seen = api.get(f"/v1/jobs/{job_id}?wait=10").json()
    assert (seen["state"], seen["quality"]) == ("succeeded", {"frames": 24})
    for kind in ("keypoints.csv", "keypoints.json", "quality.json", "preview.mp4"):
        assert api.get(f"/v1/jobs/{job_id}/{kind}").content == files[kind]
    assert len(api.get(f"/v1/jobs/{job_id}/frames").json()["items"]) == 24
    assert api.get(f"/v1/jobs/{job_id}/previews").json() == {"frames": [0, 16]}
    assert api.ask("DELETE", f"/v1/videos/{seen['video_id']}").status_code == 204
    assert list(api.service.store.keys()) == []
    assert api.get("/v1/jobs").json()["items"] == []


def test_many_uploads_of_the_same_bytes_at_once_are_one_video(api: Api) -> None:
    api.key()
    answers = at_once(lambda _: api.upload(), 8)
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["video"]["id"] for answer in answers}) == 1
    assert len(list(api.service.store.keys())) == 1


def test_many_requests_with_one_idempotency_key_make_one_job(api: Api) -> None:
    wanted = {"video_id": api.upload().json()["video"]["id"]}
    headers = {"Idempotency-Key": "once"}
    answers = at_once(lambda _: api.ask("POST", "/v1/jobs", json=wanted, headers=headers), 8)
    assert [answer.status_code for answer in answers] == [202] * 8
    assert len({answer.json()["id"] for answer in answers}) == 1
    messages = api.service.settings.data_dir / "broker" / "messages"
    assert len(list(messages.iterdir())) == 1


def test_of_many_infants_at_once_one_is_the_videos(api: Api) -> None:
    api.upload()
    answers = at_once(lambda n: api.upload(fields={"subject_reference": f"S{n}"}), 8)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    (told,) = (answer.json()["video"] for answer in answers if answer.is_success)
    (video,) = api.get("/v1/videos").json()["items"]
    assert video == told
    assert video["subject_reference"] is not None


def test_of_many_uploads_at_once_one_brings_lost_bytes_back(api: Api) -> None:
    video_id = api.upload().json()["video"]["id"]
    lost = f"videos/{video_id}/source"
    api.service.store.delete(lost)
    answers = at_once(lambda _: api.upload(), 8)
    assert [answer.status_code for answer in answers] == [200] * 8
    (key,) = api.service.store.keys()
    with api.service.database.read() as session:
        assert session.scalars(select(Video.blob_key)).all() == [key]
    assert b"".join(api.service.store.open(key)) == MP4


def test_a_store_that_takes_longer_than_a_transaction_may_be_idle(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.app.Database", partial(Database, patience_s=2))
    with running_api(settings) as api:
        job_id, _ = finished_job(api)
        video_id = api.get(f"/v1/jobs/{job_id}").json()["video_id"]
        store, delete = api.service.store, api.service.store.delete

        def delete_slowly(key: str) -> None:
            time.sleep(3)
            delete(key)

        monkeypatch.setattr(store, "delete", delete_slowly)
        for place in (f"/v1/jobs/{job_id}", f"/v1/videos/{video_id}"):
            assert api.ask("DELETE", place).status_code == 204
        assert list(store.keys()) == []


def test_awkward_text_is_kept_to_the_letter(api: Api) -> None:
    fields = {"subject_reference": "Ä 'x\" \U0001f476 \\u0000", "metadata": '{"a":"\\u0000 \\\\"}'}
    video = api.upload(fields=fields).json()["video"]
    assert video["subject_reference"] == fields["subject_reference"]
    assert video["metadata"] == {"a": "\0 \\"}
    found = api.get("/v1/videos", params={"subject_reference": fields["subject_reference"]})
    assert [item["id"] for item in found.json()["items"]] == [video["id"]]


def test_a_running_jobs_frames_and_its_waiting_clients(api: Api) -> None:
    job_id, lease, blocks = running_job(api)
    answer = api.get(f"/v1/jobs/{job_id}/keypoints.csv?from=3&to=20")
    assert answer.content.count(b"\n") == 18
    assert api.get(f"/v1/jobs/{job_id}/keypoints.json").content == written("json", blocks)

    def follow(number: int) -> str:
        if number == 0:
            with api.service.database.write() as session:
                cancel_held(session, lease, now=NOW)
            return "canceled"
        return str(api.get(f"/v1/jobs/{job_id}?wait=20").json()["state"])

    assert at_once(follow, 10) == ["canceled"] * 10
    assert api.get(f"/v1/jobs/{job_id}/events").text.count("event: job") == 1


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    """An app that a server runs."""
    return create_app(settings)


def key_of(settings: Settings) -> str:
    """A key with all scopes."""
    with running_api(settings) as api:
        return api.key()


def test_over_a_real_connection(settings: Settings, app: FastAPI) -> None:
    headers = {"Authorization": f"Bearer {key_of(settings)}"}
    with served(app) as url, httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        answer = client.post("/v1/videos?extract=true", files={"file": MP4})
        job_id = answer.json()["job"]["id"]
        with client.stream("GET", f"/v1/jobs/{job_id}/events") as events:
            lines = events.iter_lines()
            assert [next(lines) for _ in range(4)][2:] == ["id: 0", "event: job"]
        claimed(app.state.service.database, UUID(job_id))
        changed = client.get(f"/v1/jobs/{job_id}?wait=10", headers={"If-None-Match": '"0"'})
        assert changed.json()["state"] == "running"


@pytest.mark.parametrize("left", [None, b"half"], ids=["gone", "damaged"])
def test_the_client_brings_lost_bytes_back(
    settings: Settings, app: FastAPI, tmp_path: Path, left: bytes | None
) -> None:
    film, store = tmp_path / "film.mp4", app.state.service.store
    film.write_bytes(MP4)
    with served(app) as url, Client(url, key_of(settings)) as client:
        video = client.upload(film)
        (key,) = store.keys()
        assert client.upload(film) == video
        assert [*store.keys()] == [key]
        store.delete(key)
        if left is not None:
            store.put(key, [left], max_bytes=len(left))
        assert client.upload(film) == video
        (key,) = store.keys()
        assert b"".join(store.open(key)) == MP4
        assert client.video(video.id).stored


def test_head_has_no_body_on_a_real_connection(settings: Settings, app: FastAPI) -> None:
    with running_api(settings) as api:
        key, (job_id, files) = api.key(), finished_job(api)
    with served(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        for kind in ("preview.mp4", "keypoints.csv", "previews/0.jpg"):
            answer = client.head(f"/v1/jobs/{job_id}/{kind}")
            assert (answer.status_code, answer.content) == (200, b""), kind
        film = client.get(f"/v1/jobs/{job_id}/preview.mp4")  # the connection goes on in step
        assert film.content == files["preview.mp4"]
        nothing = client.head(f"/v1/jobs/{UUID(int=7)}/preview.mp4")
        assert (nothing.status_code, nothing.content) == (404, b"")


def test_behind_a_proxy_addresses_keep_the_path(settings: Settings, app: FastAPI) -> None:
    headers = {"Authorization": f"Bearer {key_of(settings)}"}
    with (
        served(app, root_path="/aggpose") as url,
        httpx.Client(headers=headers, timeout=30) as client,
    ):
        answer = client.post(f"{url}/v1/videos?extract=true", files={"file": MP4})
        assert answer.headers["location"].startswith("/aggpose/v1/videos/")
        assert answer.headers["link"].startswith("</aggpose/v1/jobs/")
        assert client.put(f"{url}/v1/videos").headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Content-Length: 99999999\r\nExpect: 100-continue", b"413"),
        ("Content-Length: 99999999", b"413"),
        ("Content-Length: 500\r\nContent-Length: 600", b"400"),
        ("Content-Length: -1", b"400"),
    ],
)
def test_lies_about_the_length_are_told_before_anything_is_stored(
    settings: Settings, app: FastAPI, head: str, status: bytes
) -> None:
    key = key_of(settings)
    with served(app) as url:
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port or 0), 10) as connection:
            request = (
                f"POST /v1/videos HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n"
                f"Content-Type: multipart/form-data; boundary=b\r\n{head}\r\n\r\n"
            )
            connection.sendall(request.encode())
            assert connection.recv(100).split()[1] == status


def test_a_connection_that_breaks_leaves_nothing(settings: Settings, app: FastAPI) -> None:
    key = key_of(settings)
    with served(app) as url:
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port or 0), 10) as connection:
            body = b"--b\r\nContent-Disposition: form-data; name=file\r\n\r\n" + MP4
            request = (
                f"POST /v1/videos HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n"
                f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 900000\r\n\r\n"
            )
            connection.sendall(request.encode() + body)
        answer = httpx.get(
            f"{url}/v1/videos", headers={"Authorization": f"Bearer {key}"}, timeout=30
        )
        assert answer.json()["items"] == []
    assert [path for path in settings.data_dir.glob("blobs/**/*") if path.is_file()] == []


def test_a_stream_that_nobody_reads_holds_no_connection(settings: Settings, app: FastAPI) -> None:
    with running_api(settings) as api:
        key, (job_id, _, blocks) = api.key(), running_job(api)
    headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": "gzip"}
    path = f"/v1/jobs/{job_id}/keypoints.csv"
    with served(app) as url, httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        with client.stream("GET", path) as answer:
            pool = app.state.service.database._engine.pool  # noqa: SLF001 - what it costs
            assert answer.status_code == 200
            content = b"".join(answer.iter_raw())
        assert pool.checkedout() == 0
        assert gzip.decompress(content) == written("csv", blocks)
