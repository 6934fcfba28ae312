"""The sweeper: what a dead worker or a lost message leaves waiting is found and set going again."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from service.blobs import open_store
from service.database.engine import Database, current_time
from service.database.sweeping import Message, Swept, sweep
from service.database.workers import forget_workers
from service.errors import BlobError, DatabaseUnavailableError, QueueUnavailableError
from service.leftovers import finish_deletions
from service.queue import JobQueue
from service.settings import Settings
from workers.scratch import sweep_scratch
from workers.terms import lease_terms

_LOG: Final = logging.getLogger("aggpose.sweeper")
_TIDY_EVERY_S: Final = 600.0
"""All keys of the store are listed for that, which takes a while in a large one."""
_FORGET_AFTER: Final = timedelta(hours=1)


class Sweeper:
    """Sweeps jobs in every round, and now and then what dead processes left in stores.

    Several of them do no harm.

    Args:
        settings: The service's.
        scratch: Where workers of this machine make files.
    """

    def __init__(self, settings: Settings, scratch: Path) -> None:
        self._every_s, self._terms = settings.sweeper_s, lease_terms(settings)
        self._database = Database(settings.database_url.get_secret_value(), pool_size=1)
        self._store = open_store(settings.blob_url, s3=settings.s3_access())
        self._queue, self._scratch = JobQueue(settings), scratch
        self._unsent: dict[Message, None] = {}
        self._tidied = -_TIDY_EVERY_S

    def run(self, stops: threading.Event) -> None:
        """Sweep until it is told to stop; what is away is tried again in the next round."""
        while not stops.is_set():
            try:
                self.round()
            except (DatabaseUnavailableError, QueueUnavailableError) as error:
                _LOG.warning("trying again in %g s: %s", self._every_s, error)
            if time.monotonic() - self._tidied > _TIDY_EVERY_S:
                self._tidy()
            stops.wait(self._every_s)

    def round(self) -> Swept:
        """Sweep once.

        Raises:
            DatabaseUnavailableError: The database is away.
            QueueUnavailableError: The broker is away: the messages are kept for the next round.
        """
        with self._database.write() as session:
            swept = sweep(session, now=current_time(session), terms=self._terms)
        for kind in ("requeued", "failed", "canceled"):
            for job_id in getattr(swept, kind):
                _LOG.info("%s", kind, extra={"facts": {"job_id": str(job_id)}})
        self._unsent.update(dict.fromkeys(swept.to_send))
        for message in list(self._unsent):
            self._queue.send(message.job_id, message.stage)
            del self._unsent[message]
        return swept

    def _tidy(self) -> None:
        """Forget workers that are gone, and finish and remove what dead processes left.

        Each by itself: what cannot be done keeps nothing else from being done.
        """
        self._tidied = time.monotonic()
        chores: dict[str, Callable[[], object]] = {
            "any workers forgotten": self._forget_workers,
            "deletions finished": lambda: finish_deletions(self._database, self._store),
            "unfinished blobs removed": self._store.sweep,
            "folders removed": lambda: sweep_scratch(self._scratch),
        }
        for what, do in chores.items():
            try:
                _LOG.info("%s: %s", what, do())
            except (DatabaseUnavailableError, BlobError, OSError) as error:
                _LOG.warning("%s: not all, trying again later: %s", what, error)

    def _forget_workers(self) -> bool:
        with self._database.write() as session:
            return forget_workers(session, seen_before=current_time(session) - _FORGET_AFTER)
