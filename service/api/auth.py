"""Who asks: the bearer token of a request becomes a caller, or the request is refused."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Annotated, Final

from anyio.to_thread import run_sync
from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from service.api.context import Parts, Service
from service.database import tenants
from service.database.engine import current_time
from service.database.tables import ApiKey
from service.errors import KeyMissingError
from service.keys import Caller, recognise
from service.log_lines import facts_of_request

_BEARER: Final = HTTPBearer(
    auto_error=False, scheme_name="API key", description="`Authorization: Bearer aggpose_...`"
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]


async def _token(credentials: Credentials) -> str:
    """The request's bearer token, whatever it is.

    Raises:
        KeyMissingError: There is none.
    """
    if credentials is None:
        raise KeyMissingError("expected the header Authorization: Bearer and an API key")
    return credentials.credentials


Token = Annotated[str, Depends(_token)]
"""A bearer token of which nobody knows yet whose it is: see `reading_as`."""


@contextmanager
def reading_as(service: Service, token: str) -> Iterator[tuple[Session, Caller]]:
    """A session to read in, whose first look says who asks, with any scope.

    For the route that is asked most: who asks and what is asked for in one session and one thread.

    Raises:
        KeyInvalidError: The token is no key, or was revoked.
        RateLimitError: The key asks too often.
    """
    facts = facts_of_request()
    with ExitStack() as afterwards, service.database.read() as session:
        key = recognise(session, token)
        facts.tenant_id, facts.key_id = key.tenant_id, key.id
        service.limits.requests.take(key.id)
        afterwards.callback(_note_use, service, key)
        yield session, Caller(key.tenant_id, key.id, frozenset(key.scopes), facts.request_id)


def _note_use(service: Service, key: ApiKey) -> None:
    # By this machine's clock, which is good enough to say whether a minute is over.
    if tenants.last_use_is_old(key, datetime.now(UTC)):
        with service.database.write() as session:
            tenants.touch_key(session, key.id, now=current_time(session))


async def _caller(service: Parts, token: Token) -> Caller:
    """The caller, with any scope."""
    return await run_sync(_recognised, service, token, limiter=service.doors)


def _recognised(service: Service, token: str) -> Caller:
    with reading_as(service, token) as (_, caller):
        return caller


_Caller = Annotated[Caller, Depends(_caller)]


async def _reader(caller: _Caller) -> Caller:
    caller.need("read")
    return caller


async def _writer(caller: _Caller) -> Caller:
    caller.need("write")
    return caller


async def _administrator(caller: _Caller) -> Caller:
    caller.need("admin")
    return caller


Reader = Annotated[Caller, Depends(_reader)]
"""A caller that may read."""
Writer = Annotated[Caller, Depends(_writer)]
"""A caller that may upload, start, stop and delete."""
Administrator = Annotated[Caller, Depends(_administrator)]
"""A caller that may see the whole service's figures."""
