"""The workers' Celery application: how messages are taken, kept, and given back."""

import os
import signal
import socket
import threading
from typing import Any, Final

from celery import Celery, signals

from service.queue import broker_configuration
from service.settings import Settings
from workers.stopping import StopFlag
from workers.tasks import add_tasks
from workers.workplace import WorkerOptions, Workplace

_REDIS_TRANSPORT: Final = "workers.redis_broker:Transport"

GRACE_S: Final = 30.0
"""So long a worker that is told to stop waits for its processes to give their jobs back."""


def worker_configuration(settings: Settings) -> dict[str, Any]:
    """What Celery is told beside where the broker is.

    A message is acknowledged when its task has ended, and goes back when the process died. One at
    a time is taken. Nothing but the job's row keeps what became of it.
    """
    broker = broker_configuration(settings)
    options: dict[str, Any] = broker["broker_transport_options"]
    if settings.broker_url.get_secret_value().startswith("redis"):
        broker["broker_transport"] = _REDIS_TRANSPORT
    return broker | {
        "broker_transport_options": options | _transport_options(settings),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "result_backend": None,
        "result_backend_transport_options": {"visibility_timeout": settings.visibility_s},
        "visibility_timeout": settings.visibility_s,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_lost_wait": 2.0,
        "worker_proc_alive_timeout": 60.0,
        "worker_hijack_root_logger": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # the lease decides
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
    }


def _transport_options(settings: Settings) -> dict[str, Any]:
    """How a broker is looked at; each kind takes what it knows."""
    url = settings.broker_url.get_secret_value()
    if url.startswith("filesystem:"):
        return {"polling_interval": 0.25}
    if url.startswith("redis"):
        # Kombu looks for messages of dead workers every interval times throttle seconds.
        interval_s = max(1, round(settings.visibility_s / 10))
        return {
            "unacked_restore_interval": interval_s,
            "unacked_restore_throttle": 1,
            "unacked_mutex_expire": max(1, round(settings.visibility_s)),
        }
    return {}


class WorkerApp:
    """The application of one worker: its main process, and the processes that it forks.

    Args:
        settings: The service's.
        options: The worker's.
        processes: How many jobs are done at a time.
    """

    def __init__(self, settings: Settings, options: WorkerOptions, *, processes: int = 1) -> None:
        self.celery = Celery("aggpose", set_as_current=False)
        self.celery.conf.update(worker_configuration(settings))
        self._settings, self._options, self._processes = settings, options, processes
        self._stops = StopFlag()
        self._workplace: Workplace | None = None
        add_tasks(self.celery, self._opened)

    def run(self) -> int:
        """Take messages until a signal says that it is enough; the exit status."""
        queues = list(self._options.queues)
        signals.setup_logging.connect(_leave_logging, weak=False)
        signals.worker_process_init.connect(self._open, weak=False)
        signals.worker_process_shutdown.connect(self._close, weak=False)
        signals.worker_shutting_down.connect(self._stop, weak=False)
        worker = self.celery.Worker(
            hostname=f"{'-'.join(queues)}-{os.getpid()}@{socket.gethostname()}", queues=queues,
            concurrency=self._processes, pool="prefork", optimization="fair", quiet=True,
            loglevel=self._settings.log_level, without_gossip=True, without_mingle=True,
            without_heartbeat=True,
        )  # fmt: skip
        worker.start()
        return int(worker.exitcode or 0)

    def _open(self, **_: object) -> None:
        """Open what this process needs: in itself, because connections do not survive a fork."""
        # What is sent to all processes of a service is for the main one, which tells its children.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._workplace = Workplace(self._settings, self._options, self._stops)

    def _close(self, **_: object) -> None:
        """This process ends in order: what it worked on is done or given back."""
        if self._workplace is not None:
            self._workplace.close()

    def _opened(self) -> Workplace:
        if self._workplace is None:
            self._open()
        assert self._workplace is not None  # noqa: S101 - just opened
        return self._workplace

    def _stop(self, **_: object) -> None:
        """Have the processes give their jobs back; end them where they do not."""
        self._stops.set()
        # Children die with their parent; their messages come again, and their leases end.
        last_word = threading.Timer(GRACE_S, os._exit, (1,))
        last_word.daemon = True
        last_word.start()


def _leave_logging(**_: object) -> None:
    """Keep Celery from setting up logs of its own: its lines are like all others, and as many."""
