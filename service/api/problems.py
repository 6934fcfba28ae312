"""Errors as answers: every one is an RFC 9457 problem document with a code that never changes."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from service.errors import NotReadyError, RateLimitError, ServiceError
from service.log_lines import facts_of_request

MEDIA_TYPE: Final = "application/problem+json"
CRASHED: Final = "service.crashed"

_log = logging.getLogger(__name__)

PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    "request.malformed": (400, "The request cannot be read"),
    "upload.malformed": (400, "The upload cannot be read"),
    "key.missing": (401, "An API key is needed"),
    "key.invalid": (401, "The API key is not valid"),
    "key.scope": (403, "The API key may not do this"),
    "route.not_found": (404, "There is nothing at this address"),
    "video.not_found": (404, "There is no such video"),
    "job.not_found": (404, "There is no such job"),
    "model.unknown": (404, "There is no such model"),
    "preview.not_found": (404, "There is no still of this frame"),
    "blob.missing": (404, "The file is gone"),
    "route.method_not_allowed": (405, "This cannot be done at this address"),
    "video.conflict": (409, "The video is known as another infant's"),
    "job.finished": (409, "The job has ended"),
    "job.not_retryable": (409, "The job cannot be tried again"),
    "series.not_ready": (409, "The series is not ready"),
    "result.not_ready": (409, "The result is not ready"),
    "request.too_large": (413, "The request is too large"),
    "video.too_large": (413, "The video is too large"),
    "video.unsupported_container": (415, "The file is no video that can be read"),
    "range.not_satisfiable": (416, "The file has no such range"),
    "request.invalid": (422, "The request does not fit"),
    "list.cursor": (422, "The cursor is not valid"),
    "job.idempotency_conflict": (422, "The idempotency key was used before"),
    "rate.limited": (429, "Too many requests"),
    CRASHED: (500, "The service has failed"),
    "database.unavailable": (503, "The database does not answer"),
    "blob.unavailable": (503, "The file store does not answer"),
    "upload.busy": (503, "Too many uploads at this moment"),
    "queue.unavailable": (503, "The broker does not answer"),
    "service.not_ready": (503, "The service is not ready"),
    "blob.full": (507, "There is no room left for files"),
}
"""Status and title of every code that the API answers with."""

_BY_STATUS: Final = {
    400: "request.malformed",
    404: "route.not_found",
    405: "route.method_not_allowed",
    413: "request.too_large",
}
"""Codes of what the framework itself refuses."""


class ProblemError(BaseModel):
    """One thing that is wrong with a request."""

    location: str
    """Where, as in `query.limit` or `body.parameters.window`."""

    message: str
    """What was expected."""


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:aggpose:problem:job.not_found",
                    "title": "There is no such job",
                    "status": 404,
                    "detail": "there is no job 01970000-0000-7000-8000-000000000000",
                    "instance": "/v1/jobs/01970000-0000-7000-8000-000000000000",
                    "code": "job.not_found",
                    "errors": [],
                    "request_id": "5f2b8c0e6d3b4c1f",
                }
            ]
        },
    )

    type: str
    """A name for the kind of problem: `urn:aggpose:problem:` and the code."""
    title: str
    """The kind in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What happened here, for people."""
    instance: str
    """The path that was asked for."""
    code: str
    """Stable, for machines."""
    errors: list[ProblemError] = []
    """What is wrong where, when a request does not fit."""
    request_id: str
    """Finds this request in the service's logs."""


def problem(
    path: str,
    code: str,
    detail: str | None = None,
    *,
    errors: Sequence[ProblemError] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer for a code; without a detail, the title says it all."""
    status, title = PROBLEMS[code]
    facts = facts_of_request()
    facts.problem = code
    content = Problem(
        type=f"urn:aggpose:problem:{code}",
        title=title,
        status=status,
        detail=detail or title,
        instance=path,
        code=code,
        errors=list(errors),
        request_id=facts.request_id,
    )
    return JSONResponse(content.model_dump(), status, headers, media_type=MEDIA_TYPE)


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The problems of a route for its documentation, beside those that every route may have."""
    always = ("key.missing", "key.scope", "request.invalid", "rate.limited")
    found: dict[int, list[str]] = {}
    for code in (*always, CRASHED, "database.unavailable", *codes):
        found.setdefault(PROBLEMS[code][0], []).append(code)
    return {
        status: {
            "description": " or ".join(f"`{code}`" for code in found[status]),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted(found)
    }


def answer_errors(app: FastAPI) -> None:
    """Have the app answer every error with a problem."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)


def crashed(path: str) -> JSONResponse:
    """The answer when nobody knows what happened; the logs do."""
    return problem(path, CRASHED, "Please try again, or tell the service's operator the request_id")


async def _service_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServiceError)  # noqa: S101 - as it was registered
    path = request.url.path
    if error.code not in PROBLEMS:
        raise error
    status, _ = PROBLEMS[error.code]
    if status >= 500:
        # What is wrong inside is the operator's business, and may name machines.
        _log.error("%s: %s", error.code, error)
    headers, errors = {}, []
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 503:
        headers["Retry-After"] = "5"
    if isinstance(error, RateLimitError):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s + 0.5)))
    if isinstance(error, NotReadyError):
        errors = [ProblemError(location=at, message=m) for at, m in error.missing.items()]
    detail = None if status >= 500 else str(error)
    return problem(path, error.code, detail, errors=errors, headers=headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError | ValidationError)  # noqa: S101 - likewise
    # Without the values: they may be anything.
    errors = [
        ProblemError(location=_location(one["loc"]), message=one["msg"])
        for one in error.errors()
        if one.get("type") != "none_required"  # "or nothing at all", of each that may be left out
    ]
    detail = "; ".join(f"{one.location}: {one.message}" for one in errors)
    return problem(request.url.path, "request.invalid", detail, errors=errors)


def _location(place: tuple[int | str, ...]) -> str:
    """Where something is wrong, in the client's words: behind a parameter's name come our own."""
    in_body = place[:1] == ("body",)
    return ".".join(map(str, place if in_body else place[:2]))


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - likewise
    code = _BY_STATUS.get(error.status_code, "request.malformed")
    headers = error.headers
    if error.status_code == 405:
        headers = {"Allow": ", ".join(sorted(_methods(request)))}
    return problem(request.url.path, code, headers=headers)


def _methods(request: Request) -> set[str]:
    """What can be done at this address; the framework names the first route's methods alone."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    methods = set()
    for template, known in request.app.openapi()["paths"].items():
        regex, _, _ = compile_path(template)
        if regex.match(path):
            methods |= {method.upper() for method in known}
    return methods or {"GET"}  # the documentation's own addresses
