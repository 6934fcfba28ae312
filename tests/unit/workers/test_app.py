"""What Celery is told; and that both sides mean the same tasks."""

import inspect
from pathlib import Path

import pytest

from service.queue import EXTRACT_QUEUE, EXTRACT_TASK, PREVIEW_QUEUE, PREVIEW_TASK
from service.settings import Settings
from workers.app import WorkerApp, worker_configuration
from workers.models import Device, ModelOptions
from workers.tasks import STAGE_OF
from workers.workplace import WorkerOptions

BROKERS = ["redis://localhost:6379/0", "amqp://localhost//", None]


def with_broker(tmp_path: Path, url: str | None) -> Settings:
    given = {} if url is None else {"broker_url": url}
    return Settings.read(data_dir=tmp_path, visibility_s=77, **given)


@pytest.mark.parametrize("url", BROKERS)
def test_messages_go_back_when_their_worker_dies(tmp_path: Path, url: str | None) -> None:
    told = worker_configuration(with_broker(tmp_path, url))
    assert told["task_acks_late"]
    assert told["task_reject_on_worker_lost"]
    assert told["worker_prefetch_multiplier"] == 1
    assert told["accept_content"] == ["json"]
    assert told["result_backend"] is None


def test_the_visibility_is_said_wherever_celery_looks(tmp_path: Path) -> None:
    told = worker_configuration(with_broker(tmp_path, BROKERS[0]))
    assert told["broker_transport_options"]["visibility_timeout"] == 77
    assert told["result_backend_transport_options"]["visibility_timeout"] == 77
    assert told["visibility_timeout"] == 77
    options = told["broker_transport_options"]
    looks_every_s = options["unacked_restore_interval"] * options["unacked_restore_throttle"]
    assert looks_every_s < 77 / 5


def test_the_tasks_are_those_that_are_sent(settings: Settings) -> None:
    device = Device(name="cpu", engine="cpu", device_id=0)
    queues = (EXTRACT_QUEUE, PREVIEW_QUEUE)
    options = WorkerOptions(queues=queues, models=ModelOptions(device=device))
    app = WorkerApp(settings, options).celery
    own = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
    assert own.keys() == {EXTRACT_TASK, PREVIEW_TASK} == STAGE_OF.keys()
    for task in own.values():
        assert list(inspect.signature(task.run).parameters) == ["job_id"]
    assert {one.name for one in app.conf.task_queues} == {EXTRACT_QUEUE, PREVIEW_QUEUE}
