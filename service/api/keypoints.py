"""Routes of keypoints: the finished files, or the raw frames so far while a job runs."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from model.spec.sequence import Series
from service.api.auth import Reader
from service.api.context import Parts, Service
from service.api.downloads import FILE_RESPONSES, download, stream
from service.api.parameters import BehindFrame, FirstFrame, JobId
from service.api.problems import documented
from service.audit import note
from service.database.engine import current_time
from service.jobs import find_job
from service.keys import Caller
from service.log_lines import facts_of_request
from service.results import Form, StoredFrames, find_keypoints, keypoints_kind
from service.spans import Span, cut

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["results"])

_MEDIA_TYPES: Final[dict[Form, str]] = {"csv": "text/csv", "json": "application/json"}
_SERIES = Query(description="`raw` as the model gave it; `filtered` comes when the job has ended")
_PROBLEMS = documented(
    "job.not_found", "series.not_ready", "range.not_satisfiable", "blob.missing", "blob.unavailable"
)


def _responses(form: Form) -> dict[int | str, dict[str, Any]]:
    content = {_MEDIA_TYPES[form]: {"schema": {"type": "string" if form == "csv" else "object"}}}
    whole = {"description": "docs/formats.md says what is in it", "content": content}
    return _PROBLEMS | FILE_RESPONSES | {200: whole}


@router.head("/keypoints.csv", response_class=Response, responses=_responses("csv"))
@router.get("/keypoints.csv", response_class=Response, responses=_responses("csv"))
def keypoints_csv(  # noqa: PLR0913 - each is a parameter of the request
    job_id: JobId,
    request: Request,
    service: Parts,
    caller: Reader,
    *,
    series: Annotated[Series, _SERIES] = "raw",
    first: FirstFrame = 0,
    behind: BehindFrame = None,
) -> Response:
    """Keypoints as CSV, one line a frame.

    Of a finished job this is a file with an ETag and ranges; of a running job the raw frames so
    far. `from` and `to` take a part of the frames.
    """
    return _keypoints(request, service, caller, job_id, series, "csv", Span(first, behind))


@router.head("/keypoints.json", response_class=Response, responses=_responses("json"))
@router.get("/keypoints.json", response_class=Response, responses=_responses("json"))
def keypoints_json(  # noqa: PLR0913 - each is a parameter of the request
    job_id: JobId,
    request: Request,
    service: Parts,
    caller: Reader,
    *,
    series: Annotated[Series, _SERIES] = "raw",
    first: FirstFrame = 0,
    behind: BehindFrame = None,
) -> Response:
    """Keypoints as JSON, with what made them.

    Of a finished job this is a file with an ETag and ranges; of a running job the raw frames so
    far. `from` and `to` take a part of the frames.
    """
    return _keypoints(request, service, caller, job_id, series, "json", Span(first, behind))


def _keypoints(  # noqa: PLR0913, PLR0917 - whose, what and how much
    request: Request,
    service: Service,
    caller: Caller,
    job_id: UUID,
    series: Series,
    form: Form,
    span: Span,
) -> Response:
    facts_of_request().job_id = job_id
    with service.database.write() as session:
        job = find_job(session, caller.tenant_id, job_id)
        found = find_keypoints(session, job, series, form)
        note(session, caller, "keypoints.read", job_id, now=current_time(session))
    name = f"{job_id}-{keypoints_kind(series, form)}"
    if isinstance(found, StoredFrames):
        content = found.within(span).written(service.database, form)
    elif span.is_all:
        return download(request, service.store, found, name=name)
    elif request.method == "HEAD":
        service.store.size(found.blob_key)  # so that a missing one is missed here too
        content = iter(())
    else:
        content = cut(service.store.open(found.blob_key), form, span)
    return stream(request, content, service.turns, media_type=_MEDIA_TYPES[form], name=name)
