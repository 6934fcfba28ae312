"""SQL of tenants and their API keys."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.database.changes import changed
from service.database.tables import ApiKey, Tenant

LAST_USE_EVERY: Final = timedelta(minutes=1)
"""A key's last use is written at most this often: reading must not cost a write."""

# Every request asks this: put together once.
_KEY_BY_PREFIX: Final = select(ApiKey).where(ApiKey.prefix == bindparam("prefix"))


def add_tenant(session: Session, *, name: str, now: datetime) -> Tenant:
    """Make a tenant, or give the one of this name."""
    tenant = Tenant(name=name, created_at=now)
    try:
        with session.begin_nested():
            session.add(tenant)
    except IntegrityError:
        known = find_tenant(session, name=name)
        if known is None:
            raise
        return known
    return tenant


def find_tenant(session: Session, *, name: str) -> Tenant | None:
    """The tenant of this name."""
    return session.scalars(select(Tenant).where(Tenant.name == name)).one_or_none()


def first_tenant_made_at(session: Session) -> datetime | None:
    """When the first tenant was made; None where there is none yet."""
    return session.scalars(select(func.min(Tenant.created_at))).one()


def list_tenants(session: Session) -> Sequence[Tenant]:
    """All tenants by name."""
    return session.scalars(select(Tenant).order_by(Tenant.name)).all()


def add_key(session: Session, key: ApiKey) -> None:
    """Store a new key."""
    session.add(key)
    session.flush()


def find_key(session: Session, *, prefix: str) -> ApiKey | None:
    """The key with this open part, revoked or not; the rules compare the secret."""
    return session.scalars(_KEY_BY_PREFIX, {"prefix": prefix}).one_or_none()


def key_is_valid(session: Session, key_id: UUID) -> bool:
    """Whether the key is there and not revoked."""
    query = select(ApiKey.id).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    return session.scalars(query).one_or_none() is not None


def list_keys(session: Session, tenant_id: UUID | None = None) -> Sequence[ApiKey]:
    """A tenant's keys, or everybody's, oldest first."""
    query = select(ApiKey).order_by(ApiKey.created_at, ApiKey.id)
    if tenant_id is not None:
        query = query.where(ApiKey.tenant_id == tenant_id)
    return session.scalars(query).all()


def revoke_key(session: Session, *, prefix: str, now: datetime) -> bool:
    """End a key; False where there is none with this prefix, or it was revoked before."""
    query = update(ApiKey).where(ApiKey.prefix == prefix, ApiKey.revoked_at.is_(None))
    return changed(session, query.values(revoked_at=now))


def last_use_is_old(key: ApiKey, now: datetime) -> bool:
    """Whether `touch_key` would write: asked first, so that most requests open no write session."""
    return key.last_used_at is None or key.last_used_at <= now - LAST_USE_EVERY


def touch_key(session: Session, key_id: UUID, *, now: datetime) -> bool:
    """Note a key's use, at most once a minute; True where it was written."""
    old = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now - LAST_USE_EVERY)
    query = update(ApiKey).where(ApiKey.id == key_id, old)
    return changed(session, query.values(last_used_at=now))
