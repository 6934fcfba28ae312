"""The route of events: a job's news as they happen, as server-sent events."""

import time
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from service.api.auth import Reader
from service.api.context import Parts, Service
from service.api.jobs import look_again
from service.api.parameters import JobId, LastEventId
from service.api.problems import documented
from service.api.schemas import JobSummary
from service.database.tables import Job
from service.errors import JobNotFoundError, KeyInvalidError
from service.jobs import FINISHED
from service.keys import Caller
from service.log_lines import facts_of_request

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"])

SILENCE_S: Final = 15.0
"""After so long without news a comment is sent, so that no proxy thinks the connection dead."""
LONGEST_S: Final = 900.0
"""A stream ends after so long, and the client comes back: none is held for ever."""
_AGAIN_MS: Final = 2000

_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "event": {"const": "job"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/JobSummary"},
        },
        "retry": {"type": "integer"},
    },
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Events `job` with the job as data and its revision as id; the last one is"
        " the end's",
        "content": {"text/event-stream": {"schema": _EVENT}},
    },
    204: {"description": "The job has ended and you know it: do not come back"},
}


@router.get(
    "/events", response_class=StreamingResponse, responses=documented("job.not_found") | _RESPONSES
)
async def follow(
    job_id: JobId,
    service: Parts,
    caller: Reader,
    last_event_id: LastEventId = None,
) -> Response:
    """A job's news as they happen, from now or from the last event that you have got.

    Each event is the whole job, so what happened between two of them is not missed.
    """
    facts_of_request().job_id = job_id
    known = None if last_event_id is None else int(last_event_id)
    job = await run_in_threadpool(look_again, service, caller, job_id)
    if job.state in FINISHED and job.revision == known:
        return Response(status_code=204)
    news = _news(service, caller, job, known)
    return StreamingResponse(news, media_type="text/event-stream")


async def _news(
    service: Service, caller: Caller, job: Job, known: int | None
) -> AsyncIterator[bytes]:
    """The events, until the job or the key has ended, or the stream has lasted long enough."""
    until_s = time.monotonic() + LONGEST_S
    yield f"retry: {_AGAIN_MS}\n\n".encode()
    while time.monotonic() < until_s:
        if job.revision != known:
            known = job.revision
            yield f"id: {known}\nevent: job\ndata: {_data(job)}\n\n".encode()
        else:
            yield b": nothing new\n\n"
        if job.state in FINISHED:
            return
        await service.watch.changed(job.id, known, SILENCE_S)
        try:
            job = await run_in_threadpool(look_again, service, caller, job.id)
        except (JobNotFoundError, KeyInvalidError):
            return


def _data(job: Job) -> str:
    return JobSummary.of(job).model_dump_json()
