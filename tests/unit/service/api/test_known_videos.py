"""Bytes that the service knows already: one video, its words, and what became of its blob."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.database.tables import Video
from service.errors import BlobUnavailableError, DatabaseUnavailableError
from tests.service_api import MP4, Api, blobs
from tests.service_rows import find


def test_the_same_bytes_are_one_video_of_a_tenant(api: Api) -> None:
    first, second = api.upload(), api.upload()
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    other = api.upload(key=api.key("ward 4"))
    assert other.status_code == 201
    assert other.json()["video"]["id"] != first.json()["video"]["id"]
    assert len(blobs(api)) == 2


def test_known_bytes_are_not_filed_under_another_infant(api: Api) -> None:
    first = api.upload(fields={"subject_reference": "a"})
    assert api.upload(fields={"subject_reference": "a"}).status_code == 200
    assert api.upload().status_code == 200
    answer = api.upload(fields={"subject_reference": "b"})
    assert (answer.status_code, answer.json()["code"]) == (409, "video.conflict")
    assert first.json()["video"]["id"] in answer.json()["detail"]
    assert len(blobs(api)) == 1


def test_known_bytes_without_an_infant_are_given_one(api: Api) -> None:
    first = api.upload().json()["video"]
    told = api.upload(fields={"subject_reference": "a"})
    assert (told.status_code, told.json()["video"]) == (200, first | {"subject_reference": "a"})
    assert api.get(f"/v1/videos/{first['id']}").json()["subject_reference"] == "a"
    assert api.upload(fields={"subject_reference": "b"}).status_code == 409
    assert len(blobs(api)) == 1


def test_known_bytes_are_given_metadata_once(api: Api) -> None:
    first = api.upload().json()["video"]
    told = api.upload(fields={"metadata": '{"week": 12}'}).json()["video"]
    assert told == first | {"metadata": {"week": 12}}
    assert api.upload(fields={"metadata": '{"week": 13}'}).json()["video"] == told
    assert api.upload().json()["video"] == told


def source_of(api: Api, video_id: str) -> bytes:
    """The bytes where the video's row says that they lie."""
    with api.service.database.read() as session:
        key = session.scalars(select(Video.blob_key).where(Video.id == UUID(video_id))).one()
    return b"".join(api.service.store.open(key))


def test_a_commit_whose_answer_was_lost_leaves_a_whole_video(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = api.service.database.write

    @contextmanager
    def losing_the_answer() -> Iterator[Session]:
        with write() as session:
            yield session
            uploaded = any(isinstance(row, Video) for row in session.identity_map.values())
        if uploaded:
            raise DatabaseUnavailableError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(api.service.database, "write", losing_the_answer)
        answer = api.upload()
    assert (answer.status_code, answer.json()["code"]) == (503, "database.unavailable")
    (video,) = api.get("/v1/videos").json()["items"]
    assert source_of(api, video["id"]) == MP4
    assert api.upload().json()["video"] == video
    assert blobs(api) == [f"videos/{video['id']}/source"]


@pytest.mark.parametrize("left", [None, MP4[:-1]], ids=["nothing", "a part"])
def test_bytes_that_were_lost_are_brought_back_by_another_upload(
    api: Api, left: bytes | None
) -> None:
    video = api.upload().json()["video"]
    place, source = f"/v1/videos/{video['id']}", f"videos/{video['id']}/source"
    assert api.get(place).json() == video | {"stored": True}
    api.service.store.delete(source)
    if left is not None:
        api.service.store.put(source, [left], max_bytes=len(left))
    assert api.get(place).json() == video | {"stored": False}
    again = api.upload(query="?extract=true")
    assert (again.status_code, again.json()["video"]) == (200, video)
    assert source_of(api, video["id"]) == MP4
    assert api.get(place).json() == video | {"stored": True}
    kept = blobs(api)
    assert len(kept) == 1
    assert api.upload().status_code == 200
    assert blobs(api) == kept
    assert api.ask("DELETE", f"/v1/videos/{video['id']}").status_code == 204
    assert blobs(api) == []


def test_an_order_stands_though_its_spare_blob_cannot_be_removed(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    video = api.upload().json()["video"]

    def fail(key: str) -> None:
        raise BlobUnavailableError(f"{key}: away")

    with monkeypatch.context() as patch:
        patch.setattr(api.service.store, "delete", fail)
        answer = api.upload(query="?extract=true")
    assert (answer.status_code, answer.json()["video"]) == (200, video)
    assert find(api.service.database, UUID(answer.json()["job"]["id"])).sent_at is not None
    messages = api.service.settings.data_dir / "broker" / "messages"
    assert len(list(messages.iterdir())) == 1
    assert "aggpose db orphans" in caplog.text
