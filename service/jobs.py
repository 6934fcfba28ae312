"""Rules of jobs: what can be asked for, once for each idempotency key, and what may follow."""

import hashlib
import json
from datetime import datetime
from typing import Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from service.database import jobs as rows
from service.database.deletions import find_deletion
from service.database.tables import Deletion, Job, JobState
from service.errors import (
    IdempotencyConflictError,
    JobFinishedError,
    JobNotFoundError,
    JobNotRetryableError,
)
from service.leftovers import begin_deletion
from service.videos import find_video

FINISHED: Final[frozenset[JobState]] = frozenset(("succeeded", "failed", "canceled"))
"""States that a job leaves only when it is asked to."""


class JobParameters(BaseModel):
    """How a video is worked on: the options of `aggpose extract`, by the same names.

    `Job.parameters` keeps those that were given; the worker knows the defaults of the others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    window: int | None = Field(None, ge=1, le=1024)
    """Frames that are worked on together; 16 when not given."""

    detect_every: int | None = Field(None, ge=1, le=1024)
    """Frames from one look of the detector to the next; divides the window, and is the window when
    not given."""

    cover: Literal["mosaic", "solid"] | None = None
    """What lies over heads in the preview; `mosaic` when not given."""

    skeleton: bool | None = None
    """Whether bones and keypoints are drawn into the preview; they are when not given."""

    names: bool | None = None
    """Whether the preview marks and names keypoints, with or without the skeleton; it does not when
    not given."""

    cutoff_hz: float | None = Field(None, gt=0, le=1000, allow_inf_nan=False)
    """Of the filtered series' low pass; when not given 6, or less in films of under 15 frames/s.
    One that a film's frame rate does not allow fails the job (`pipeline.cutoff`)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.window or 16) % (self.detect_every or 1):
            raise ValueError("expected a detect_every that divides the window")
        return self

    def given(self) -> dict[str, int | float | str | bool]:
        """The parameters that say something, by name."""
        return self.model_dump(exclude_none=True)


class JobRequest(BaseModel):
    """What is asked for: the keypoints and a masked preview of one video."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {"video_id": "01970000-0000-7000-8000-000000000001"},
                {
                    "video_id": "01970000-0000-7000-8000-000000000001",
                    "model": "aggpose-t-infant21",
                    "parameters": {
                        "window": 16,
                        "detect_every": 8,
                        "cover": "solid",
                        "skeleton": False,
                    },
                },
            ]
        },
    )

    video_id: UUID
    """The video."""

    model: str | None = Field(None, min_length=1, max_length=200)
    """The pose model's name, one of `GET /v1/models`; the usual one when not given."""

    parameters: JobParameters = Field(default_factory=JobParameters)
    """How it is worked on."""

    def sha256(self) -> str:
        """The same for requests that ask for the same."""
        given = {"video_id": str(self.video_id), "model": self.model}
        content = json.dumps(given | {"parameters": self.parameters.given()}, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def add_job(  # noqa: PLR0913 - whose job, of what, by which model, under which key, when
    session: Session,
    tenant_id: UUID,
    request: JobRequest,
    *,
    model: str,
    idempotency_key: str | None,
    now: datetime,
) -> tuple[Job, bool]:
    """Queue a job, or give the one that was made with the same idempotency key.

    Its message is to be sent once the session has committed.

    Returns:
        The job, and whether it is the new one.

    Raises:
        VideoNotFoundError: The tenant has no such video.
        IdempotencyConflictError: The key came before, with another request.
    """
    find_video(session, tenant_id, request.video_id)
    job = Job(
        tenant_id=tenant_id,
        video_id=request.video_id,
        model=model,
        parameters=request.parameters.given(),
        idempotency_key=idempotency_key,
        payload_sha256=None if idempotency_key is None else request.sha256(),
        created_at=now,
        queued_at=now,
        sent_at=now,
    )
    known, new = rows.add_job(session, job)
    if not new and known.payload_sha256 != job.payload_sha256:
        raise IdempotencyConflictError("this Idempotency-Key came before, with another request")
    return known, new


def message_failed(session: Session, tenant_id: UUID, job_id: UUID) -> None:
    """The broker did not take a new job's message: the sweeper's next round sends one."""
    job = rows.find_job(session, tenant_id, job_id)
    if job is not None and job.state == "queued":
        job.sent_at = None
        session.flush()


def find_job(session: Session, tenant_id: UUID, job_id: UUID) -> Job:
    """A job of this tenant, as it is now.

    Raises:
        JobNotFoundError: There is none.
    """
    job = rows.find_job(session, tenant_id, job_id)
    if job is None:
        raise JobNotFoundError(f"there is no job {job_id}")
    return job


def cancel_job(session: Session, tenant_id: UUID, job_id: UUID, *, now: datetime) -> Job:
    """Cancel a job: at once where it waits, within a window of frames where it runs.

    Cancelling a cancelled job changes nothing.

    Raises:
        JobNotFoundError: There is none.
        JobFinishedError: It has ended otherwise.
    """
    rows.request_cancel(session, tenant_id, job_id, now=now)
    job = find_job(session, tenant_id, job_id)
    if job.state in ("succeeded", "failed"):
        raise JobFinishedError(f"job {job_id} has {job.state}")
    return job


def retry_job(session: Session, tenant_id: UUID, job_id: UUID, *, now: datetime) -> Job:
    """Queue a failed or cancelled job again; it goes on behind its last stored frame.

    Its message is to be sent once the session has committed.

    Raises:
        JobNotFoundError: There is none.
        JobNotRetryableError: It waits, runs or has succeeded.
    """
    queued = rows.retry(session, tenant_id, job_id, now=now)
    job = find_job(session, tenant_id, job_id)
    if not queued:
        raise JobNotRetryableError(f"job {job_id} is {job.state}: neither failed nor canceled")
    return job


def delete_job(session: Session, tenant_id: UUID, job_id: UUID, *, now: datetime) -> Deletion:
    """Delete a job and all that it stored; its video stays. See leftovers.py.

    Its blobs are to be removed once the session has committed.

    Returns:
        The deletion, to be finished; one that was begun before is given again.

    Raises:
        JobNotFoundError: There is none.
    """
    keys = rows.delete_job(session, tenant_id, job_id)
    if keys is None:
        begun = find_deletion(session, tenant_id, job_id)
        if begun is None:
            raise JobNotFoundError(f"there is no job {job_id}")
        return begun
    folders = (f"jobs/{job_id}",)
    return begin_deletion(session, tenant_id, job_id, keys=keys, folders=folders, now=now)
