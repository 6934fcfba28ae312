"""Headers that several routes read or write."""

from typing import Final
from uuid import UUID

from fastapi import Request

from service.database.tables import Job
from service.jobs import FINISHED

POLL_AFTER_S: Final = 2
"""When a client should ask again for a job that has not ended."""


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
