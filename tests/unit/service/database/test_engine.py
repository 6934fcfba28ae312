"""Addresses of databases: those that can be used, and words for the others that keep a secret."""

from datetime import datetime

import pytest

from service.database.columns import UtcDateTime
from service.database.engine import open_engine
from service.errors import DatabaseUrlError


@pytest.mark.parametrize(
    ("url", "driver", "database"),
    [
        ("sqlite:///a/b.sqlite", "sqlite+pysqlite", "a/b.sqlite"),
        ("sqlite:////a/b.sqlite", "sqlite+pysqlite", "/a/b.sqlite"),
        ("postgresql://u:p@host:5433/clinic", "postgresql+psycopg", "clinic"),
        ("postgres://host/clinic", "postgresql+psycopg", "clinic"),
        ("postgresql+psycopg2://host/clinic", "postgresql+psycopg", "clinic"),
    ],
)
def test_addresses_get_the_driver_that_is_there(url: str, driver: str, database: str) -> None:
    engine = open_engine(url)
    assert engine.url.drivername == driver
    assert engine.url.database == database
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    ["", "hush", "sqlite://", "sqlite:///:memory:", "mysql://u:hush@host/d", "http://hush@host",
     "postgresql://u:hush@host:port/d"],
)  # fmt: skip
def test_others_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(
        DatabaseUrlError, match="expected sqlite:///file or postgresql://"
    ) as caught:
        open_engine(url)
    assert caught.value.code == "database.url"
    assert "hush" not in str(caught.value)


def test_a_moment_without_a_zone_is_refused() -> None:
    engine = open_engine("sqlite:///a.sqlite")
    with pytest.raises(ValueError, match="expected a moment with its time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), engine.dialect)  # noqa: DTZ001
    engine.dispose()
