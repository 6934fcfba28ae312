"""SQL of jobs as their owners see them: made, listed, cancelled, tried again, deleted.

What workers do to a job is in leases.py, what the sweeper does in sweeping.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.database.changes import changed
from service.database.pages import Cursor, Page, read_page
from service.database.tables import Artifact, Job, JobStage, JobState, Video
from service.errors import VideoNotFoundError

UNFINISHED: Final[tuple[JobState, ...]] = ("queued", "running")

# The question that is asked most: put together once.
_JOB_OF_TENANT: Final = (
    select(Job)
    .where(Job.id == bindparam("job_id"), Job.tenant_id == bindparam("tenant_id"))
    .execution_options(populate_existing=True)
)


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Which jobs a list has; None asks for nothing.

    Attributes:
        state: In this state.
        video_id: Of this video.
        subject_reference: Of this infant.
        created_after: Made later than this.
    """

    state: JobState | None = None
    video_id: UUID | None = None
    subject_reference: str | None = None
    created_after: datetime | None = None


@dataclass(frozen=True)
class JobCount:
    """How many jobs there are of one kind.

    Attributes:
        state: Their state.
        stage: Their stage.
        count: How many.
        oldest_queued_at: Since when the one that waits longest does; None unless queued.
    """

    state: JobState
    stage: JobStage
    count: int
    oldest_queued_at: datetime | None


def add_job(session: Session, job: Job) -> tuple[Job, bool]:
    """Store a new job; its message is to be sent once the session has committed.

    Returns:
        The job, and whether it is the new one; if not, it is the tenant's job with the same
        idempotency key, and the rules compare what came with it.

    Raises:
        VideoNotFoundError: The video was deleted meanwhile.
    """
    try:
        with session.begin_nested():
            session.add(job)
    except IntegrityError as error:
        key = job.idempotency_key
        known = None if key is None else find_job_by_idempotency_key(session, job.tenant_id, key)
        if known is not None:
            return known, False
        if session.get(Video, job.video_id) is None:
            raise VideoNotFoundError(f"there is no video {job.video_id}") from error
        raise
    return job, True


def find_job(session: Session, tenant_id: UUID, job_id: UUID) -> Job | None:
    """A job of this tenant, as it is now."""
    values = {"job_id": job_id, "tenant_id": tenant_id}
    return session.scalars(_JOB_OF_TENANT, values).one_or_none()


def known_jobs(session: Session, job_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these jobs that there are, whoever's they are."""
    return {*session.scalars(select(Job.id).where(Job.id.in_(job_ids)))}


def find_job_by_idempotency_key(session: Session, tenant_id: UUID, key: str) -> Job | None:
    """The tenant's job that was made with this key."""
    query = select(Job).where(Job.tenant_id == tenant_id, Job.idempotency_key == key)
    return session.scalars(query).one_or_none()


def list_jobs(
    session: Session,
    tenant_id: UUID,
    wanted: JobFilter,
    *,
    cursor: Cursor | None = None,
    limit: int = 50,
) -> Page[Job]:
    """A tenant's jobs, newest first."""
    query = select(Job).where(Job.tenant_id == tenant_id)
    if wanted.state is not None:
        query = query.where(Job.state == wanted.state)
    if wanted.video_id is not None:
        query = query.where(Job.video_id == wanted.video_id)
    if wanted.created_after is not None:
        query = query.where(Job.created_at > wanted.created_after)
    if wanted.subject_reference is not None:
        of_subject = Video.subject_reference == wanted.subject_reference
        query = query.join(Video, Job.video_id == Video.id)
        query = query.where(Video.tenant_id == tenant_id, of_subject)
    return read_page(session, query, (Job.created_at, Job.id), cursor=cursor, limit=limit)


def count_jobs(session: Session) -> Sequence[JobCount]:
    """How many jobs of each state and stage there are, for the metrics."""
    query = select(Job.state, Job.stage, func.count(), func.min(Job.queued_at))
    return [
        JobCount(state, stage, count, oldest if state == "queued" else None)
        for state, stage, count, oldest in session.execute(query.group_by(Job.state, Job.stage))
    ]


def request_cancel(session: Session, tenant_id: UUID, job_id: UUID, *, now: datetime) -> bool:
    """Cancel a job: at once where it waits; where it runs, its worker reads the flag.

    Returns:
        False where the tenant has no such job, or it has ended.
    """
    own = update(Job).where(Job.id == job_id, Job.tenant_id == tenant_id)
    # The row is taken first: between two statements a worker could claim or release the job.
    if not changed(session, own.where(Job.state.in_(UNFINISHED)).values(cancel_requested=True)):
        return False
    waiting = own.where(Job.state == "queued")
    changed(session, waiting.values(state="canceled", finished_at=now))
    return True


def retry(session: Session, tenant_id: UUID, job_id: UUID, *, now: datetime) -> bool:
    """Queue a failed or cancelled job again; it goes on behind its last stored frame.

    Its message is to be sent once the session has committed.

    Returns:
        False where the tenant has no such job, or it has not failed and was not cancelled.
    """
    query = update(Job).where(
        Job.id == job_id, Job.tenant_id == tenant_id, Job.state.in_(("failed", "canceled"))
    )
    return changed(
        session,
        query.values(
            state="queued", attempt=0, cancel_requested=False, error_code=None, error_detail=None,
            finished_at=None, queued_at=now, sent_at=now,
        ),
    )  # fmt: skip


def delete_job(session: Session, tenant_id: UUID, job_id: UUID) -> Sequence[str] | None:
    """Delete a job and all that it stored; its video stays.

    Returns:
        The keys of its blobs, or None where the tenant has no such job.
    """
    # Held from here on, so that no worker stores an artifact between reading and deleting.
    own = select(Job.id).where(Job.id == job_id, Job.tenant_id == tenant_id).with_for_update()
    if session.scalars(own).one_or_none() is None:
        return None
    keys = session.scalars(select(Artifact.blob_key).where(Artifact.job_id == job_id)).all()
    changed(session, delete(Job).where(Job.id == job_id))
    return keys
