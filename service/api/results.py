"""Routes of what a job leaves beside its keypoints: masked stills and film, and their quality."""

import hashlib
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from service.api.auth import Reader
from service.api.context import Parts, Service
from service.api.downloads import FILE_RESPONSES, download
from service.api.headers import knows
from service.api.parameters import IfNoneMatch, JobId, StillFrame
from service.api.problems import documented
from service.api.schemas import Stills
from service.audit import Action, note
from service.database.engine import current_time
from service.database.results import find_preview, list_previews
from service.errors import StillNotFoundError
from service.jobs import find_job
from service.keys import Caller
from service.log_lines import facts_of_request
from service.results import FileKind, find_file

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["results"])

_PROBLEMS = documented(
    "job.not_found", "result.not_ready", "range.not_satisfiable", "blob.missing", "blob.unavailable"
)


def _responses(media_type: str) -> dict[int | str, dict[str, Any]]:
    schema = (
        {"type": "object"}
        if media_type == "application/json"
        else {"type": "string", "format": "binary"}
    )
    whole = {"description": "The file", "content": {media_type: {"schema": schema}}}
    return _PROBLEMS | FILE_RESPONSES | {200: whole}


@router.head("/preview.mp4", response_class=Response, responses=_responses("video/mp4"))
@router.get("/preview.mp4", response_class=Response, responses=_responses("video/mp4"))
def preview_film(job_id: JobId, request: Request, service: Parts, caller: Reader) -> Response:
    """The preview film, in which nobody can be recognised."""
    return _file(request, service, caller, job_id, "preview.mp4", "preview.read")


@router.head("/preview.masks.csv", response_class=Response, responses=_responses("text/csv"))
@router.get("/preview.masks.csv", response_class=Response, responses=_responses("text/csv"))
def preview_masks(job_id: JobId, request: Request, service: Parts, caller: Reader) -> Response:
    """What covers each frame of the preview film, and why: the proof that it is masked."""
    return _file(request, service, caller, job_id, "preview.masks.csv", "preview.read")


@router.head("/quality.json", response_class=Response, responses=_responses("application/json"))
@router.get("/quality.json", response_class=Response, responses=_responses("application/json"))
def quality_figures(job_id: JobId, request: Request, service: Parts, caller: Reader) -> Response:
    """How good the recording and its keypoints are, in numbers."""
    return _file(request, service, caller, job_id, "quality.json", "quality.read")


@router.head("/quality.png", response_class=Response, responses=_responses("image/png"))
@router.get("/quality.png", response_class=Response, responses=_responses("image/png"))
def quality_page(job_id: JobId, request: Request, service: Parts, caller: Reader) -> Response:
    """How good the recording and its keypoints are, on one page."""
    return _file(request, service, caller, job_id, "quality.png", "quality.read")


@router.get("/previews", responses=documented("job.not_found"))
def stills(job_id: JobId, service: Parts, caller: Reader) -> Stills:
    """The frames of which there is a masked still: `/previews/{frame}.jpg`."""
    facts_of_request().job_id = job_id
    with service.database.write() as session:
        find_job(session, caller.tenant_id, job_id)
        frames = list_previews(session, job_id)
        note(session, caller, "still.list", job_id, now=current_time(session))
    return Stills(frames=list(frames))


_STILL = documented("job.not_found", "preview.not_found") | {
    200: {
        "description": "The still",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "You know this already"},
}


@router.head("/previews/{frame}.jpg", response_class=Response, responses=_STILL)
@router.get("/previews/{frame}.jpg", response_class=Response, responses=_STILL)
def still(
    job_id: JobId,
    frame: StillFrame,
    service: Parts,
    caller: Reader,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One frame as a picture in which nobody can be recognised."""
    facts_of_request().job_id = job_id
    with service.database.write() as session:
        find_job(session, caller.tenant_id, job_id)
        jpeg = find_preview(session, job_id, frame)
        if jpeg is None:
            raise StillNotFoundError(f"job {job_id} has no still of frame {frame}")
        note(session, caller, "still.read", job_id, now=current_time(session))
    etag = f'"{hashlib.sha256(jpeg).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if knows(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    return Response(jpeg, headers=headers, media_type="image/jpeg")


def _file(  # noqa: PLR0913, PLR0917 - whose, of what, and what the audit calls it
    request: Request,
    service: Service,
    caller: Caller,
    job_id: UUID,
    kind: FileKind,
    action: Action,
) -> Response:
    facts_of_request().job_id = job_id
    with service.database.write() as session:
        job = find_job(session, caller.tenant_id, job_id)
        artifact = find_file(session, job, kind)
        note(session, caller, action, job_id, now=current_time(session))
    return download(request, service.store, artifact, name=f"{job_id}-{kind}")
