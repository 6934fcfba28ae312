"""Routes of jobs: started, listed, followed, cancelled, tried again, deleted."""

import time
from typing import Annotated
from uuid import UUID

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.auth import Reader, Token, Writer, reading_as
from service.api.body import json_body, read_json
from service.api.context import Parts, Service
from service.api.headers import (
    POLL_AFTER_S,
    job_address,
    job_etag,
    job_headers,
    knows,
)
from service.api.parameters import (
    CreatedAfter,
    IdempotencyKey,
    IfNoneMatch,
    JobId,
    OfState,
    OfSubject,
    OfVideo,
    PageCursor,
    PageLimit,
)
from service.api.problems import documented
from service.api.schemas import JobAnswer, JobList, JobSummary
from service.api.sending import send_message
from service.audit import note
from service.database import jobs as rows
from service.database.engine import current_time
from service.database.jobs import JobFilter, list_jobs
from service.database.pages import Cursor
from service.database.tables import Job
from service.errors import JobNotFoundError
from service.jobs import (
    FINISHED,
    JobRequest,
    add_job,
    cancel_job,
    delete_job,
    find_job,
    retry_job,
)
from service.keys import Caller, still_valid
from service.leftovers import finish_deletion
from service.log_lines import facts_of_request

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


async def _wanted(request: Request, caller: Writer) -> JobRequest:  # noqa: ARG001 - judged first
    return await read_json(request, JobRequest)


@router.post(
    "",
    status_code=202,
    openapi_extra=json_body(JobRequest),
    responses=documented(
        "request.malformed",
        "request.too_large",
        "video.not_found",
        "model.unknown",
        "job.idempotency_conflict",
    ),
)
def start_job(  # noqa: PLR0913 - each is a parameter of the request
    request: Request,
    response: Response,
    service: Parts,
    caller: Writer,
    wanted: Annotated[JobRequest, Depends(_wanted)],
    *,
    idempotency_key: IdempotencyKey = None,
) -> JobSummary:
    """Start the extraction of a video."""
    model = service.models.pose_model(wanted.model).manifest.name
    with service.database.write() as session:
        now = current_time(session)
        job, new = add_job(
            session, caller.tenant_id, wanted, model=model, idempotency_key=idempotency_key, now=now
        )
        note(session, caller, "job.create", job.id, now=now)
    facts_of_request().job_id = job.id
    if new:
        send_message(service, job)
    response.headers["Location"] = job_address(request, job.id)
    response.headers["Retry-After"] = str(POLL_AFTER_S)
    return JobSummary.of(job)


@router.get("", responses=documented("list.cursor"))
def show_jobs(  # noqa: PLR0913 - each is a parameter of the request
    service: Parts,
    caller: Reader,
    *,
    state: OfState = None,
    video_id: OfVideo = None,
    subject_reference: OfSubject = None,
    created_after: CreatedAfter = None,
    cursor: PageCursor = None,
    limit: PageLimit = 50,
) -> JobList:
    """Your jobs, newest first."""
    wanted = JobFilter(
        state=state, video_id=video_id, subject_reference=subject_reference,
        created_after=created_after,
    )  # fmt: skip
    after = None if cursor is None else Cursor.parse(cursor)
    with service.database.read() as session:
        page = list_jobs(session, caller.tenant_id, wanted, cursor=after, limit=limit)
    return JobList(
        items=[JobSummary.of(job) for job in page.items], next=page.next and page.next.text()
    )


async def _seen(request: Request, service: Parts, token: Token) -> tuple[Caller, Job | None]:
    """Who asks, and the job as it is now; None where the address has no id."""
    return await run_sync(_first_look, request, service, token, limiter=service.looks)


def _first_look(request: Request, service: Service, token: str) -> tuple[Caller, Job | None]:
    """Judge who asks and find the job, in one session and one thread: nothing is asked more often.

    The address is read here, because the framework calls nothing whose parameters do not fit, and
    who asks is judged before them.
    """
    with reading_as(service, token) as (session, caller):
        caller.need("read")
        try:
            job_id = UUID(request.path_params["job_id"])
        except ValueError:
            return caller, None  # the framework reads the address next, and tells what is wrong
        return caller, rows.find_job(session, caller.tenant_id, job_id)


