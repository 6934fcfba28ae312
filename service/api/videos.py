"""Routes of videos: uploaded, listed, shown, deleted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from service.api.auth import Reader, Writer
from service.api.body import misfit
from service.api.context import Parts, Service
from service.api.headers import POLL_AFTER_S, address, job_address
from service.api.parameters import (
    CreatedAfter,
    IdempotencyKey,
    ModelName,
    OfBytes,
    OfSubject,
    PageCursor,
    PageLimit,
    VideoId,
)
from service.api.problems import documented
from service.api.schemas import JobSummary, UploadAnswer, VideoAnswer, VideoDetail, VideoList
from service.api.sending import send_message
from service.api.upload import FILE, Form, read_form
from service.audit import note
from service.database.engine import current_time
from service.database.ids import new_id
from service.database.pages import Cursor
from service.database.tables import Job, Video
from service.database.videos import VideoFilter, find_video_by_sha256, list_videos
from service.errors import BlobUnavailableError
from service.jobs import JobRequest, add_job
from service.keys import Caller
from service.leftovers import finish_deletion, remove_leftovers
from service.videos import VideoDescription, add_video, delete_video, find_video, is_stored

router = APIRouter(prefix="/v1/videos", tags=["videos"])

_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FILE],
                    "additionalProperties": False,
                    "properties": {
                        FILE: {
                            "type": "string",
                            "format": "binary",
                            "description": (
                                "MP4, QuickTime, Matroska, WebM, AVI, MPEG (TS or PS) or DV"
                            ),
                        },
                        "subject_reference": {
                            "type": "string",
                            "minLength": 1,
                            "maxLength": 200,
                            "description": "Your own word for the infant",
                            "example": "ward3-0017",
                        },
                        "metadata": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "description": "A JSON object to keep with it, where none is yet",
                            "example": '{"week": 12}',
                        },
                    },
                }
            }
        },
    }
}


@router.post(
    "",
    status_code=201,
    openapi_extra=_FORM,
    responses=documented(
        "upload.malformed", "video.conflict", "video.too_large", "video.unsupported_container",
        "model.unknown", "job.idempotency_conflict", "blob.full", "blob.unavailable", "upload.busy",
    )
    | {200: {"model": UploadAnswer, "description": "These bytes were uploaded before"}},
)  # fmt: skip
async def upload_video(  # noqa: PLR0913 - each is a parameter of the request
    request: Request,
    response: Response,
    service: Parts,
    caller: Writer,
    *,
    extract: Annotated[bool, Query(description="Start a job with it, too")] = False,
    model: ModelName = None,
    idempotency_key: IdempotencyKey = None,
) -> UploadAnswer:
    """Upload a video; `extract=true` starts its extraction, too.

    The same bytes are one video of yours, however often they come.
    """
    service.limits.uploads.take(caller.key_id)
    order = None
    if extract:
        chosen = await run_sync(service.models.pose_model, model, limiter=service.intake.threads)
        order = _Order(model, chosen.manifest.name, idempotency_key)
    form = await read_form(request, service.intake, new_id())
    video, new, job = await run_in_threadpool(_register, service, caller, form, order)
    response.status_code = 201 if new else 200
    response.headers["Location"] = address(request, f"/v1/videos/{video.id}")
    if job is not None:
        response.headers["Link"] = f'<{job_address(request, job.id)}>; rel="related"'
        response.headers["Retry-After"] = str(POLL_AFTER_S)
    started = None if job is None else JobSummary.of(job)
    return UploadAnswer(video=VideoAnswer.of(video), job=started)


@router.get("", responses=documented("list.cursor"))
def show_videos(  # noqa: PLR0913 - each is a parameter of the request
    service: Parts,
    caller: Reader,
    *,
    subject_reference: OfSubject = None,
    created_after: CreatedAfter = None,
    sha256: OfBytes = None,
    cursor: PageCursor = None,
    limit: PageLimit = 50,
) -> VideoList:
    """Your videos, newest first."""
    wanted = VideoFilter(
        subject_reference=subject_reference, created_after=created_after, sha256=sha256
    )
    after = None if cursor is None else Cursor.parse(cursor)
    with service.database.write() as session:
        page = list_videos(session, caller.tenant_id, wanted, cursor=after, limit=limit)
        note(session, caller, "video.list", None, now=current_time(session))
    items = [VideoAnswer.of(video) for video in page.items]
    return VideoList(items=items, next=page.next and page.next.text())


@router.get("/{video_id}", responses=documented("video.not_found"))
def show_video(video_id: VideoId, service: Parts, caller: Reader) -> VideoDetail:
    """One video of yours, and whether its bytes are there."""
    with service.database.write() as session:
        video = find_video(session, caller.tenant_id, video_id)
        note(session, caller, "video.read", video_id, now=current_time(session))
    try:
        stored = is_stored(service.store, video, quickly=True)
    except BlobUnavailableError:
        stored = None
    return VideoDetail(**VideoAnswer.of(video).model_dump(), stored=stored)


@router.delete(
    "/{video_id}", status_code=204, responses=documented("video.not_found", "blob.unavailable")
)
def remove_video(video_id: VideoId, service: Parts, caller: Writer) -> None:
    """Delete a video for good, and all that came from it: jobs, keypoints, stills, films.

    From the first moment on nobody finds any of it. Where the file store does not answer, its files
    go later: by themselves, or when this is asked again.
    """
    with service.database.write() as session:
        now = current_time(session)
        deletion, jobs = delete_video(session, caller.tenant_id, video_id, now=now)
        note(session, caller, "video.delete", video_id, now=now)
        for job_id in jobs:
            note(session, caller, "job.delete", job_id, now=now)
    finish_deletion(service.database, service.store, deletion)


@dataclass(frozen=True)
class _Order:
    """The job that is asked for together with the upload.

    Attributes:
        model: As it was asked for.
        chosen: The model that this is.
        idempotency_key: Of the request.
    """

    model: str | None
    chosen: str
    idempotency_key: str | None


def _register(
    service: Service, caller: Caller, form: Form, order: _Order | None
) -> tuple[Video, bool, Job | None]:
    """Make what arrived a video, with its job; the blob stays only where it is needed."""
    upload, needed = form.upload, False
    try:
        description = _description(form.fields)
        lost_key = _lost_key(service, caller, upload.blob.sha256)
        with service.database.write() as session:
            now = current_time(session)
            video, new = add_video(
                session, caller.tenant_id, upload, description, lost_key=lost_key, now=now
            )
            note(session, caller, "video.create", video.id, now=now)
            job, new_job = None, False
            if order is not None:
                wanted = JobRequest(video_id=video.id, model=order.model)
                job, new_job = add_job(
                    session, caller.tenant_id, wanted, model=order.chosen,
                    idempotency_key=order.idempotency_key, now=now,
                )  # fmt: skip
                note(session, caller, "job.create", job.id, now=now)
            needed = True  # unless told otherwise: of a commit, only the answer may be lost
        needed = video.blob_key == upload.blob.key
        if needed and lost_key is not None:
            remove_leftovers(service.store, [lost_key])  # what may be there of it is not whole
        if job is not None and new_job:
            send_message(service, job)
    finally:
        if not needed:
            remove_leftovers(service.store, [upload.blob.key])
    return video, new, job


def _lost_key(service: Service, caller: Caller, sha256: str) -> str | None:
    """Where the bytes of a known video should lie and do not; None where all is well."""
    with service.database.read() as session:
        known = find_video_by_sha256(session, caller.tenant_id, sha256)
    return None if known is None or is_stored(service.store, known) else known.blob_key


def _description(fields: Mapping[str, str]) -> VideoDescription:
    """What the form says of the video.

    Raises:
        RequestValidationError: A field is unknown, or not what it should be.
    """
    values: dict[str, Any] = dict(fields)
    if "metadata" in values:
        try:
            values["metadata"] = json.loads(values["metadata"])
        except (ValueError, RecursionError):
            wrong = {"loc": ("metadata",), "msg": "expected a JSON object"}
            raise misfit([wrong]) from None
    try:
        return VideoDescription.model_validate(values)
    except ValidationError as error:
        raise misfit(error.errors()) from None
