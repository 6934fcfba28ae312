"""One attempt at a job: claimed, held, worked on, and ended in the one way that fits what happened.

Here alone is decided what an error means: that the job has failed, or that somebody tries again.
"""

import logging
from collections.abc import Callable
from typing import Final
from uuid import UUID

from model.spec.errors import EngineError, MissingPackageError, ModelError, OutputError
from service.database.engine import Database, current_time
from service.database.leases import (
    Claim,
    LeaseTerms,
    cancel_held,
    claim,
    fail,
    hold,
    release,
)
from service.database.tables import JobStage
from service.errors import (
    BlobChecksumError,
    BlobMissingError,
    DatabaseUnavailableError,
    LeaseLostError,
    ModelUnknownError,
    QueueUnavailableError,
    ServiceError,
    VideoNotFoundError,
)
from service.jobs import message_failed
from service.queue import JobQueue
from workers.errors import WorkerError
from workers.leases import HeldJob, patiently
from workers.pipeline.errors import (
    CancelledError,
    DecoderCrashedError,
    DecoderStalledError,
    PipelineError,
    StateError,
)
from workers.sentences import sentence_for
from workers.stopping import StopFlag

KnownError = ModelError | PipelineError | ServiceError | WorkerError
Work = Callable[[HeldJob], None]

_LOG: Final = logging.getLogger("aggpose.worker")

# What says more of the machine, or of a bad moment, than of the job: another attempt may do it.
_OFTEN_PASSES: Final = (
    DecoderCrashedError, DecoderStalledError, StateError,
    EngineError, MissingPackageError, OutputError, ServiceError,
)  # fmt: skip
_NEVER_PASSES: Final = (
    VideoNotFoundError, BlobMissingError, BlobChecksumError, ModelUnknownError
)  # fmt: skip


class Attempts:
    """Attempts of one worker process.

    Args:
        database: Where jobs are.
        queue: Wakes workers up.
        terms: How long and how often a job may be held.
        heartbeat_s: Seconds between signs of life.
        worker_stops: Raised when the worker is told to stop.
    """

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        terms: LeaseTerms,
        *,
        heartbeat_s: float,
        worker_stops: StopFlag,
    ) -> None:
        self._database, self._queue, self._terms = database, queue, terms
        self._heartbeat_s, self._worker_stops = heartbeat_s, worker_stops

    def attempt(
        self,
        job_id: UUID,
        stage: JobStage,
        work: Work,
        *,
        worker_id: str,
        keep_message: Callable[[], None],
    ) -> None:
        """Claim a job and work on it; where there is nothing to claim, nothing happens.

        Whatever goes wrong with the work ends in the job's row or in its lease.

        Raises:
            DatabaseUnavailableError: There was no way to claim it.
        """
        taken = self._claim(job_id, stage, worker_id)
        if taken is None:
            _LOG.info("nothing to %s", stage, extra={"facts": {"job_id": str(job_id)}})
            return
        held = HeldJob(
            self._database, taken, self._terms, heartbeat_s=self._heartbeat_s,
            worker_stops=self._worker_stops, keep_message=keep_message,
        )  # fmt: skip
        _LOG.info("%s, attempt %d", stage, taken.job.attempt, extra=held.about)
        with held:
            try:
                self._work(held, work)
            except LeaseLostError:
                _LOG.warning("the lease was lost", extra=held.about)
            except DatabaseUnavailableError as error:
                _LOG.warning("left to the sweeper: %s", error, extra=held.about)

    def _claim(self, job_id: UUID, stage: JobStage, worker_id: str) -> Claim | None:
        def once() -> Claim | None:
            with self._database.write() as session:
                return claim(
                    session, job_id, stage=stage, worker_id=worker_id,
                    now=current_time(session), terms=self._terms,
                )  # fmt: skip

        patience_s, give_up = self._terms.stall_s, self._worker_stops.is_set
        return patiently(once, patience_s=patience_s, give_up=give_up)

    def _work(self, held: HeldJob, work: Work) -> None:
        """Work, and end the hold by what became of it."""
        try:
            work(held)
        except CancelledError:
            self._stop(held)
        except LeaseLostError:
            # Perhaps taken away, perhaps ended by us in a commit whose answer was lost.
            self._wake(held, "preview")
            raise
        except MemoryError:
            _LOG.error("not enough memory; the lease is left to end", extra=held.about)
        except (ModelError, PipelineError, ServiceError, WorkerError) as error:
            self._fail(held, error)
        except Exception:  # noqa: BLE001 - whatever it is, the worker goes on, and the lease decides
            _LOG.exception("unexpected; the lease is left to end", extra=held.about)
        else:
            if held.job.stage == "extract":
                self._wake(held, "preview")

    def _stop(self, held: HeldJob) -> None:
        """End early: for whoever cancelled the job, or for another worker to go on at once."""
        if held.stop_reason == "canceled":
            held.write(lambda session, now: cancel_held(session, held.lease, now=now))
        elif held.stop_reason == "worker stops":
            held.write(lambda session, now: release(session, held.lease, now=now))
            self._wake(held, held.job.stage)
        _LOG.info("ended early: %s", held.stop_reason, extra=held.about)

    def _fail(self, held: HeldJob, error: KnownError) -> None:
        """Fail the job, unless the error often passes and there are attempts left.

        The lease is left to end by itself then: that is the pause before the next attempt.
        """
        passes = isinstance(error, _OFTEN_PASSES) and not isinstance(error, _NEVER_PASSES)
        _LOG.warning("%s [%s]", error, error.code, extra=held.about)
        if held.must_stop():
            self._stop(held)
            return
        job = held.write(lambda session, now: hold(session, held.lease, now=now))
        if not passes or job.attempt >= held.terms.attempts:
            sentence = sentence_for(error)
            held.write(
                lambda session, now: fail(
                    session, held.lease, code=error.code, detail=sentence, now=now
                )
            )

    def _wake(self, held: HeldJob, stage: JobStage) -> None:
        """Wake a worker for the job's next stage; where the broker is away, the sweeper will."""
        job = held.job
        try:
            self._queue.send(job.id, stage)
        except QueueUnavailableError as error:
            _LOG.warning("the sweeper wakes the next worker: %s", error, extra=held.about)
            held.write(lambda session, _: message_failed(session, job.tenant_id, job.id))
