"""The connection between a client and the service: asked again while that may help."""

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from service.client_errors import AnswerError, ClientError, ProblemError, UnreachableError

WAIT_S: Final = 20
"""How long one request waits for a job's news."""

_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0, read=WAIT_S + 40.0)
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 10.0
_HASHED_ETAG: Final = re.compile(r'"([0-9a-f]{64})(-gzip)?"')
_MAY_PASS: Final = (429, 502, 503, 504)

_Answer = TypeVar("_Answer", bound=BaseModel)
_Got = TypeVar("_Got")


class Connection:
    """Requests to one service with one API key. All of them can be repeated, and are.

    Args:
        url: Where the service is.
        key: The API key.
        patience_s: How long a service that has answered once and does not now is asked again.
        transport: How bytes get there; the network when not given.

    Raises:
        ClientError: The key cannot be one.
    """

    def __init__(
        self, url: str, key: str, *, patience_s: float, transport: httpx.BaseTransport | None
    ) -> None:
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            raise ClientError("expected an API key, got something else", "key.invalid")
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT,
            transport=transport,
            trust_env=urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"),
        )
        self._patience_s = patience_s
        self._reached = False

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def answer(self, method: str, address: str, **words: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """The answer to a request.

        Raises:
            ClientError: There is none, or a problem.
        """
        return self._patiently(lambda: self._once(method, address, **words))

    def ask(self, kind: type[_Answer], method: str, address: str, **words: Any) -> _Answer:  # noqa: ANN401 - likewise
        """The answer to a request, read.

        Raises:
            ClientError: There is none, a problem, or another answer than expected.
        """
        return read_answer(kind, self.answer(method, address, **words))

    def fetch(self, address: str, params: Mapping[str, str], path: Path) -> None:
        """Fetch a file; `path` has it whole, or is left as it was.

        Raises:
            OSError: It cannot be written there.
            ClientError: There is no answer, or a problem.
        """
        self._patiently(lambda: self._fetch_once(address, params, path))

    def _fetch_once(self, address: str, params: Mapping[str, str], path: Path) -> None:
        with (
            _errors_are_typed(),
            self._http.stream("GET", address, params=params, follow_redirects=True) as answer,
            _written_aside(path) as aside,
        ):
            if answer.is_error:
                answer.read()
            _check(answer)
            hashed = hashlib.sha256()
            for piece in answer.iter_bytes(1 << 20):
                hashed.update(piece)
                aside.write(piece)
            wanted = _HASHED_ETAG.fullmatch(answer.headers.get("ETag", ""))
            if wanted and wanted[1] != hashed.hexdigest():
                raise UnreachableError(f"{path.name} was damaged on its way")

    def _once(self, method: str, address: str, **words: Any) -> httpx.Response:  # noqa: ANN401 - likewise
        with _errors_are_typed():
            answer = self._http.request(method, address, **words)
        _check(answer)
        return answer

    def _patiently(self, ask: Callable[[], _Got]) -> _Got:
        """Ask again while that may help, ever more seldom."""
        began_s, pause_s = time.monotonic(), _FIRST_PAUSE_S
        while True:
            try:
                got = ask()
            except (ProblemError, UnreachableError) as error:
                self._reached |= isinstance(error, ProblemError)
                wait_s = max(
                    pause_s,
                    (error.retry_after_s or 0.0) if isinstance(error, ProblemError) else 0.0,
                )
                late = time.monotonic() + wait_s > began_s + self._patience_s
                # What never answered is more likely a wrong address than one that starts again.
                if not self._reached or not _may_pass(error) or late:
                    raise
            else:
                self._reached = True
                return got
            time.sleep(wait_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _may_pass(error: ProblemError | UnreachableError) -> bool:
    return isinstance(error, UnreachableError) or error.retry_after_s is not None


@contextmanager
def _errors_are_typed() -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        reason = str(error) or type(error).__name__
        raise UnreachableError(f"the service cannot be reached: {reason}") from error
    except (httpx.InvalidURL, httpx.RequestError) as error:
        raise AnswerError(f"expected the address of a service: {error}") from error


@contextmanager
def _written_aside(path: Path) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its place when the block ends well."""
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("wb") as file:
            yield file
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _check(answer: httpx.Response) -> None:
    """Raise what the service complains about.

    Raises:
        ProblemError: It does.
        AnswerError: Something else answers.
    """
    if answer.is_success or answer.status_code == httpx.codes.NOT_MODIFIED:
        return
    status = answer.status_code
    may_pass = status in _MAY_PASS
    retry_after_s = (pause_asked_for_s(answer) or 0.0) if may_pass else None
    try:
        said = answer.json()
        detail, code, title = (str(said[name]) for name in ("detail", "code", "title"))
        request_id = str(said["request_id"])
    except (ValueError, KeyError, TypeError):
        if not may_pass:
            raise AnswerError(f"expected an answer of AggPose's API, got status {status}") from None
        # A proxy speaks for a service that is away.
        detail, code, title, request_id = f"status {status}", "server.unreachable", "", ""
    raise ProblemError(
        detail, code, title=title, status=status, request_id=request_id,
        retry_after_s=retry_after_s,
    )  # fmt: skip


def pause_asked_for_s(answer: httpx.Response) -> float | None:
    """Seconds after which the service wants to be asked again, where it says so."""
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def read_answer(kind: type[_Answer], answer: httpx.Response) -> _Answer:
    """An answer's content.

    Raises:
        AnswerError: It is another than expected.
    """
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as error:
        raise AnswerError("expected an answer of AggPose's API, got another") from error
