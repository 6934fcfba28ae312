"""Who asks: the bearer token of a request becomes a caller, or the request is refused."""

from typing import Annotated, Final

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.api.context import Parts
from service.database import tenants
from service.database.engine import current_time
from service.errors import KeyMissingError
from service.keys import Caller, recognise
from service.log_lines import facts_of_request

_BEARER: Final = HTTPBearer(
    auto_error=False, scheme_name="API key", description="`Authorization: Bearer aggpose_...`"
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]


def _caller(service: Parts, credentials: Credentials) -> Caller:
    """The caller, with any scope.

    Raises:
        KeyMissingError: The request has no bearer token.
        KeyInvalidError: The token is no key, or was revoked.
        RateLimitError: The key asks too often.
    """
    if credentials is None:
        raise KeyMissingError("expected the header Authorization: Bearer and an API key")
    facts = facts_of_request()
    with service.database.read() as session:
        key = recognise(session, credentials.credentials)
        now = current_time(session)
    facts.tenant_id, facts.key_id = key.tenant_id, key.id
    service.limits.requests.take(key.id)
    if tenants.last_use_is_old(key, now):
        with service.database.write() as session:
            tenants.touch_key(session, key.id, now=now)
    return Caller(key.tenant_id, key.id, frozenset(key.scopes), facts.request_id)


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
