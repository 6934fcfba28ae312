"""Messages as they lie in a broker of files."""

import json
from base64 import b64decode
from pathlib import Path
from ssl import CERT_NONE, CERT_REQUIRED
from uuid import uuid4

import pytest
from celery import Celery

from service.errors import QueueUnavailableError
from service.queue import EXTRACT_TASK, PREVIEW_TASK, JobQueue, broker_configuration
from service.settings import Settings


def test_a_message_names_the_task_and_the_job_alone(tmp_path: Path) -> None:
    queue = JobQueue(Settings.read(data_dir=tmp_path))
    first, second = uuid4(), uuid4()
    queue.check()
    queue.send(first, "extract")
    queue.send(second, "preview")
    queue.close()
    found = {}
    for path in (tmp_path / "broker" / "messages").iterdir():
        message = json.loads(path.read_text())
        arguments, keywords, _ = json.loads(b64decode(message["body"]))
        found[path.name.split(".")[1]] = (message["headers"]["task"], arguments, keywords)
    assert found == {
        "extract": (EXTRACT_TASK, [str(first)], {}),
        "preview": (PREVIEW_TASK, [str(second)], {}),
    }


def test_a_message_is_written_aside_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By our broker of files, not by kombu's: see `service.file_broker`."""
    replace, renamed = Path.replace, list[str]()

    def note(self: Path, target: Path) -> Path:
        renamed.append(target.name.split(".")[1])
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", note)
    queue = JobQueue(Settings.read(data_dir=tmp_path))
    queue.send(uuid4(), "extract")
    queue.close()
    assert renamed == ["extract"]


def test_a_job_that_is_done_has_no_queue(tmp_path: Path) -> None:
    queue = JobQueue(Settings.read(data_dir=tmp_path))
    with pytest.raises(KeyError):
        queue.send(uuid4(), "done")


def test_a_broker_that_is_not_there_is_told_without_its_address(tmp_path: Path) -> None:
    settings = Settings.read(data_dir=tmp_path, broker_url="redis://:secret@127.0.0.1:1/0")
    queue = JobQueue(settings)
    for attempt in (queue.check, lambda: queue.send(uuid4(), "extract")):
        with pytest.raises(QueueUnavailableError) as found:
            attempt()
        assert "secret" not in str(found.value)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("a file")
    with pytest.raises(QueueUnavailableError):
        broker_configuration(Settings.read(data_dir=tmp_path))


def test_redis_is_told_how_long_a_message_may_be_held(tmp_path: Path) -> None:
    settings = Settings.read(data_dir=tmp_path, broker_url="redis://h:1/0", visibility_s=70)
    assert broker_configuration(settings)["broker_transport_options"]["visibility_timeout"] == 70


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://h:1/0", False),
        ("rediss://h:1/0", {"ssl_cert_reqs": CERT_REQUIRED}),
        ("rediss://h:1/0?ssl_ca_certs=/etc/ca.pem", {"ssl_ca_certs": "/etc/ca.pem"}),
        ("rediss://h:1/0?ssl_cert_reqs=none", {"ssl_cert_reqs": CERT_NONE}),
    ],
)
def test_whose_certificate_redis_shows_is_looked_at(url: str, told: object, tmp_path: Path) -> None:
    app = Celery(set_as_current=False)
    app.conf.update(broker_configuration(Settings.read(data_dir=tmp_path, broker_url=url)))
    assert app.connection_for_write().ssl == told
    app.close()
