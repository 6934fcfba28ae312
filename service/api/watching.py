"""Waiting for a job to change, by many requests at once: one query a moment serves them all.

A request that waits holds no thread and no connection of the database.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from contextvars import Context
from typing import Final
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from service.database.engine import Database
from service.database.revisions import read_revisions
from service.errors import ServiceError

LOOK_EVERY_S: Final = 0.4

_log = logging.getLogger(__name__)


class JobWatch:
    """Wakes those that wait for jobs. It lives in one event loop.

    Args:
        database: Where the jobs are.
        look_every_s: Seconds from one look to the next, while anybody waits.
    """

    def __init__(self, database: Database, *, look_every_s: float = LOOK_EVERY_S) -> None:
        self._database = database
        self._look_every_s = look_every_s
        self._waiting: defaultdict[UUID, dict[asyncio.Event, int]] = defaultdict(dict)
        self._looking: asyncio.Task[None] | None = None

    async def changed(self, job_id: UUID, revision: int, seconds: float) -> None:
        """Come back when the job's revision is another, when it is gone, or after so long."""
        woken = asyncio.Event()
        self._waiting[job_id][woken] = revision
        if self._looking is None or self._looking.done():
            # Not in the context of this request, whose lines in the log are marked as its own.
            self._looking = asyncio.create_task(self._look(), context=Context())
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), seconds)
        finally:
            self._waiting[job_id].pop(woken)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    async def _look(self) -> None:
        """Look at all jobs that are waited for, until none is."""
        try:
            await self._look_until_nobody_waits()
        finally:  # whatever went wrong, nobody waits for a look that does not come
            self._wake({})

    async def _look_until_nobody_waits(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._look_every_s)
            try:
                found = await run_in_threadpool(self._read, list(self._waiting))
            except ServiceError as error:
                # Those that wait are told nothing wrong: they ask again when their time is up.
                _log.warning("jobs that are waited for cannot be looked at: %s", error.code)
                continue
            self._wake(found)

    def _read(self, job_ids: list[UUID]) -> Mapping[UUID, int]:
        with self._database.read() as session:
            return read_revisions(session, job_ids)

    def _wake(self, found: Mapping[UUID, int]) -> None:
        for job_id, waiting in self._waiting.items():
            for woken, revision in waiting.items():
                if found.get(job_id) != revision:
                    woken.set()
