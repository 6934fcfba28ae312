"""API keys: made, shown once, recognised, ended. Of a key's secret only a hash is ever kept.

A key reads `aggpose_<prefix>_<secret>`: the prefix is open and finds the row, the secret has 256
random bits. So many cannot be guessed, which is why one round of SHA-256 is hash enough.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from sqlalchemy.orm import Session

from service.database import tenants
from service.database.tables import ApiKey
from service.errors import KeyInvalidError, KeyNotFoundError, KeyScopeError

Scope = Literal["read", "write", "admin"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "write", "admin")

_FORM: Final = re.compile(r"aggpose_([a-z2-7]{12})_([A-Za-z0-9_-]{43})")
_NO_HASH: Final = bytes(32)


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        tenant_id: Whose things it may see.
        key_id: By which key.
        scopes: What it may do.
        request_id: As in the logs.
    """

    tenant_id: UUID
    key_id: UUID
    scopes: frozenset[str]
    request_id: str

    def need(self, scope: Scope) -> None:
        """Make sure that the key may do this.

        Raises:
            KeyScopeError: It may not.
        """
        if scope not in self.scopes:
            raise KeyScopeError(f"this needs an API key with the scope {scope!r}")


@dataclass(frozen=True, repr=False)
class NewKey:
    """A key that was just made.

    Attributes:
        row: What is kept of it.
        text: The key itself: shown once, and known to nobody afterwards.
    """

    row: ApiKey
    text: str


def create_key(
    session: Session, *, tenant: str, name: str, scopes: Sequence[Scope], now: datetime
) -> NewKey:
    """Make a key for a tenant, which is made too when it is not there.

    Args:
        session: Where it is stored.
        tenant: The tenant's name.
        name: What the key is for, in the tenant's words.
        scopes: What it may do.
        now: When.
    """
    prefix = base64.b32encode(secrets.token_bytes(8))[:12].decode().lower()
    secret = secrets.token_urlsafe(32)
    row = ApiKey(
        tenant_id=tenants.add_tenant(session, name=tenant, now=now).id,
        name=name,
        prefix=prefix,
        secret_hash=_hash(secret),
        scopes=[scope for scope in SCOPES if scope in scopes],
        created_at=now,
    )
    tenants.add_key(session, row)
    return NewKey(row, f"aggpose_{prefix}_{secret}")


def recognise(session: Session, text: str) -> ApiKey:
    """The row of a key that is valid now.

    Takes as long for a key that is not there as for one whose secret is wrong.

    Raises:
        KeyInvalidError: It is no key, or was revoked.
    """
    form = _FORM.fullmatch(text)
    prefix, secret = form.groups() if form else ("", text)
    row = tenants.find_key(session, prefix=prefix)
    same = hmac.compare_digest(_NO_HASH if row is None else row.secret_hash, _hash(secret))
    if row is None or not same or row.revoked_at is not None:
        raise KeyInvalidError("the API key is unknown or was revoked")
    return row


def still_valid(session: Session, caller: Caller) -> None:
    """Make sure, while a long answer goes on, that its key was not revoked meanwhile.

    Raises:
        KeyInvalidError: It was.
    """
    if not tenants.key_is_valid(session, caller.key_id):
        raise KeyInvalidError("the API key was revoked")


def revoke_key(session: Session, *, prefix: str, now: datetime) -> ApiKey:
    """End a key, at once; gives its row.

    Raises:
        KeyNotFoundError: There is none with this prefix, or it was revoked before.
    """
    revoked = tenants.revoke_key(session, prefix=prefix, now=now)
    row = tenants.find_key(session, prefix=prefix)
    if not revoked or row is None:
        raise KeyNotFoundError(f"there is no valid API key with the prefix {prefix!r}")
    return row


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
