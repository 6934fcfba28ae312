"""The route of frames: raw keypoints in pages, also while a job runs."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from model.spec.sequence_header import read_header
from model.spec.sequence_json import JsonWriter
from service.api.auth import Reader
from service.api.context import Parts
from service.api.parameters import BehindFrame, FirstFrame, FrameCursor, JobId
from service.api.problems import documented
from service.audit import note
from service.database.engine import current_time
from service.database.frames import read_block
from service.jobs import find_job
from service.log_lines import facts_of_request

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["results"])

_PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Frames as in keypoints.json, and the `cursor` of the next page; null where"
        " there are no more frames yet",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["items", "next"],
                    "properties": {
                        "items": {"type": "array", "items": {"type": "object"}},
                        "next": {"type": ["string", "null"]},
                    },
                }
            }
        },
    }
}


@router.get("/frames", response_class=Response, responses=documented("job.not_found") | _PAGE)
def frames(  # noqa: PLR0913 - each is a parameter of the request
    job_id: JobId,
    service: Parts,
    caller: Reader,
    *,
    first: FirstFrame = 0,
    behind: BehindFrame = None,
    cursor: FrameCursor = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Frames of a page")] = 100,
) -> Response:
    """The raw frames so far, in pages."""
    facts_of_request().job_id = job_id
    start = first if cursor is None else int(cursor)
    with service.database.write() as session:
        job = find_job(session, caller.tenant_id, job_id)
        block = read_block(session, job_id, start=start, stop=behind, limit=limit + 1)
        note(session, caller, "frames.read", job_id, now=current_time(session))
    if block is None or job.header is None:
        return _page(b"", None)
    following = str(block.frame_index[limit]) if len(block) > limit else None
    rows = JsonWriter(read_header(job.header)).rows(block[:limit])
    return _page(b"".join(rows), following)


def _page(items: bytes, following: str | None) -> Response:
    """A page whose frames are text already: the same bytes as in keypoints.json."""
    cursor = b"null" if following is None else f'"{following}"'.encode()
    content = b'{"items":[' + items + b'\n],"next":' + cursor + b"}\n"
    return Response(content, media_type="application/json")
