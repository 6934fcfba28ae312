"""The outermost layer: every request gets an id, a line in the log, a measure, and an answer."""

import logging
import re
import secrets
import time
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.metrics import RequestMetrics
from service.api.problems import crashed, problem
from service.log_lines import RequestFacts, begin_request, facts_of_request

MOST_BODY_BYTES: Final = 64 << 10
"""Of every request that is not an upload."""
UPLOADS: Final = "/v1/videos"

_log = logging.getLogger(__name__)
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestEdge:
    """What stands around the app.

    Args:
        app: What answers.
        metrics: What counts.
    """

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        begin_request(RequestFacts(request_id))
        answer = _Answer(send, request_id)
        started_s = time.perf_counter()
        try:
            await self._answer(scope, receive, answer, headers)
        except ClientDisconnect:
            _log.info("a client went away in the middle of its request")
        except Exception:
            _log.exception("a request failed")
            if answer.status is not None:
                raise  # half an answer is out: the connection has to break, so that it shows
            await crashed(scope["path"])(scope, receive, answer)
        finally:
            self._note(scope, answer.status, time.perf_counter() - started_s)

    async def _answer(
        self, scope: Scope, receive: Receive, answer: "_Answer", headers: dict[bytes, bytes]
    ) -> None:
        """Answer, with a limit on the body of whatever is not an upload."""
        upload = scope["method"] == "POST" and scope["path"].endswith(UPLOADS)
        if upload:
            await self._app(scope, receive, answer)
            return
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > MOST_BODY_BYTES:
            refusal = problem(scope["path"], "request.too_large", headers={"Connection": "close"})
            await refusal(scope, receive, answer)
            return
        await self._app(scope, _Limited(receive), answer)

    def _note(self, scope: Scope, status: int | None, seconds: float) -> None:
        """Count the request and log it, by its route: an address may hold anything."""
        route = getattr(scope.get("route"), "path", "-")
        self._metrics.count(scope["method"], route, status or 499, seconds)
        problem_code = facts_of_request().problem
        facts = {
            "method": scope["method"], "route": route, "status": status,
            "seconds": round(seconds, 4),
        } | ({"code": problem_code} if problem_code else {})  # fmt: skip
        _log.info("request", extra={"facts": facts})


class _Answer:
    """Sends an answer on, with the headers that every one has."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message.setdefault("headers", [])
            headers.append((b"x-request-id", self._request_id.encode()))
            headers.append((b"x-content-type-options", b"nosniff"))
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
        await self._send(message)


class _Limited:
    """Receives a body, up to a limit."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = MOST_BODY_BYTES

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise HTTPException(413)
        return message
