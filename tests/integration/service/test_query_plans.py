"""Every list that the API offers is read from an index, in its order, without sorting."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.orm import Session

from service.database.audit import list_events
from service.database.engine import Database
from service.database.frames import read_block
from service.database.jobs import JobFilter, list_jobs
from service.database.pages import Cursor
from service.database.sweeping import sweep
from service.database.tenants import list_keys
from service.database.videos import VideoFilter, list_videos
from tests.service_rows import NOW, TERMS

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

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
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)  # type: ignore[arg-type]
    return "\n".join(str(row[3]) for row in rows)


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


def test_jobs_of_a_subject_are_found_by_their_videos(database: Database) -> None:
    with database.read() as session:
        with statements(session) as seen:
            list_jobs(session, ID, JobFilter(subject_reference="A"), cursor=CURSOR)
        got = plan(session.connection(), *seen[0])
    assert "SCAN" not in got


def test_the_sweeper_reads_only_what_waits_or_runs(database: Database) -> None:
    with database.write() as session:
        with statements(session) as seen:
            sweep(session, now=NOW, terms=TERMS)
        plans = [plan(session.connection(), *each) for each in seen]
    assert len(plans) == 4
    found = [re.search(r"(?:SCAN|SEARCH) jobs USING INDEX ix_jobs_(\w+)", got) for got in plans]
    assert [each and each[1] for each in found] == ["leased", "waiting", "waiting", "waiting"]
    assert not any(re.search("SCAN jobs$", got, re.MULTILINE) for got in plans)
