"""Stills and finished files of a job: stored under its lease, replaced by a later attempt."""

import pytest

from service.database.engine import Database
from service.database.leases import Claim, finish_extraction
from service.database.results import (
    find_artifact,
    find_preview,
    list_artifacts,
    list_previews,
    store_artifact,
    store_previews,
)
from service.database.tables import Artifact
from tests.service_rows import NOW, after, claimed, find, make_job


@pytest.fixture
def preview(database: Database) -> Claim:
    """A job whose preview is being made."""
    taken = claimed(database, make_job(database).id)
    with database.write() as session:
        finish_extraction(session, taken.lease, timings={}, now=NOW)
    return claimed(database, taken.job.id, stage="preview")


def new_artifact(preview: Claim, kind: str, blob_key: str) -> Artifact:
    return Artifact(
        job_id=preview.job.id, kind=kind, blob_key=blob_key, media_type="video/mp4",
        sha256="ab" * 32, size_bytes=2**40, created_at=NOW,
    )  # fmt: skip


def test_stills_are_stored_listed_and_replaced(database: Database, preview: Claim) -> None:
    with database.write() as session:
        store_previews(session, preview.lease, {25: b"\xff\xd8b", 0: b"\xff\xd8a"}, now=after(1))
    with database.write() as session:
        store_previews(session, preview.lease, {25: b"\xff\xd8new", 50: b"\xff\xd8c"}, now=after(2))
        store_previews(session, preview.lease, {}, now=after(2))
    with database.read() as session:
        assert list_previews(session, preview.job.id) == [0, 25, 50]
        stills = [find_preview(session, preview.job.id, index) for index in (0, 25, 50, 75)]
    assert stills == [b"\xff\xd8a", b"\xff\xd8new", b"\xff\xd8c", None]
    assert find(database, preview.job.id).heartbeat_at == after(2)


def test_files_are_stored_listed_and_replaced(database: Database, preview: Claim) -> None:
    job_id = preview.job.id
    with database.write() as session:
        for kind, key in (("preview.mp4", "a/1"), ("keypoints.raw.csv", "a/2")):
            new = new_artifact(preview, kind, key)
            assert store_artifact(session, preview.lease, new, now=NOW) is None
    with database.write() as session:
        same = new_artifact(preview, "preview.mp4", "a/1")
        assert store_artifact(session, preview.lease, same, now=NOW) is None
        newer = new_artifact(preview, "preview.mp4", "a/3")
        assert store_artifact(session, preview.lease, newer, now=NOW) == "a/1"
    with database.read() as session:
        found = list_artifacts(session, job_id)
        assert [(each.kind, each.blob_key) for each in found] == [
            ("keypoints.raw.csv", "a/2"),
            ("preview.mp4", "a/3"),
        ]
        film = find_artifact(session, job_id, "preview.mp4")
        assert film is not None
        assert (film.size_bytes, film.sha256) == (2**40, "ab" * 32)
        assert find_artifact(session, job_id, "quality.json") is None
