"""A worker process is seen while it lives, and not any more once it has stopped."""

import time
from datetime import timedelta

import pytest

from service.database.engine import Database, current_time
from service.database.workers import list_workers
from service.errors import DatabaseUnavailableError
from workers.presence import Identity, Presence

IDENTITY = Identity(name="m:7", queues=("extract", "preview"), device="cpu", engine="cpu")


def seen(database: Database) -> list[str]:
    with database.read() as session:
        since = current_time(session) - timedelta(minutes=1)
        return [worker.id for worker in list_workers(session, seen_after=since)]


def test_a_process_is_seen_at_each_of_its_queues_until_it_stops(database: Database) -> None:
    other = Presence(
        database, Identity(name="m:8", queues=("extract",), device="cpu", engine="cpu"), every_s=60
    )
    presence = Presence(database, IDENTITY, every_s=0.01)
    other.begin()
    presence.begin()
    deadline = time.monotonic() + 30
    while len(seen(database)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    presence.end()
    assert seen(database) == ["extract@m:8"]
    other.end()
    assert seen(database) == []


def test_a_database_that_is_away_does_not_keep_a_process_from_ending(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise DatabaseUnavailableError("away")

    monkeypatch.setattr(database, "write", away)
    presence = Presence(database, IDENTITY, every_s=0.01)
    presence.begin()
    presence.end()
