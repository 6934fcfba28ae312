"""Tenants and keys, workers, the audit: made, found, listed."""

from datetime import timedelta
from uuid import UUID

import pytest

from service.database.audit import add_event, list_events
from service.database.engine import Database
from service.database.tables import ApiKey, AuditEvent, Tenant, Worker
from service.database.tenants import (
    add_key,
    add_tenant,
    find_key,
    find_tenant,
    last_use_is_old,
    list_keys,
    list_tenants,
    revoke_key,
    touch_key,
)
from service.database.workers import forget_workers, list_workers, worker_seen
from service.errors import ConstraintError
from tests.service_rows import NOW, after, at_once, make_tenant


def new_key(tenant: Tenant, prefix: str, seconds: float = 0) -> ApiKey:
    return ApiKey(
        tenant_id=tenant.id, name="script", prefix=prefix, secret_hash=b"\x00\xffhash",
        scopes=["read", "write"], created_at=after(seconds),
    )  # fmt: skip


def test_a_tenant_is_made_once(database: Database) -> None:
    first = make_tenant(database)
    assert make_tenant(database).id == first.id
    make_tenant(database, "a ward")
    with database.read() as session:
        assert [tenant.name for tenant in list_tenants(session)] == ["a ward", "ward 3"]
        assert find_tenant(session, name="nobody") is None
    with pytest.raises(ConstraintError), database.write() as session:
        session.add(Tenant(name="ward 3", created_at=NOW))


def test_many_who_make_a_tenant_make_one(database: Database) -> None:
    made = at_once(lambda _: make_tenant(database).id, 8)
    assert len({*made}) == 1


def test_keys_are_found_by_prefix_and_listed_by_tenant(database: Database) -> None:
    tenant, other = make_tenant(database), make_tenant(database, "ward 4")
    with database.write() as session:
        for key in (new_key(tenant, "bbb", 1), new_key(tenant, "aaa"), new_key(other, "ccc", 2)):
            add_key(session, key)
    with database.read() as session:
        found = find_key(session, prefix="aaa")
        assert found is not None
        assert (found.secret_hash, found.scopes) == (b"\x00\xffhash", ["read", "write"])
        assert (found.tenant_id, found.revoked_at, found.last_used_at) == (tenant.id, None, None)
        assert find_key(session, prefix="aa") is None
        assert [each.prefix for each in list_keys(session, tenant.id)] == ["aaa", "bbb"]
        assert [each.prefix for each in list_keys(session)] == ["aaa", "bbb", "ccc"]
    with pytest.raises(ConstraintError), database.write() as session:
        add_key(session, new_key(other, "aaa"))


def test_a_key_is_revoked_once(database: Database) -> None:
    tenant = make_tenant(database)
    with database.write() as session:
        add_key(session, new_key(tenant, "aaa"))
        assert revoke_key(session, prefix="aaa", now=after(1))
        assert not revoke_key(session, prefix="aaa", now=after(2))
        assert not revoke_key(session, prefix="zzz", now=after(2))
    with database.read() as session:
        key = find_key(session, prefix="aaa")
    assert key is not None
    assert key.revoked_at == after(1)


def test_last_use_is_written_once_a_minute(database: Database) -> None:
    tenant = make_tenant(database)
    with database.write() as session:
        add_key(session, new_key(tenant, "aaa"))
    written = []
    for seconds in (0, 1, 59, 60, 61, 200):
        with database.write() as session:
            key = find_key(session, prefix="aaa")
            assert key is not None
            old = last_use_is_old(key, after(seconds))
            assert touch_key(session, key.id, now=after(seconds)) == old
            written += [seconds] if old else []
    assert written == [0, 60, 200]
    with database.read() as session:
        key = find_key(session, prefix="aaa")
    assert key is not None
    assert key.last_used_at == after(200)


def test_workers_are_seen_and_forgotten(database: Database) -> None:
    def seen(name: str, queue: str, seconds: float) -> None:
        with database.write() as session:
            worker = Worker(
                id=name, queue=queue, device="cpu", engine="openvino", started_at=NOW,
                seen_at=after(seconds),
            )  # fmt: skip
            worker_seen(session, worker)

    for name, queue, seconds in (("b", "extract", 1), ("a", "preview", 2), ("b", "extract", 30)):
        seen(name, queue, seconds)
    with database.write() as session:
        found = list_workers(session, seen_after=after(0))
        assert [(each.id, each.seen_at) for each in found] == [("a", after(2)), ("b", after(30))]
        assert [each.id for each in list_workers(session, seen_after=after(2))] == ["b"]
        assert list_workers(session, seen_after=after(2), queue="preview") == []
        assert [each.id for each in list_workers(session, seen_after=NOW, queue="preview")] == ["a"]
        assert forget_workers(session, seen_before=after(3))
        assert not forget_workers(session, seen_before=after(3))
        assert [each.id for each in list_workers(session, seen_after=NOW)] == ["b"]


def test_the_audit_is_read_newest_first(database: Database) -> None:
    tenant, other = make_tenant(database), make_tenant(database, "ward 4")
    with database.write() as session:
        for number in range(5):
            event = AuditEvent(
                tenant_id=tenant.id, api_key_id=UUID(int=1), action=f"video.read{number}",
                resource_id=UUID(int=number), request_id="r", created_at=NOW + timedelta(number),
            )  # fmt: skip
            add_event(session, event)
        add_event(session, AuditEvent(tenant_id=other.id, action="key.create", created_at=NOW))
    with database.read() as session:
        page = list_events(session, tenant.id, limit=3)
        rest = list_events(session, tenant.id, cursor=page.next, limit=3)
    actions = [event.action for event in page.items + rest.items]
    assert actions == [f"video.read{number}" for number in (4, 3, 2, 1, 0)]
    assert rest.next is None
    assert page.items[0].api_key_id == UUID(int=1)


def test_a_tenant_with_an_audit_cannot_vanish(database: Database) -> None:
    tenant = make_tenant(database)
    with database.write() as session:
        add_event(session, AuditEvent(tenant_id=tenant.id, action="key.create", created_at=NOW))
    with pytest.raises(ConstraintError), database.write() as session:
        session.delete(session.get_one(Tenant, tenant.id))


def test_add_tenant_gives_the_known_one(database: Database) -> None:
    tenant = make_tenant(database)
    with database.write() as session:
        assert add_tenant(session, name=tenant.name, now=after(9)).created_at == NOW
