"""Messages that wake workers up: which job to look at, sent by name, after the commit.

The job's row is the truth. A message that gets lost is sent again by the sweeper, and one that
comes twice finds nothing to claim.
"""

from pathlib import Path
from ssl import CERT_REQUIRED
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from celery import Celery
from kombu.entity import Exchange, Queue
from kombu.exceptions import KombuError

from service.database.tables import JobStage
from service.errors import QueueUnavailableError
from service.settings import Settings

EXTRACT_TASK: Final = "aggpose.extract_pose"
PREVIEW_TASK: Final = "aggpose.render_preview"
EXTRACT_QUEUE: Final = "extract"
PREVIEW_QUEUE: Final = "preview"

_ROUTES: Final[dict[JobStage, tuple[str, str]]] = {
    "extract": (EXTRACT_TASK, EXTRACT_QUEUE),
    "preview": (PREVIEW_TASK, PREVIEW_QUEUE),
}
_PATIENCE_S: Final = 5.0
"""Longest wait for the broker: a request waits behind it."""
_ONCE_MORE: Final = {"max_retries": 1, "interval_start": 0, "interval_max": 0}


class JobQueue:
    """Where wake-ups are sent to. Its methods may be called from any thread.

    Args:
        settings: Say which broker.

    Raises:
        QueueUnavailableError: The broker is a folder that cannot be made.
    """

    def __init__(self, settings: Settings) -> None:
        self._app = Celery("aggpose", set_as_current=False)
        self._app.conf.update(broker_configuration(settings))
        connection = self._app.connection_for_write()  # says which errors its driver knows
        drivers_errors = (*connection.connection_errors, *connection.channel_errors)
        self._errors: tuple[type[Exception], ...] = (KombuError, OSError, *drivers_errors)

    def send(self, job_id: UUID, stage: JobStage) -> None:
        """Wake a worker for this stage of the job; call it after the commit.

        Raises:
            QueueUnavailableError: The broker does not take it.
        """
        task, queue = _ROUTES[stage]
        try:
            # Tried twice, because a connection that was kept may be to a broker that is gone.
            self._app.send_task(
                task, args=[str(job_id)], queue=queue, retry=True, retry_policy=_ONCE_MORE
            )
        except self._errors as error:
            raise _unavailable(error) from error

    def check(self) -> None:
        """Come back when the broker answers.

        Raises:
            QueueUnavailableError: It does not.
        """
        try:
            with self._app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, timeout=_PATIENCE_S)
                _queue(EXTRACT_QUEUE)(connection.default_channel).declare()  # type: ignore[no-untyped-call] # likewise
        except self._errors as error:
            raise _unavailable(error) from error

    def close(self) -> None:
        """Give connections back."""
        self._app.close()


def broker_configuration(settings: Settings) -> dict[str, Any]:
    """What a Celery application is told of the broker, the same on both of its sides.

    Raises:
        QueueUnavailableError: The broker is a folder that cannot be made.
    """
    url = settings.broker_url.get_secret_value()
    broker: dict[str, Any]
    if url.startswith("filesystem:"):
        broker = {
            "broker_url": "filesystem://localhost//",  # without a host, kombu warns
            "broker_transport": "service.file_broker:Transport",
            "broker_transport_options": _folders(Path(urlsplit(url).path)),
        }
    else:
        broker = {"broker_url": url, "broker_transport_options": _server_options(url, settings)}
        if url.startswith("rediss:"):
            # Kombu would take any certificate; what the address itself says of TLS goes before.
            broker["broker_use_ssl"] = {"ssl_cert_reqs": CERT_REQUIRED}
    return broker | {
        "broker_connection_timeout": _PATIENCE_S,
        "task_queues": [_queue(name) for _, name in _ROUTES.values()],
        "task_default_queue": EXTRACT_QUEUE,
        "task_default_exchange": "",
        "task_create_missing_queues": False,
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "enable_utc": True,
    }


def _queue(name: str) -> Queue:
    """A queue that is reached by its name alone: no table of bindings could be torn or lost."""
    nameless = Exchange("", type="direct")  # type: ignore[no-untyped-call] # kombu's are not
    return Queue(name, nameless, routing_key=name)  # type: ignore[no-untyped-call] # likewise


def _server_options(url: str, settings: Settings) -> dict[str, Any]:
    """How a server is spoken to."""
    if not url.startswith("redis"):
        return {}
    return {
        "visibility_timeout": settings.visibility_s,
        "socket_connect_timeout": _PATIENCE_S,
        "socket_timeout": _PATIENCE_S,
    }


def _folders(root: Path) -> dict[str, Any]:
    """The folders of a broker of files; what is sent is read from where it was put."""
    messages, control = root / "messages", root / "control"
    try:
        for folder in (messages, control):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise QueueUnavailableError(f"the broker's folder: {error.strerror or error}") from error
    return {
        "data_folder_in": str(messages),
        "data_folder_out": str(messages),
        "control_folder": str(control),
    }


def _unavailable(error: Exception) -> QueueUnavailableError:
    """What went wrong, without the broker's address, which may hold a password."""
    return QueueUnavailableError(f"the broker does not answer: {type(error).__name__}")
