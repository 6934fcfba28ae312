"""Headers that several routes read or write."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Header, Request

from service.database.tables import Job
from service.jobs import FINISHED

POLL_AFTER_S: Final = 2
"""When a client should ask again for a job that has not ended."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$",
        description="Any text of your own: the same request with the same key makes one job only",
        examples=["3f1c9c3e-7c1b-4f0e-9d9f-1b6a0f6f2d11"],
    ),
]  # fmt: skip
IfNoneMatch = Annotated[
    str | None, Header(description="ETags that you have: an answer that you know is not sent again")
]


def address(request: Request, path: str) -> str:
    """A path of the API as the client has to ask for it, also behind a proxy."""
    return f"{request.scope.get('root_path', '')}{path}"


def job_address(request: Request, job_id: UUID) -> str:
    """Where a job is."""
    return address(request, f"/v1/jobs/{job_id}")


def job_etag(job: Job) -> str:
    """Changes with every change of the job."""
    return f'"{job.revision}"'


def job_headers(job: Job) -> dict[str, str]:
    """What every answer about one job says."""
    headers = {"ETag": job_etag(job), "Cache-Control": "private, no-cache"}
    return headers if job.state in FINISHED else headers | {"Retry-After": str(POLL_AFTER_S)}


def knows(if_none_match: str | None, *etags: str) -> bool:
    """Whether the client has one of these already."""
    if if_none_match is None:
        return False
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in known or not known.isdisjoint(etags)
