"""Keys: their form, their hash, their end."""

from collections.abc import Iterator

import pytest

import migrations
from service.api.limits import Buckets
from service.database.engine import Database
from service.database.ids import new_id
from service.errors import KeyInvalidError, KeyNotFoundError, RateLimitError
from service.keys import create_key, recognise, revoke_key
from tests.service_rows import NOW


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Migrated tables."""
    url = f"sqlite:///{tmp_path_factory.mktemp('keys')}/a.sqlite"
    migrations.upgrade(url)
    database = Database(url)
    yield database
    database.close()


def test_a_key_is_recognised_until_it_is_revoked(database: Database) -> None:
    with database.write() as session:
        made = create_key(session, tenant="w", name="n", scopes=["write", "read"], now=NOW)
        same = create_key(session, tenant="w", name="n", scopes=["read"], now=NOW)
        assert made.row.tenant_id == same.row.tenant_id
        assert made.text != same.text
        assert made.text not in repr(made)
        found = recognise(session, made.text)
        assert (found.id, found.scopes) == (made.row.id, ["read", "write"])
        secret = made.text[-43:]
        assert secret.encode() not in found.secret_hash
        revoke_key(session, prefix=found.prefix, now=NOW)
    with database.write() as session:
        with pytest.raises(KeyInvalidError):
            recognise(session, made.text)
        with pytest.raises(KeyNotFoundError):
            revoke_key(session, prefix=found.prefix, now=NOW)
        assert recognise(session, same.text).id == same.row.id


@pytest.mark.parametrize("text", ["", "aggpose_", "aggpose_x_y", "\0", "é" * 64])
def test_what_is_no_key_is_none(database: Database, text: str) -> None:
    with database.read() as session, pytest.raises(KeyInvalidError):
        recognise(session, text)


def test_a_bucket_fills_up_evenly() -> None:
    now_s = 0.0
    buckets, key = Buckets(6, 60, lambda: now_s), new_id()
    for _ in range(6):
        buckets.take(key)
    with pytest.raises(RateLimitError) as found:
        buckets.take(key)
    assert found.value.retry_after_s == 10
    buckets.take(new_id())
    now_s = 10.0
    buckets.take(key)
    with pytest.raises(RateLimitError):
        buckets.take(key)
    now_s = 1000.0
    for _ in range(6):
        buckets.take(key)
    with pytest.raises(RateLimitError):
        buckets.take(key)
