"""Every list that the API offers is read from an index, in its order, without sorting.

SQLite decides by the tables alone, PostgreSQL by what is in them: there they have rows.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.orm import Session

import migrations
from service.database.audit import list_events
from service.database.engine import Database
from service.database.frames import read_block
from service.database.jobs import JobFilter, list_jobs
from service.database.pages import Cursor
from service.database.sweeping import sweep
from service.database.tenants import list_keys
from service.database.videos import VideoFilter, list_videos
from tests.service_rows import NOW, TERMS

on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

ID = UUID(int=1)
CURSOR = Cursor(NOW, ID)


@contextmanager
def statements(session: Session) -> Iterator[list[tuple[str, object]]]:
    """What the session executes meanwhile."""
    seen: list[tuple[str, object]] = []

    def note(*call: object) -> None:
        seen.append((str(call[2]), call[3]))

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", note)
    yield seen
    event.remove(connection, "before_cursor_execute", note)


def plan(connection: Connection, statement: str, values: object) -> str:
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    rows = connection.exec_driver_sql(f"{explain} {statement}", values)  # type: ignore[arg-type]
    return "\n".join(str(row[-1]) for row in rows)


LISTS: dict[str, tuple[Callable[[Session], object], str]] = {
    "jobs": (
        lambda s: list_jobs(s, ID, JobFilter(), cursor=CURSOR),
        "ix_jobs_tenant_id_created_at_id (tenant_id=? AND (created_at,id)<(?,?))",
    ),
    "jobs after": (
        lambda s: list_jobs(s, ID, JobFilter(created_after=NOW)),
        "ix_jobs_tenant_id_created_at_id (tenant_id=? AND created_at>?)",
    ),
    "jobs by state": (
        lambda s: list_jobs(s, ID, JobFilter(state="failed"), cursor=CURSOR),
        "ix_jobs_tenant_id_state_created_at_id (tenant_id=? AND state=? AND (created_at,id)<(?,?))",
    ),
    "jobs of a video": (
        lambda s: list_jobs(s, ID, JobFilter(video_id=ID), cursor=CURSOR),
        "ix_jobs_video_id_created_at_id (video_id=? AND (created_at,id)<(?,?))",
    ),
    "videos": (
        lambda s: list_videos(s, ID, VideoFilter(), cursor=CURSOR),
        "ix_videos_tenant_id_created_at_id (tenant_id=? AND (created_at,id)<(?,?))",
    ),
    "videos of a subject": (
        lambda s: list_videos(s, ID, VideoFilter(subject_reference="A"), cursor=CURSOR),
        "ix_videos_tenant_id_subject_reference_created_at_id (tenant_id=? AND subject_reference=?",
    ),
    "audit": (
        lambda s: list_events(s, ID, cursor=CURSOR),
        "ix_audit_events_tenant_id_created_at_id (tenant_id=? AND (created_at,id)<(?,?))",
    ),
    "keys": (
        lambda s: list_keys(s, ID),
        "ix_api_keys_tenant_id_created_at_id (tenant_id=?)",
    ),
    "frames": (
        lambda s: read_block(s, ID, start=5, stop=9, limit=10),
        "PRIMARY KEY (job_id=? AND frame_index>? AND frame_index<?)",
    ),
}


@on_sqlite
@pytest.mark.parametrize(("read", "index"), LISTS.values(), ids=LISTS.keys())
def test_lists_are_read_from_an_index(
    database: Database, read: Callable[[Session], object], index: str
) -> None:
    with database.read() as session:
        with statements(session) as seen:
            read(session)
        got = plan(session.connection(), *seen[0])
    assert index in got
    assert "TEMP B-TREE" not in got


@on_sqlite
def test_jobs_of_a_subject_are_found_by_their_videos(database: Database) -> None:
    with database.read() as session:
        with statements(session) as seen:
            list_jobs(session, ID, JobFilter(subject_reference="A"), cursor=CURSOR)
        got = plan(session.connection(), *seen[0])
    assert "SCAN" not in got


@on_sqlite
def test_the_sweeper_reads_only_what_waits_or_runs(database: Database) -> None:
    with database.write() as session:
        with statements(session) as seen:
            sweep(session, now=NOW, terms=TERMS)
        plans = [plan(session.connection(), *each) for each in seen]
    assert len(plans) == 4
    found = [re.search(r"(?:SCAN|SEARCH) jobs USING INDEX ix_jobs_(\w+)", got) for got in plans]
    assert [each and each[1] for each in found] == ["leased", "waiting", "waiting", "waiting"]
    assert not any(re.search("SCAN jobs$", got, re.MULTILINE) for got in plans)


# The wards have the same number of everything; the first of each has the same identifier, 1.
ROWS = """
INSERT INTO tenants (id, name, created_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'ward ' || n, now() FROM generate_series(1, 20) n;

INSERT INTO api_keys (id, tenant_id, name, prefix, secret_hash, scopes, created_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(1 + mod(n - 1, 20)), 32, '0')::uuid, 'key',
    'prefix ' || n, '', '[]', now() + n * interval '1 s' FROM generate_series(1, 2000) n;

INSERT INTO videos (id, tenant_id, sha256, size_bytes, media_type, subject_reference,
    user_metadata, blob_key, created_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(1 + mod(n - 1, 20)), 32, '0')::uuid,
    lpad(to_hex(n), 64, '0'), 1, 'video/mp4', chr(65 + mod(n / 20, 20)), '{}', 'videos/' || n,
    timestamptz '2026-03-01' + n * interval '10 s' FROM generate_series(1, 10000) n;

INSERT INTO jobs (id, tenant_id, video_id, state, stage, lease_token, lease_until, finished_at,
    error_code, sent_at, revision, frames_done, frames_handled, attempt, cancel_requested, model,
    parameters, timings, created_at, queued_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(1 + mod(n - 1, 20)), 32, '0')::uuid,
    lpad(to_hex(1 + mod(n - 1, 10000)), 32, '0')::uuid, state,
    CASE state WHEN 'succeeded' THEN 'done' ELSE 'extract' END,
    CASE state WHEN 'running' THEN gen_random_uuid() END,
    CASE state WHEN 'running' THEN timestamptz '2026-03-01' END,
    CASE WHEN state IN ('succeeded', 'failed') THEN now() END,
    CASE state WHEN 'failed' THEN 'video.damaged' END, now(), 0, 0, 0, 0, false, 'm', '{}', '{}',
    timestamptz '2026-03-01' + n * interval '5 s', now()
FROM generate_series(1, 20000) n, LATERAL (
    SELECT CASE WHEN mod(n, 500) = 0 THEN 'queued' WHEN mod(n, 500) = 1 THEN 'running'
        WHEN mod(n, 9) = 0 THEN 'failed' ELSE 'succeeded' END) found(state);

INSERT INTO audit_events (id, tenant_id, action, created_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(1 + mod(n - 1, 20)), 32, '0')::uuid,
    'video.list', timestamptz '2026-03-01' + n * interval '5 s' FROM generate_series(1, 20000) n;

INSERT INTO frames (job_id, frame_index, pts, status, box, keypoints)
SELECT lpad(to_hex(job), 32, '0')::uuid, n, n, 0, decode(repeat('00', 20), 'hex'),
    decode(repeat('00', 12), 'hex')
FROM generate_series(1, 20) job, generate_series(0, 999) n;
"""


@pytest.fixture(scope="module")
def filled(postgresql: Callable[[str], str]) -> Iterator[Database]:
    """A PostgreSQL database that knows how much is in it."""
    url = postgresql("plans")
    migrations.upgrade(url)
    database = Database(url, pool_size=1)
    with database.write() as session:
        for statement in (*ROWS.split(";")[:-1], "ANALYZE"):
            session.connection().exec_driver_sql(statement)
    yield database
    database.close()


@pytest.mark.parametrize(("read", "index"), LISTS.values(), ids=LISTS.keys())
def test_postgresql_reads_lists_from_the_same_indexes(
    filled: Database, read: Callable[[Session], object], index: str
) -> None:
    name = index.partition(" (")[0].replace("PRIMARY KEY", "pk_frames")
    with filled.read() as session:
        with statements(session) as seen:
            read(session)
        chosen = plan(session.connection(), *seen[0])
        # Of few rows it reads all and sorts them; of many it reads the first in the index's order.
        for way in ("bitmapscan", "seqscan"):
            session.execute(text(f"SET LOCAL enable_{way} = off"))
        ordered = plan(session.connection(), *seen[0])
    assert re.search(rf" (using|on) {name}\b", chosen), chosen
    assert "Seq Scan" not in chosen
    assert re.search(rf"Index Scan (?:Backward )?using {name}\b", ordered), ordered
    assert "Sort" not in ordered


def test_postgresql_finds_jobs_of_a_subject_without_reading_a_whole_table(
    filled: Database,
) -> None:
    with filled.read() as session:
        with statements(session) as seen:
            list_jobs(session, ID, JobFilter(subject_reference="A"), cursor=CURSOR)
        got = plan(session.connection(), *seen[0])
    assert "Seq Scan" not in got


def test_postgresqls_sweeper_reads_only_what_waits_or_runs(filled: Database) -> None:
    with filled.write() as session:
        with statements(session) as seen:
            sweep(session, now=NOW, terms=TERMS)
        plans = [plan(session.connection(), *each) for each in seen if "UPDATE jobs" in each[0]]
        session.rollback()
    assert len(plans) == 4
    assert [set(re.findall(r"ix_jobs_(leased|waiting)", got)) for got in plans] == [
        {"leased"}, {"waiting"}, {"waiting"}, {"waiting"},
    ]  # fmt: skip
    assert not any("Seq Scan" in got for got in plans)
