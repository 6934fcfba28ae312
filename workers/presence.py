"""A worker process' row in the workers table: seen again and again, for as long as it lives."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from service.database.engine import Database, current_time
from service.database.tables import Worker
from service.database.workers import remove_workers, worker_seen
from service.errors import DatabaseUnavailableError

_LOG: Final = logging.getLogger("aggpose.worker")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who a worker process is.

    Attributes:
        name: Of this process, among all of all machines.
        queues: What it takes its messages from.
        device: As in `cuda:0`.
        engine: As in `openvino`.
    """

    name: str
    queues: Sequence[str]
    device: str
    engine: str

    def id_on(self, queue: str) -> str:
        """Its name in the workers table and in the jobs that it holds."""
        return f"{queue}@{self.name}"


class Presence:
    """Tells the database that a process is there, from a thread, until the process stops.

    One that is killed counts as seen for a while; one that stops takes its rows along.
    """

    def __init__(self, database: Database, identity: Identity, *, every_s: float) -> None:
        self._database, self._identity, self._every_s = database, identity, every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="presence", daemon=True)

    def begin(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def end(self) -> None:
        """The process stops: remove its rows; where the database is away, they grow old instead."""
        self._ended.set()
        self._thread.join()  # what it is just writing must not come after
        ids = [self._identity.id_on(queue) for queue in self._identity.queues]
        try:
            with self._database.write() as session:
                remove_workers(session, ids)
        except DatabaseUnavailableError as error:
            _LOG.warning("this worker will be seen for a while: %s", error)

    def _tell(self) -> None:
        started_at = None
        while not self._ended.is_set():
            try:
                with self._database.write() as session:
                    now = current_time(session)
                    started_at = started_at or now
                    for queue in self._identity.queues:
                        row = Worker(
                            id=self._identity.id_on(queue), queue=queue,
                            device=self._identity.device, engine=self._identity.engine,
                            started_at=started_at, seen_at=now,
                        )  # fmt: skip
                        worker_seen(session, row)
            except DatabaseUnavailableError as error:
                _LOG.warning("this worker cannot be seen: %s", error)
            self._ended.wait(self._every_s)
