"""`aggpose up`: the whole system on one machine and in one folder, from first key to end."""

import fcntl
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx

import migrations
from model.spec.exit_codes import INTERRUPTED
from service.audit import note_key
from service.database import tenants
from service.database.engine import Database, current_time
from service.database.workers import list_workers
from service.errors import FolderInUseError, PartFailedError
from service.keys import SCOPES, NewKey, create_key, revoke_key
from service.processes import AGGPOSE, Part, Processes
from service.queue import EXTRACT_QUEUE, PREVIEW_QUEUE
from service.serving import address_of, api_part, listen
from service.settings import Settings

TENANT: Final = "local"
"""Whose videos are those of a machine of one's own."""
READY_WITHIN_S: Final = 180.0

_KEY_OF_A_RUN: Final = "of one run of aggpose up"


@dataclass(frozen=True, kw_only=True)
class System:
    """What is started.

    Attributes:
        settings: Of all parts; the environment's, and the folder.
        worker_options: Words for the worker that finds keypoints, as in `--engine cpu`.
        tell: Says what happens, to people.
    """

    settings: Settings
    worker_options: Sequence[str]
    tell: Callable[[str], None]

    def run(self, command: Sequence[str] = ()) -> int:
        """Run until Ctrl-C or SIGTERM, or until a command that uses the system has ended.

        Args:
            command: Finds the address and a key of its own in AGGPOSE_SERVER_URL and
                AGGPOSE_API_KEY.

        Returns:
            The exit status: the command's, or 0.

        Raises:
            ServiceError: The system cannot run here, or not go on.
        """
        url = self.settings.database_url.get_secret_value()
        listen_at = (self.settings.host, self.settings.port)
        with _folder_of_ours(self.settings), listen(*listen_at) as listening:
            migrations.upgrade(url)
            database = Database(url, pool_size=1)
            try:
                with Processes(self._parts(listening), self.tell) as processes:
                    address = address_of(listening)
                    if not _until_ready(processes, address, database):
                        return INTERRUPTED if command else 0
                    if command:
                        return _with_command(processes, command, address, database)
                    self._greet(address, _first_key(database))
                    while not processes.stopping:
                        processes.look()
            finally:
                database.close()
        return 0

    def _parts(self, listening: socket.socket) -> list[Part]:
        environment = os.environ | {"AGGPOSE_DATA_DIR": str(self.settings.data_dir)}

        def part(name: str, *words: str) -> Part:
            return Part(name=name, words=(*AGGPOSE, *words), environment=environment)

        extracting = ("worker", "--queue", EXTRACT_QUEUE, *self.worker_options)
        return [
            api_part("the API", listening, environment),
            part("the worker for keypoints", *extracting),
            part("the worker for previews", "worker", "--queue", PREVIEW_QUEUE),
            part("the sweeper", "sweeper"),
        ]

    def _greet(self, address: str, key: NewKey | None) -> None:
        if key is not None:
            self.tell(f"API key, shown only this once: {key.text}")
        self.tell(f"AggPose runs at {address} (its documentation: {address}/docs); Ctrl-C stops it")


@contextmanager
def _folder_of_ours(settings: Settings) -> Iterator[None]:
    """The folder, made if need be, for this system alone.

    Raises:
        FolderInUseError: Another system runs in it.
    """
    folder = settings.data_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "up.lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUseError(f"{folder}: another aggpose up runs in this folder") from None
        yield


def _until_ready(processes: Processes, address: str, database: Database) -> bool:
    """Wait until the system is ready; False where it was told to stop before.

    Raises:
        PartFailedError: A part ended, or it takes too long.
    """
    with database.read() as session:
        began = current_time(session)
    until_s = time.monotonic() + READY_WITHIN_S
    with httpx.Client(base_url=address, timeout=5.0, trust_env=False) as http:
        while not processes.stopping:
            processes.look()
            # Those of the last run may still count as seen lately: ours are waited for first.
            missing = _queues_without_new_worker(database, began) or _missing(http)
            if not missing:
                processes.may_restart = True
                return True
            if time.monotonic() > until_s:
                raise PartFailedError(f"not ready after {READY_WITHIN_S:g} s: {missing}")
    return False


def _queues_without_new_worker(database: Database, began: datetime) -> str:
    """The queues at which no worker has begun since then."""
    with database.read() as session:
        workers = list_workers(session, seen_after=began)
    served = {one.queue for one in workers if one.started_at >= began}
    return ", ".join(sorted({EXTRACT_QUEUE, PREVIEW_QUEUE} - served))


def _missing(http: httpx.Client) -> str:
    """What the API says that is missing; nothing when it is ready."""
    try:
        answer = http.get("/readyz")
    except httpx.TransportError:
        return "the API"
    return "" if answer.is_success else answer.text


def _first_key(database: Database) -> NewKey | None:
    """The first key, with all scopes, made when there has never been one."""
    with database.write() as session:
        if any(key.name != _KEY_OF_A_RUN for key in tenants.list_keys(session)):
            return None
        now = current_time(session)
        key = create_key(session, tenant=TENANT, name="the first", scopes=SCOPES, now=now)
        note_key(session, key.row, "key.create", now=now)
    return key


def _with_command(
    processes: Processes, command: Sequence[str], address: str, database: Database
) -> int:
    """Run a command that uses the system, with a key that ends with it; its exit status."""
    with database.write() as session:
        now = current_time(session)
        key = create_key(
            session, tenant=TENANT, name=_KEY_OF_A_RUN, scopes=("read", "write"), now=now
        )
        note_key(session, key.row, "key.create", now=now)
    environment = os.environ | {"AGGPOSE_SERVER_URL": address, "AGGPOSE_API_KEY": key.text}
    try:
        process = processes.start(
            Part(
                name=command[0],
                words=command,
                environment=environment,
                stopped_by=signal.SIGINT,
                prints=True,
            )
        )
        while (status := process.status()) is None:
            if processes.stopping:
                return INTERRUPTED
            processes.look()
        return status if status >= 0 else 128 - status
    finally:
        with database.write() as session:
            now = current_time(session)
            revoked = revoke_key(session, prefix=key.row.prefix, now=now)
            note_key(session, revoked, "key.revoke", now=now)
