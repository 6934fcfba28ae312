"""Migrations: they make the tables that the models say, once, whole, and back again."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import ClauseElement, Engine, inspect, text
from sqlalchemy.types import TypeEngine

import migrations
from service.database.engine import Database, open_engine
from service.database.tables import Base
from service.errors import DatabaseUnavailableError, DatabaseUrlError, DatabaseVersionError
from tests.service_rows import at_once, everything, find, make_job

NUMBERS = count()


@pytest.fixture
def empty_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if backend == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.sqlite'}"
    make: Callable[[str], str] = request.getfixturevalue("postgresql")
    return make(f"empty{next(NUMBERS)}")


def described(engine: Engine) -> dict[str, object]:
    """What a database says of its tables, checks and indexes with conditions included."""
    inspector = inspect(engine)

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {name: plain(part) for name, part in value.items()}
        return str(value) if isinstance(value, ClauseElement | TypeEngine) else value

    def sorted_by_name(items: list[dict[str, object]]) -> list[object]:
        return sorted((plain(item) for item in items), key=repr)

    tables = [name for name in inspector.get_table_names() if name != "alembic_version"]
    ways = ("columns", "check_constraints", "foreign_keys", "indexes", "unique_constraints")
    return {
        table: {
            "key": inspector.get_pk_constraint(table),
            **{way: sorted_by_name(getattr(inspector, f"get_{way}")(table)) for way in ways},
        }
        for table in tables
    }


def test_models_and_migrations_agree(database_url: str, empty_url: str) -> None:
    migrated, made = open_engine(database_url), open_engine(empty_url)
    with migrated.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []
    # Alembic compares neither checks nor the conditions of indexes.
    with made.begin() as connection:
        Base.metadata.create_all(connection)
    assert described(migrated) == described(made)
    assert len(described(migrated)) == 12
    migrated.dispose()
    made.dispose()


def test_every_constraint_has_a_name(database_url: str) -> None:
    engine = open_engine(database_url)
    inspector = inspect(engine)
    for table in Base.metadata.tables:
        assert inspector.get_pk_constraint(table)["name"] == f"pk_{table}"
        for way in ("check_constraints", "foreign_keys", "unique_constraints", "indexes"):
            for item in getattr(inspector, f"get_{way}")(table):
                assert f"_{table}_" in item["name"]
    engine.dispose()


def test_up_down_and_up_again(empty_url: str) -> None:
    assert migrations.current(empty_url) is None
    migrations.upgrade(empty_url)
    assert migrations.current(empty_url) == migrations.head() == "0003"
    migrations.downgrade(empty_url, "base")
    assert migrations.current(empty_url) is None
    engine = open_engine(empty_url)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
    migrations.upgrade(empty_url)
    database = Database(empty_url)
    make_job(database)
    database.close()


def test_each_step_keeps_what_is_there(empty_url: str) -> None:
    migrations.upgrade(empty_url)
    database = Database(empty_url)
    job_id = make_job(database).id
    migrations.downgrade(empty_url, "0001")
    assert find(database, job_id).state == "queued"
    migrations.upgrade(empty_url)
    assert find(database, job_id).state == "queued"
    database.close()


def test_upgrading_again_changes_nothing(database_url: str) -> None:
    database = Database(database_url)
    make_job(database)
    with database.read() as session:
        before = everything(session)
    migrations.upgrade(database_url)
    with database.read() as session:
        assert everything(session) == before
    database.close()


def test_services_that_start_together_upgrade_once(empty_url: str) -> None:
    at_once(lambda _: migrations.upgrade(empty_url), 4)
    assert migrations.current(empty_url) == migrations.head()


def test_a_migration_that_fails_leaves_nothing(empty_url: str) -> None:
    engine = open_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE workers (id INTEGER)"))
    with pytest.raises(Exception, match="already exists"):
        migrations.upgrade(empty_url)
    assert inspect(engine).get_table_names() == ["workers"]
    engine.dispose()


def test_tables_of_another_version_are_refused(empty_url: str) -> None:
    with pytest.raises(DatabaseVersionError, match="got none: run aggpose db upgrade") as caught:
        migrations.require_head(empty_url)
    assert caught.value.code == "database.version"
    migrations.upgrade(empty_url)
    migrations.require_head(empty_url)
    engine = open_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(DatabaseVersionError, match="got 9999 of a newer program"):
        migrations.upgrade(empty_url)
    with pytest.raises(DatabaseVersionError, match="got 9999 of a newer program"):
        migrations.downgrade(empty_url, "0001")
    with pytest.raises(DatabaseVersionError, match="got 9999"):
        migrations.require_head(empty_url)


def test_going_back_to_a_newer_version_is_refused(empty_url: str) -> None:
    with pytest.raises(DatabaseVersionError, match="version 0001 or newer, got none"):
        migrations.downgrade(empty_url, "0001")
    migrations.upgrade(empty_url)
    migrations.downgrade(empty_url, "0003")
    migrations.downgrade(empty_url, "0001")
    with pytest.raises(DatabaseVersionError, match="version 0003 or newer, got 0001"):
        migrations.downgrade(empty_url, "0003")
    assert migrations.current(empty_url) == "0001"


def test_a_version_that_does_not_exist_is_refused(database_url: str) -> None:
    with pytest.raises(DatabaseVersionError, match=r"expected base or one of .*, got 7"):
        migrations.downgrade(database_url, "7")
    migrations.require_head(database_url)


def test_a_database_that_is_not_there_is_named_as_such() -> None:
    with pytest.raises(DatabaseUnavailableError):
        migrations.upgrade("sqlite:////nowhere/at/all.sqlite")
    with pytest.raises(DatabaseUrlError):
        migrations.current("nonsense")


def test_a_draft_of_no_change_is_empty(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = migrations.draft(database_url, "Nothing to do", tmp_path)
    content = path.read_text()
    compile(content, str(path), "exec")
    assert content.startswith('"""Nothing to do."""\n')
    assert content.count("    pass\n") == 2
    assert "op." not in content
    assert "down_revision: str | None = '0003'" in content
    assert str(path) in capsys.readouterr().out


def test_a_draft_names_no_type_of_ours(empty_url: str, tmp_path: Path) -> None:
    migrations.upgrade(empty_url)
    engine = open_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE workers"))
    engine.dispose()
    content = migrations.draft(empty_url, "Workers again", tmp_path).read_text()
    assert "op.create_table('workers'" in content
    assert "sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False)" in content
    assert "service" not in content
