"""What one worker process works with: opened in the process itself, after the fork, and kept."""

import logging
import os
import socket
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from service.blobs import open_store
from service.database.engine import Database
from service.database.tables import JobStage
from service.queue import EXTRACT_QUEUE, PREVIEW_QUEUE, JobQueue
from service.settings import Settings
from workers.attempt import Attempts, Work
from workers.extracting_job import extract
from workers.models import ModelOptions, Models
from workers.presence import Identity, Presence
from workers.previewing_job import preview
from workers.scratch import scratch_dir, sweep_scratch
from workers.stopping import StopFlag
from workers.terms import lease_terms
from workers.visibility import MessageKeeper

_LOG: Final = logging.getLogger("aggpose.worker")
_QUEUE_OF: Final[dict[JobStage, str]] = {"extract": EXTRACT_QUEUE, "preview": PREVIEW_QUEUE}


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """What a worker is told beside the settings.

    Attributes:
        queues: What it takes its messages from.
        models: How it runs models.
    """

    queues: tuple[str, ...]
    models: ModelOptions


class Workplace:
    """Everything a worker process needs to do a job.

    Args:
        settings: The service's.
        options: The worker's.
        worker_stops: Raised when the worker is told to stop.
    """

    def __init__(self, settings: Settings, options: WorkerOptions, worker_stops: StopFlag) -> None:
        patience_s = min(10.0, settings.lease_s / 3)
        database = Database(
            settings.database_url.get_secret_value(), pool_size=2, patience_s=patience_s
        )
        device = options.models.device
        self._who = Identity(
            name=f"{socket.gethostname()}:{os.getpid()}", queues=options.queues, device=device.name,
            engine=device.engine,
        )  # fmt: skip
        self._store = open_store(settings.blob_url, s3=settings.s3_access())
        self._models = Models(options.models)
        self._scratch = scratch_dir(settings)
        self._messages = MessageKeeper(settings)
        self._attempts = Attempts(
            database, JobQueue(settings), lease_terms(settings),
            heartbeat_s=settings.heartbeat_s, worker_stops=worker_stops,
        )  # fmt: skip
        self._presence = Presence(database, self._who, every_s=settings.heartbeat_s)
        self._presence.begin()
        self._tidy()

    def close(self) -> None:
        """The process stops: it is not to be seen any more."""
        self._presence.end()

    def do(self, stage: JobStage, job_id: UUID, *, delivery_tag: str | None) -> None:
        """Do a stage of a job that a message named.

        Raises:
            DatabaseUnavailableError: The job cannot be claimed.
        """
        self._tidy()
        work: dict[JobStage, Work] = {
            "extract": partial(extract, store=self._store, models=self._models),
            "preview": partial(preview, store=self._store, scratch=self._scratch),
        }
        self._attempts.attempt(
            job_id, stage, work[stage], worker_id=self._who.id_on(_QUEUE_OF[stage]),
            keep_message=self._messages.keeper_of(delivery_tag),
        )  # fmt: skip

    def _tidy(self) -> None:
        """Remove what killed processes of this machine left: whole videos among it, unmasked."""
        try:
            swept = sweep_scratch(self._scratch)
        except OSError as error:
            _LOG.warning("not everything could be tidied up: %s", error)
        else:
            if swept:
                _LOG.info("removed %d files and folders of killed processes", swept)
