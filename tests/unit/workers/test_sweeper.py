"""The sweeper sends what waits for a message, and keeps what it cannot send."""

import threading
import time
from pathlib import Path

import pytest

from service.blobs import open_store
from service.database.deletions import list_deletions
from service.database.engine import Database
from service.errors import QueueUnavailableError
from service.settings import Settings
from service.videos import delete_video
from tests.service_rows import NOW, find, make_job, make_video
from tests.unit.workers.conftest import RememberingQueue
from workers.sweeper import Sweeper

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def sweeper(
    settings: Settings, queue: RememberingQueue, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Sweeper:  # fmt: skip
    monkeypatch.setattr("workers.sweeper.JobQueue", lambda _: queue)
    return Sweeper(settings, tmp_path / "scratch")


def test_a_waiting_job_without_a_message_gets_one(
    sweeper: Sweeper, database: Database, queue: RememberingQueue
) -> None:
    job = make_job(database, sent_at=None)
    sweeper.round()
    assert queue.sent == [(job.id, "extract")]
    assert find(database, job.id).sent_at is not None
    sweeper.round()
    assert len(queue.sent) == 1


def test_what_the_broker_does_not_take_is_sent_in_the_next_round(
    sweeper: Sweeper, database: Database, queue: RememberingQueue
) -> None:
    job = make_job(database, sent_at=None)
    queue.away = True
    with pytest.raises(QueueUnavailableError):
        sweeper.round()
    queue.away = False
    sweeper.round()
    assert queue.sent == [(job.id, "extract")]


def out_of_order(_: object) -> int:
    """What cannot be swept."""
    raise OSError("out of order")


def test_deletions_that_broke_off_are_finished_whatever_else_cannot_be_done(
    sweeper: Sweeper, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.sweeper.sweep_scratch", out_of_order)
    monkeypatch.setattr("service.blobs.local.LocalStore.sweep", out_of_order)
    store = open_store(settings.blob_url)
    video = make_video(database)
    store.put(video.blob_key, [b"film"], max_bytes=10)
    with database.write() as session:
        delete_video(session, video.tenant_id, video.id, now=NOW)
    stops = threading.Event()
    thread = threading.Thread(target=sweeper.run, args=(stops,))
    thread.start()
    deadline = time.monotonic() + 30
    while list(store.keys()) and time.monotonic() < deadline:
        time.sleep(0.02)
    stops.set()
    thread.join(10)
    assert list(store.keys()) == []
    with database.read() as session:
        assert list_deletions(session) == []


def test_it_goes_on_while_the_broker_is_away_and_stops_when_told(
    sweeper: Sweeper, database: Database, queue: RememberingQueue
) -> None:
    make_job(database, sent_at=None)
    queue.away = True
    stops = threading.Event()
    thread = threading.Thread(target=sweeper.run, args=(stops,))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    stops.set()
    thread.join(10)
    assert not thread.is_alive()
