"""`aggpose keys`, `db` and `submit` by the command, beside a database of each kind."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import migrations
from service.database.audit import list_events
from service.database.engine import Database
from service.errors import DatabaseVersionError, KeyInvalidError, KeyNotFoundError
from service.keys import recognise
from workers.cli import app

Aggpose = Callable[..., Result]


@pytest.fixture
def aggpose(monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path) -> Aggpose:
    """Runs the command with the database in the environment; errors are raised."""
    monkeypatch.setenv("AGGPOSE_DATABASE_URL", database_url)
    monkeypatch.setenv("AGGPOSE_DATA_DIR", str(tmp_path / "data"))
    runner = CliRunner()

    def run(*words: str) -> Result:
        return runner.invoke(app, words, catch_exceptions=False)

    return run


def test_a_key_is_made_listed_and_ended(aggpose: Aggpose, database: Database) -> None:
    text = aggpose("keys", "create", "--tenant", "ward", "--scope", "read").stdout.strip()
    with database.read() as session:
        row = recognise(session, text)
    assert row.scopes == ["read"]

    (listed,) = json.loads(aggpose("keys", "list", "--json").stdout)
    assert (listed["tenant"], listed["prefix"]) == ("ward", row.prefix)
    assert listed["revoked_at"] is None
    table = aggpose("keys", "list").stdout
    assert row.prefix in table
    assert text.rpartition("_")[2] not in table
    assert json.loads(aggpose("keys", "list", "--tenant", "other", "--json").stdout) == []

    assert aggpose("keys", "revoke", row.prefix).exit_code == 0
    assert "revoked" in aggpose("keys", "list").stdout
    with database.read() as session, pytest.raises(KeyInvalidError):
        recognise(session, text)
    with pytest.raises(KeyNotFoundError):
        aggpose("keys", "revoke", row.prefix)
    with database.read() as session:
        lines = list_events(session, row.tenant_id).items
    assert [(line.action, line.resource_id) for line in lines] == [
        ("key.revoke", row.id), ("key.create", row.id),
    ]  # fmt: skip
    assert {(line.api_key_id, line.request_id) for line in lines} == {(None, None)}


def test_a_key_reads_and_writes_where_nothing_is_said(aggpose: Aggpose) -> None:
    aggpose("keys", "create", "--tenant", "ward", "--name", "robot")
    (listed,) = json.loads(aggpose("keys", "list", "--json").stdout)
    assert (listed["scopes"], listed["name"]) == (["read", "write"], "robot")
    assert aggpose("keys", "create", "--tenant", "ward", "--scope", "all").exit_code == 2


def test_tables_come_and_go(
    aggpose: Aggpose, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AGGPOSE_DATABASE_URL")  # that of the folder, which is not there yet
    head = migrations.head()
    assert aggpose("db", "upgrade").stdout == f"the tables are of version {head}\n"
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert aggpose("db", "upgrade").exit_code == 0
    assert aggpose("db", "current").stdout == f"tables: {head}; this program: {head}\n"
    with pytest.raises(DatabaseVersionError):
        aggpose("db", "downgrade", "no-such")
    assert aggpose("db", "downgrade", "base").exit_code == 0
    assert aggpose("db", "current").stdout.startswith("tables: none;")
    with pytest.raises(DatabaseVersionError, match="aggpose db upgrade"):
        aggpose("keys", "list")


def test_submit_needs_a_key_and_different_names(
    aggpose: Aggpose, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = aggpose("submit", "film.mp4")
    assert (without.exit_code, "AGGPOSE_API_KEY" in without.stderr) == (2, True)
    monkeypatch.setenv("AGGPOSE_API_KEY", "aggpose_x")
    twice = aggpose("submit", "a/film.mp4", "b/film.mp4", "--out", "out")
    assert (twice.exit_code, "different names" in twice.stderr) == (2, True)
    missing = aggpose("submit", "no-such-film.mp4", "--json")
    assert missing.exit_code == 1
    assert json.loads(missing.stdout)["message"] == "No such file or directory"
    assert missing.stderr.endswith(
        "aggpose: no-such-film.mp4: No such file or directory [client.file]\n"
    )
