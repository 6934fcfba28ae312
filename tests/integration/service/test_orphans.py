"""Blobs that no row names are found, in a folder and in S3, and no others."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import boto3
import pytest
from click.testing import CliRunner
from sqlalchemy import update

from service.blobs import BlobStore, S3Access, open_store
from service.commands import orphans
from service.database.engine import Database
from service.database.ids import new_id
from service.database.jobs import add_job
from service.database.tables import Tenant
from service.database.videos import add_video
from service.orphans import find_orphans
from service.videos import source_key
from tests.s3_server import s3_server
from tests.service_rows import make_tenant, new_job, new_video

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

DAY_S = 24 * 3600.0


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as address:
        session = boto3.session.Session("me", "hush", region_name="us-east-1")
        client = session.client("s3", endpoint_url=address)
        client.create_bucket(Bucket="orphans")
        client.close()
        yield address


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    """An empty store of each kind."""
    if request.param == "folder":
        store = open_store((tmp_path / "blobs").as_uri())
    else:
        access = S3Access(
            scratch_dir=tmp_path, endpoint_url=request.getfixturevalue("endpoint"),
            access_key_id="me", secret_access_key="hush",  # noqa: S106 - moto takes any
        )  # fmt: skip
        store = open_store(f"s3://orphans/{uuid4()}", s3=access)
    yield store
    store.close()


def begun(days_ago: float) -> UUID:
    """An identifier that was made so long ago."""
    moment_ms = round((datetime.now(UTC) - timedelta(days=days_ago)).timestamp() * 1000)
    return UUID(int=moment_ms << 80 | new_id().int & (1 << 80) - 1)


def put(store: BlobStore, key: str) -> str:
    return store.put(key, [b"film"], max_bytes=4).key


@pytest.fixture
def tenant(database: Database) -> Tenant:
    """A tenant for ten days, and so is the database."""
    tenant = make_tenant(database)
    with database.write() as session:
        ten_days_ago = datetime.now(UTC) - timedelta(days=10)
        session.execute(update(Tenant).values(created_at=ten_days_ago))
    return tenant


def test_what_no_row_names_is_found_after_a_day(
    database: Database, store: BlobStore, tenant: Tenant
) -> None:
    video, job, lost_video, lost_job = begun(3), begun(3), begun(2), begun(2)
    with database.write() as session:
        row, _ = add_video(session, new_video(tenant.id, id=video))
        add_job(session, new_job(row, id=job))
    kept = [
        put(store, source_key(video)),
        put(store, f"jobs/{job}/{uuid4().hex}/preview.mp4"),
        put(store, source_key(begun(0.9))),  # its row may still come
        put(store, f"jobs/{begun(0)}/a/preview.mp4"),
        put(store, source_key(begun(11))),  # older than the database: another's
        put(store, f"videos/{uuid4()}/source"),  # not one of ours
        put(store, "videos/0197/source"),
        put(store, f"videos/{begun(2).hex}/source"),  # likewise: not as we write it
        put(store, "videos/ffffffff-ffff-7fff-8fff-ffffffffffff/source"),  # of no year there is
        put(store, f"another/{begun(2)}/source"),
    ]
    put(store, source_key(lost_video))
    for name in ("preview.mp4", "quality.png"):
        put(store, f"jobs/{lost_job}/{uuid4().hex}/{name}")
    found = list(find_orphans(database, store))
    assert found == [f"videos/{lost_video}", f"jobs/{lost_job}"]
    for place in found:
        store.delete_prefix(place)
    assert sorted(store.keys()) == sorted(kept)
    assert list(find_orphans(database, store)) == []


def test_bytes_that_came_again_are_no_orphans(
    database: Database, store: BlobStore, tenant: Tenant
) -> None:
    video, later = begun(3), begun(2)
    with database.write() as session:
        add_video(session, new_video(tenant.id, id=video, blob_key=source_key(later)))
    put(store, source_key(later))
    put(store, source_key(lost := begun(2)))
    assert list(find_orphans(database, store)) == [f"videos/{lost}"]


def test_a_database_without_tenants_has_lost_nothing(database: Database, store: BlobStore) -> None:
    key = put(store, source_key(begun(2)))
    assert list(find_orphans(database, store)) == []
    assert list(store.keys()) == [key]


def test_many_are_looked_up_in_batches(
    database: Database, store: BlobStore, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.orphans._AT_ONCE", 2)
    videos = [begun(2) for _ in range(5)]
    with database.write() as session:
        add_video(session, new_video(tenant.id, id=videos[3]))
    for video in videos:
        put(store, source_key(video))
    lost = {f"videos/{video}" for video in videos} - {f"videos/{videos[3]}"}
    assert set(find_orphans(database, store, grace_s=DAY_S)) == lost


def test_the_command_removes_only_where_it_is_told_to(
    database_url: str, tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tenant.name
    url = (tmp_path / "blobs").as_uri()
    store = open_store(url)
    lost = begun(2)
    key = put(store, source_key(lost))
    monkeypatch.setenv("AGGPOSE_DATABASE_URL", database_url)
    monkeypatch.setenv("AGGPOSE_BLOB_URL", url)
    monkeypatch.setenv("AGGPOSE_DATA_DIR", str(tmp_path))
    looked = CliRunner().invoke(orphans, [], catch_exceptions=False)
    assert looked.output == f"videos/{lost}: in no row\n1 found\n"
    assert list(store.keys()) == [key]
    removed = CliRunner().invoke(orphans, ["--remove"], catch_exceptions=False)
    assert removed.output == f"videos/{lost}: removed\n1 removed\n"
    assert list(store.keys()) == []
