"""Routes of health: whether the process lives, and whether the service can work."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel

from service.api.context import Parts, Service
from service.api.problems import MEDIA_TYPE, Problem
from service.database.engine import current_time
from service.database.workers import list_workers
from service.errors import NotReadyError, ServiceError
from service.queue import EXTRACT_QUEUE, PREVIEW_QUEUE

router = APIRouter(tags=["health"])

_PROBLEM: Final[dict[int | str, dict[str, Any]]] = {
    503: {
        "model": Problem,
        "description": "`service.not_ready`: `errors` says what is missing",
        "content": {MEDIA_TYPE: {}},
    }
}


class Health(BaseModel):
    """The service is well."""

    status: Literal["ok"] = "ok"


@router.get("/healthz")
async def alive() -> Health:
    """Whether the process lives; it says nothing of what it needs."""
    return Health()


@router.get("/readyz", responses=_PROBLEM)
def ready(service: Parts) -> Health:
    """Whether database, broker and file store answer, and workers were seen lately."""
    checks: dict[str, Callable[[], None]] = {
        "database": service.database.check,
        "broker": service.queue.check,
        "files": service.store.check,
    }
    missing = {}
    for name, check in checks.items():
        try:
            check()
        except ServiceError as error:
            missing[name] = error.code
    if "database" not in missing:
        missing |= _missing_workers(service)
    if missing:
        raise NotReadyError(missing)
    return Health()


def _missing_workers(service: Service) -> dict[str, str]:
    """The queues that no worker was seen at since two heartbeats and a sweep."""
    with service.database.read() as session:
        since = current_time(session) - timedelta(seconds=service.settings.lease_s)
        seen = {worker.queue for worker in list_workers(session, seen_after=since)}
    needed = {EXTRACT_QUEUE, PREVIEW_QUEUE}
    served = {queue for names in seen for queue in names.split(",")}
    return {f"worker:{queue}": "worker.none_seen" for queue in sorted(needed - served)}
