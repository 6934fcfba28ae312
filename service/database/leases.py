"""SQL of a worker's hold on a job: claimed, kept alive, handed on, ended; never two hold one.

Every statement is one conditional UPDATE that names the lease's token, so a worker that lost its
lease changes nothing, whenever it wakes up. Moments come from `current_time`: one clock for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Update, case, insert, or_, select, update
from sqlalchemy.orm import Session

from service.database.columns import JsonObject
from service.database.ids import new_id
from service.database.tables import Job, JobStage, LostLease
from service.errors import LeaseLostError, StalledError


@dataclass(frozen=True, kw_only=True)
class LeaseTerms:
    """How long and how often workers may hold a job.

    Attributes:
        lease_s: Seconds from a sign of life until the job is taken away.
        stall_s: Seconds without a further frame after which signs of life no longer count.
        attempts: Claims without a stored window after which the job fails.
        resend_s: Seconds after which a queued job's message counts as lost.
    """

    lease_s: float = 60.0
    stall_s: float = 300.0
    attempts: int = 3
    resend_s: float = 300.0

    def until(self, now: datetime) -> datetime:
        """When a lease that is renewed now ends."""
        return now + timedelta(seconds=self.lease_s)


@dataclass(frozen=True)
class Lease:
    """A worker's hold on a job.

    Attributes:
        job_id: The job.
        token: Names the claim; every write of the worker repeats it.
    """

    job_id: UUID
    token: UUID


@dataclass(frozen=True)
class Claim:
    """A job that is now this worker's.

    Attributes:
        job: As it was when it was claimed.
        lease: What every write names.
    """

    job: Job
    lease: Lease


def claim(  # noqa: PLR0913 - who takes which work, from when and on which terms
    session: Session,
    job_id: UUID,
    *,
    stage: JobStage,
    worker_id: str,
    now: datetime,
    terms: LeaseTerms,
) -> Claim | None:
    """Take a job that waits for this stage, or whose worker's lease has ended.

    Returns:
        None where there is nothing to do: another has it, it ended, or it is gone.
    """
    expired = update(Job).where(Job.id == job_id, Job.state == "running", Job.lease_until < now)
    lost = session.scalars(
        expired.values(lease_ended(now)).returning(Job.stage),
        execution_options={"synchronize_session": False},
    )
    note_lost_leases(session, lost.all(), now=now)
    query = update(Job).where(
        Job.id == job_id,
        Job.stage == stage,
        Job.attempt < terms.attempts,
        Job.cancel_requested.is_(False),
        Job.state == "queued",
    )
    token = uuid4()
    started_at = case((Job.started_at.is_(None), now), else_=Job.started_at)
    job = _changed_job(
        session,
        query.values(
            state="running", attempt=Job.attempt + 1, worker_id=worker_id, lease_token=token,
            lease_until=terms.until(now), heartbeat_at=now, progressed_at=now, frames_handled=0,
            started_at=started_at,
        ),
    )  # fmt: skip
    return None if job is None else Claim(job, Lease(job_id, token))


def lease_ended(now: datetime) -> dict[str, object]:
    """What becomes of a job whose worker gave no sign of life in time: it waits for a message."""
    waits = {"state": "queued", "queued_at": now, "sent_at": None}
    return waits | {"lease_token": None, "lease_until": None}


def note_lost_leases(session: Session, stages: Sequence[JobStage], *, now: datetime) -> None:
    """Count leases that ended so, in the transaction that ends them."""
    if stages:
        rows = [{"id": new_id(), "stage": stage, "lost_at": now} for stage in stages]
        session.execute(insert(LostLease), rows)


def hold(session: Session, lease: Lease, *, now: datetime) -> Job:
    """Make sure that the lease holds, until this session ends; writes may follow.

    Raises:
        LeaseLostError: The job is no longer this worker's.
    """
    return _change_held(session, lease, heartbeat_at=now)


def heartbeat(
    session: Session, lease: Lease, *, frames_handled: int, now: datetime, terms: LeaseTerms
) -> bool:
    """Renew a lease, as long as frames advance.

    `frames_handled` counts this claim's frames from 0; what is not stored yet counts too.

    Returns:
        Whether the job is to be cancelled.

    Raises:
        LeaseLostError: The job is no longer this worker's.
        StalledError: No frame for `terms.stall_s`: the lease was not renewed, and will end.
    """
    advanced = frames_handled > Job.frames_handled
    in_time = Job.progressed_at > now - timedelta(seconds=terms.stall_s)
    query = _held(lease).where(or_(advanced, in_time))
    job = _changed_job(
        session,
        query.values(
            frames_handled=case((advanced, frames_handled), else_=Job.frames_handled),
            progressed_at=case((advanced, now), else_=Job.progressed_at),
            heartbeat_at=now,
            lease_until=terms.until(now),
        ),
    )
    if job is not None:
        return job.cancel_requested
    query_held = select(Job.id).where(Job.id == lease.job_id, Job.lease_token == lease.token)
    if session.scalars(query_held).one_or_none() is None:
        raise _lost(lease)
    raise StalledError(f"job {lease.job_id}: no frame for {terms.stall_s:g} s")


def describe(
    session: Session, lease: Lease, *, header: JsonObject, frames_total: int | None
) -> None:
    """Keep what a worker knows once it has opened the video.

    `header` is a `SequenceHeader` of the raw series; `frames_total` is what the container claims,
    None where it claims nothing.

    Raises:
        LeaseLostError: The job is no longer this worker's.
    """
    _change_held(session, lease, header=header, frames_total=frames_total)


def finish_extraction(
    session: Session, lease: Lease, *, timings: JsonObject, now: datetime
) -> None:
    """All frames are stored: queue the job for its preview, with attempts of its own.

    Its next message is to be sent once the session has committed.

    Raises:
        LeaseLostError: The job is no longer this worker's.
    """
    _change_held(
        session, lease, state="queued", stage="preview", frames_total=Job.frames_done,
        frames_handled=0, attempt=0, timings=timings, queued_at=now, sent_at=now,
        lease_token=None, lease_until=None,
    )  # fmt: skip


def complete(
    session: Session, lease: Lease, *, timings: JsonObject, quality: JsonObject, now: datetime
) -> None:
    """All is done.

    Raises:
        LeaseLostError: The job is no longer this worker's.
    """
    _change_held(
        session, lease, state="succeeded", stage="done", timings=timings, quality=quality,
        finished_at=now, lease_token=None, lease_until=None,
    )  # fmt: skip


def fail(session: Session, lease: Lease, *, code: str, detail: str, now: datetime) -> None:
    """The job cannot be done, and trying again would not help.

    `code` is stable and for machines, `detail` one sentence for people.

    Raises:
        LeaseLostError: The job is no longer this worker's.
    """
    _change_held(
        session, lease, state="failed", error_code=code, error_detail=detail, finished_at=now,
        lease_token=None, lease_until=None,
    )  # fmt: skip


def cancel_held(session: Session, lease: Lease, *, now: datetime) -> None:
    """The worker has read the flag and stopped.

    Raises:
        LeaseLostError: The job is no longer this worker's.
    """
    _change_held(
        session, lease, state="canceled", finished_at=now, lease_token=None, lease_until=None
    )


def release(session: Session, lease: Lease, *, now: datetime) -> None:
    """Give the job back at once, because the worker is told to stop: no attempt was lost.

    A new message is due; the sweeper sends it if nobody else does.

    Raises:
        LeaseLostError: The job is no longer this worker's.
    """
    _change_held(
        session, lease, state="queued", queued_at=now, sent_at=None,
        attempt=case((Job.attempt > 0, Job.attempt - 1), else_=0),
        lease_token=None, lease_until=None,
    )  # fmt: skip


def _held(lease: Lease) -> Update:
    """A change that takes place only while the lease holds."""
    return update(Job).where(Job.id == lease.job_id, Job.lease_token == lease.token)


def _change_held(session: Session, lease: Lease, **values: object) -> Job:
    """Change the job that this lease holds."""
    job = _changed_job(session, _held(lease).values(**values))
    if job is None:
        raise _lost(lease)
    return job


def _changed_job(session: Session, query: Update) -> Job | None:
    """The job as it is after the change, or None where the conditions did not meet it."""
    options = {"synchronize_session": False, "populate_existing": True}
    return session.scalars(query.returning(Job), execution_options=options).one_or_none()


def _lost(lease: Lease) -> LeaseLostError:
    return LeaseLostError(f"job {lease.job_id}: this worker's lease has ended")
