"""On a real Redis: a message that is kept is not given to others, one that is not kept is.

This holds us to kombu's inner workings, which may change with its version.
"""

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from kombu.connection import Connection
from kombu.transport.redis import Channel

from service.queue import EXTRACT_QUEUE, JobQueue
from service.settings import Settings
from tests.servers import Redis
from tests.worker_room import WORKER, Room
from workers.app import worker_configuration
from workers.visibility import MessageKeeper

VISIBILITY_S = 1.0
SLOW = """
import time
from workers.leases import HeldJob

HeldJob.note_cancel = lambda *_: time.sleep(0.3)
"""
"""A worker that takes its time after each window."""


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        redis = Redis(Path(folder) / "redis")
        redis.start()
        yield redis
        redis.kill()


@pytest.fixture
def settings(server: Redis, tmp_path: Path) -> Settings:
    return Settings.read(
        data_dir=tmp_path, broker_url=server.url, visibility_s=VISIBILITY_S, lease_s=0.9,
        heartbeat_s=0.2,
    )  # fmt: skip


@pytest.fixture
def channel(settings: Settings) -> Iterator[Any]:
    """A worker's channel to the broker."""
    told = worker_configuration(settings)
    options = told["broker_transport_options"] | {"socket_timeout": 0.5}
    opened = Connection(  # type: ignore[no-untyped-call] # kombu's are not
        told["broker_url"], transport=told["broker_transport"], transport_options=options
    )
    with opened as connection:
        channel = connection.channel()
        channel.queue_purge(EXTRACT_QUEUE)
        yield channel
        for tag in list(channel.qos._delivered):  # noqa: SLF001 - nothing comes back afterwards
            channel.basic_ack(tag)


def taken(settings: Settings, channel: Any) -> Any:  # noqa: ANN401 - kombu's
    """A message that was sent and is being worked on."""
    queue = JobQueue(settings)
    queue.send(uuid4(), "extract")
    queue.close()
    message = channel.basic_get(EXTRACT_QUEUE)
    assert message is not None
    return message


def comes_again(channel: Any) -> bool:  # noqa: ANN401 - kombu's
    """Whether the broker gives a message again, when a worker looks for lost ones."""
    channel.qos.restore_visible(num=None, interval=1)
    return bool(channel.client.llen(EXTRACT_QUEUE))


def test_a_message_of_a_dead_worker_comes_again(settings: Settings, channel: Any) -> None:  # noqa: ANN401 - kombu's
    taken(settings, channel)
    assert not comes_again(channel)
    time.sleep(VISIBILITY_S + 0.1)
    assert comes_again(channel)


def test_a_message_that_is_kept_does_not(settings: Settings, channel: Any) -> None:  # noqa: ANN401 - kombu's
    message = taken(settings, channel)
    keep = MessageKeeper(settings).keeper_of(message.delivery_tag)
    for _ in range(4):
        time.sleep(VISIBILITY_S / 2)
        keep()
    assert not comes_again(channel)
    time.sleep(VISIBILITY_S + 0.1)
    assert comes_again(channel)


def test_a_message_that_is_done_does_not_come_to_life(settings: Settings, channel: Any) -> None:  # noqa: ANN401 - kombu's
    message = taken(settings, channel)
    message.ack()
    MessageKeeper(settings).keeper_of(message.delivery_tag)()
    assert channel.client.zcard(channel.unacked_index_key) == 0


@pytest.mark.parametrize("end", ["ack", "requeue"])
def test_a_worker_goes_on_where_the_end_of_a_message_does_not_reach_the_broker(
    server: Redis,
    settings: Settings,
    channel: Any,  # noqa: ANN401 - kombu's
    end: str,
) -> None:
    channel.basic_qos(0, 1, False)  # noqa: FBT003 - kombu's
    message = taken(settings, channel)
    assert not channel.qos.can_consume()
    server.tell(signal.SIGSTOP)
    with pytest.raises(redis.TimeoutError):
        getattr(message, end)()
    server.tell(signal.SIGCONT)
    assert channel.qos.can_consume()


def test_a_broker_that_is_away_does_no_harm(tmp_path: Path) -> None:
    settings = Settings.read(data_dir=tmp_path, broker_url="redis://127.0.0.1:1/0")
    MessageKeeper(settings).keeper_of("tag")()


def test_a_worker_keeps_the_message_of_its_job(
    server: Redis, migrated_sqlite: Path, models_dir: Path, film: Path, tmp_path: Path
) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "aggpose.sqlite")
    settings = Settings.read(
        data_dir=tmp_path, models_dir=models_dir, broker_url=server.url, heartbeat_s=0.5
    )
    room, client = Room(settings, "hand-made-pose"), redis.Redis.from_url(server.url)

    def scores() -> dict[Any, Any]:
        found: Any = client.zrange(Channel.unacked_index_key, 0, -1, withscores=True)
        return dict(found)

    with room.worker(SLOW + WORKER):
        job_id = room.add(film)
        room.wait(job_id, lambda job: job.frames_done > 0)
        delivered = scores()
        room.wait(job_id, lambda _: scores() != delivered)
        later = scores()
    room.close()
    assert later.keys() == delivered.keys()
    assert all(later[tag] > delivered[tag] for tag in delivered)


def test_other_brokers_need_no_care(tmp_path: Path) -> None:
    MessageKeeper(Settings.read(data_dir=tmp_path)).keeper_of("tag")()