@router.get(
    "/{job_id}",
    response_model=JobAnswer,
    responses=documented("job.not_found") | {304: {"description": "You know this already"}},
)
async def show_job(
    job_id: JobId,
    service: Parts,
    seen: Annotated[tuple[Caller, Job | None], Depends(_seen)],
    *,
    wait: Annotated[int, Query(ge=0, le=60, description="Seconds to wait for news")] = 0,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """How far a job is.

    With `wait`, the answer comes once the job has ended, or after so many seconds. Together with
    If-None-Match, it comes as soon as anything has changed.
    """
    facts_of_request().job_id = job_id
    until_s = time.monotonic() + wait
    caller, job = seen
    if job is None:
        raise JobNotFoundError(f"there is no job {job_id}")
    while not _is_news(job, if_none_match) and (left_s := until_s - time.monotonic()) > 0:
        await service.watch.changed(job_id, job.revision, left_s)
        job = await run_sync(look_again, service, caller, job_id, limiter=service.looks)
    if knows(if_none_match, job_etag(job)):
        return Response(status_code=304, headers=job_headers(job))
    if job.state == "succeeded":
        await run_in_threadpool(_note_read, service, caller, job_id)
    # Written here: the framework would check and copy what was made of checked parts.
    content = JobAnswer.of(job).model_dump_json()
    return Response(content, headers=job_headers(job), media_type="application/json")


@router.post(
    "/{job_id}/cancel", status_code=202, responses=documented("job.not_found", "job.finished")
)
def stop_job(job_id: JobId, response: Response, service: Parts, caller: Writer) -> JobSummary:
    """Cancel a job: at once while it waits, within seconds while it runs."""
    facts_of_request().job_id = job_id
    with service.database.write() as session:
        now = current_time(session)
        job = cancel_job(session, caller.tenant_id, job_id, now=now)
        note(session, caller, "job.cancel", job_id, now=now)
    response.headers.update(job_headers(job))
    return JobSummary.of(job)


@router.post(
    "/{job_id}/retry", status_code=202, responses=documented("job.not_found", "job.not_retryable")
)
def try_again(job_id: JobId, response: Response, service: Parts, caller: Writer) -> JobSummary:
    """Queue a failed or cancelled job again: it goes on behind its last stored frame."""
    facts_of_request().job_id = job_id
    with service.database.write() as session:
        now = current_time(session)
        job = retry_job(session, caller.tenant_id, job_id, now=now)
        note(session, caller, "job.retry", job_id, now=now)
    send_message(service, job)
    response.headers.update(job_headers(job))
    return JobSummary.of(job)


@router.delete(
    "/{job_id}", status_code=204, responses=documented("job.not_found", "blob.unavailable")
)
def remove_job(job_id: JobId, service: Parts, caller: Writer) -> None:
    """Delete a job and all that it stored, for good; its video stays.

    From the first moment on nobody finds any of it. Where the file store does not answer, its files
    go later: by themselves, or when this is asked again.
    """
    facts_of_request().job_id = job_id
    with service.database.write() as session:
        now = current_time(session)
        deletion = delete_job(session, caller.tenant_id, job_id, now=now)
        note(session, caller, "job.delete", job_id, now=now)
    finish_deletion(service.database, service.store, deletion)


def look_again(service: Service, caller: Caller, job_id: UUID) -> Job:
    """The job as it is now, for an answer that goes on as long as its key is valid.

    Raises:
        KeyInvalidError: The key was revoked meanwhile.
        JobNotFoundError: There is no such job any more.
    """
    with service.database.read() as session:
        still_valid(session, caller)
        return find_job(session, caller.tenant_id, job_id)


def _is_news(job: Job, if_none_match: str | None) -> bool:
    """Whether there is something to tell a client that waits."""
    if if_none_match is None:
        return job.state in FINISHED
    return not knows(if_none_match, job_etag(job))


def _note_read(service: Service, caller: Caller, job_id: UUID) -> None:
    """The answer will hold results: that leaves a line."""
    with service.database.write() as session:
        note(session, caller, "job.read", job_id, now=current_time(session))
