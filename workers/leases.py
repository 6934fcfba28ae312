"""A job that a worker holds: its lease is renewed from a thread while the work's frames advance."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

from sqlalchemy.orm import Session

from service.database.engine import Database, current_time
from service.database.leases import Claim, LeaseTerms, heartbeat
from service.errors import (
    BlobUnavailableError,
    DatabaseUnavailableError,
    LeaseLostError,
    StalledError,
)
from workers.pipeline.errors import CancelledError
from workers.pipeline.video import FrameSource, FrameWindow, VideoFacts
from workers.stopping import StopFlag

T = TypeVar("T")

StopReason = Literal["lease lost", "canceled", "worker stops"]

_LOG: Final = logging.getLogger("aggpose.worker")
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0


def patiently(work: Callable[[], T], *, patience_s: float, give_up: Callable[[], bool]) -> T:
    """Work with the database or the blob store; while it is away, try again.

    Args:
        work: May be called again after it has succeeded: a connection can be lost in a commit.
        patience_s: How long to try.
        give_up: Asked before each pause; true ends the patience.

    Raises:
        DatabaseUnavailableError: It stayed away.
        BlobUnavailableError: Likewise.
    """
    deadline, pause_s = time.monotonic() + patience_s, _FIRST_PAUSE_S
    while True:
        try:
            return work()
        except (DatabaseUnavailableError, BlobUnavailableError) as error:
            if time.monotonic() + pause_s > deadline or give_up():
                raise
            _LOG.warning("trying again in %.1f s: %s", pause_s, error)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


class HeldJob:
    """A claimed job; inside `with`, its lease is kept alive.

    Attributes:
        job: As it was when it was claimed.
        lease: What every write names.
        terms: How long it may be held.
    """

    def __init__(  # noqa: PLR0913 - what a hold is made of
        self,
        database: Database,
        claim: Claim,
        terms: LeaseTerms,
        *,
        heartbeat_s: float,
        worker_stops: StopFlag,
        keep_message: Callable[[], None],
    ) -> None:
        """See above.

        Args:
            database: Where the job's row is.
            claim: The job and its lease.
            terms: How long it may be held.
            heartbeat_s: Seconds between signs of life.
            worker_stops: Raised when the worker is told to stop.
            keep_message: Keeps the broker from sending the job's message to others.
        """
        self.job, self.lease, self.terms = claim.job, claim.lease, terms
        self._database, self._heartbeat_s = database, heartbeat_s
        self._worker_stops, self._keep_message = worker_stops, keep_message
        self._frames = 0
        self._lost = self._canceled = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._live, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def about(self) -> dict[str, Any]:
        """What its lines in the log are marked with."""
        ids = {"job_id": self.job.id, "tenant_id": self.job.tenant_id}
        return {"facts": {name: str(value) for name, value in ids.items()}}

    def advance(self, frames: int) -> None:
        """Say that so many more frames are handled: without that, the lease is not renewed long."""
        self._frames += frames

    def got_on(self) -> None:
        """Say that work without frames gets on, as when a video arrives; it counts as a frame.

        Raises:
            CancelledError: The work is to end early.
        """
        self.advance(1)
        self.stop_if_told()

    def note_cancel(self, requested: bool) -> None:  # noqa: FBT001 - what a write has answered
        """Note what a write of this job said of cancelling."""
        self._canceled |= requested

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the work is to end early, or None where it is not."""
        if self._lost:
            return "lease lost"
        if self._canceled:
            return "canceled"
        return "worker stops" if self._worker_stops.is_set() else None

    def must_stop(self) -> bool:
        """Whether the work is to end early; asked once a window."""
        return self.stop_reason is not None

    def stop_if_told(self) -> None:
        """Go on, or not.

        Raises:
            CancelledError: The work is to end early.
        """
        if self.must_stop():
            raise CancelledError("the job was told to stop")

    def write(self, change: Callable[[Session, datetime], T]) -> T:
        """Change the job, at a moment; while the database is away, try again: the lease decides.

        Raises:
            LeaseLostError: The job is no longer this worker's.
            DatabaseUnavailableError: It stayed away, or the worker is told to stop.
        """

        def once() -> T:
            with self._database.write() as session:
                return change(session, current_time(session))

        return self.patiently(once)

    def read(self, query: Callable[[Session], T]) -> T:
        """Read something, as patiently.

        Raises:
            DatabaseUnavailableError: It stayed away, or the worker is told to stop.
        """

        def once() -> T:
            with self._database.read() as session:
                return query(session)

        return self.patiently(once)

    def patiently(self, work: Callable[[], T]) -> T:
        """Work with the database or the blob store for as long as the lease may be kept.

        Raises:
            DatabaseUnavailableError: It stayed away, or the worker is told to stop.
            BlobUnavailableError: Likewise.
        """
        patience_s = self.terms.stall_s
        return patiently(work, patience_s=patience_s, give_up=self._worker_stops.is_set)

    def _live(self) -> None:
        """Give signs of life until the work is done or the lease is lost."""
        while not self._done.wait(self._heartbeat_s):
            try:
                self._beat()
            except LeaseLostError:
                self._lost = True
                return
            except (DatabaseUnavailableError, StalledError) as error:
                _LOG.warning("no sign of life: %s", error, extra=self.about)
            else:
                self._keep_message()

    def _beat(self) -> None:
        with self._database.write() as session:
            canceled = heartbeat(
                session, self.lease, frames_handled=self._frames, now=current_time(session),
                terms=self.terms,
            )  # fmt: skip
        self.note_cancel(canceled)


class CountedSource:
    """A video whose frames count as handled when they are decoded, also those that are skipped."""

    def __init__(self, source: FrameSource, held: HeldJob) -> None:
        self._source, self._held = source, held

    @property
    def facts(self) -> VideoFacts:
        """What the video says of itself."""
        return self._source.facts

    def __iter__(self) -> Iterator[FrameWindow]:
        """The video's windows."""
        for window in self._source:
            self._held.advance(len(window.frames))
            yield window
