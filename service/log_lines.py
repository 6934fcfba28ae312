"""Logs as lines of JSON, with what belongs together marked by request, tenant and job.

No line holds a file's name, a key, an address with its query, or anything that a client wrote:
messages are this program's own words, and of unknown errors only the kind and the place are told.
"""

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final
from uuid import UUID

from service.errors import ServiceError


@dataclass
class RequestFacts:
    """What is known of the request that is being answered; filled in on the way.

    Attributes:
        request_id: In every line and answer.
        tenant_id: Once the key was recognised.
        key_id: Likewise.
        job_id: Where the request is about a job.
        problem: The code of the problem that it was answered with.
    """

    request_id: str
    tenant_id: UUID | None = None
    key_id: UUID | None = None
    job_id: UUID | None = None
    problem: str | None = None


_NOWHERE: Final = RequestFacts("-")
_facts: ContextVar[RequestFacts] = ContextVar("facts", default=_NOWHERE)


def facts_of_request() -> RequestFacts:
    """Those of the request that this code answers."""
    return _facts.get()


def begin_request(facts: RequestFacts) -> None:
    """From here on, and in what is called from here, this request is answered."""
    _facts.set(facts)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        facts = facts_of_request()
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if facts is not _NOWHERE:
            line |= {"request_id": facts.request_id}
            ids = {"tenant_id": facts.tenant_id, "key_id": facts.key_id, "job_id": facts.job_id}
            line |= {name: str(value) for name, value in ids.items() if value is not None}
        line |= getattr(record, "facts", {})
        if record.exc_info and record.exc_info[1] is not None:
            line |= _error(record.exc_info[1], record.exc_info[2])
        return json.dumps(line, default=str)


def configure_logging(level: str) -> None:
    """Write JSON lines to standard error, from here on and from every library."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _error(error: BaseException, trace: TracebackType | None) -> dict[str, Any]:
    """An error's kind and place; its words only where they are the service's own."""
    frames = traceback.extract_tb(trace)
    told = {"error": type(error).__qualname__, "at": [f"{f.name}:{f.lineno}" for f in frames[-12:]]}
    return told | ({"detail": str(error)} if isinstance(error, ServiceError) else {})
