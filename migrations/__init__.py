"""Alembic migrations of the service's database, and the way to run them.

Every step runs in one transaction and under a lock: it is done whole or not at all, and of two
services that start at once one waits for the other.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, text

from service.database.engine import MIGRATING, errors_are_typed, open_engine
from service.errors import DatabaseVersionError

LOCK_KEY: Final = 0x616767706F7365
"""Of PostgreSQL's advisory lock, agreed among all versions of this program: `aggpose` in ASCII."""

PATIENCE_S: Final = 120.0
"""Longest wait for another process' migration, or for readers of a table that is altered."""

_FOLDER: Final = Path(__file__).parent


def upgrade(url: str) -> None:
    """Make the database's tables those of this program; one that has them is left as it is.

    Raises:
        DatabaseUrlError: The address is not one of a SQLite file or of PostgreSQL.
        DatabaseUnavailableError: The database does not answer.
        DatabaseVersionError: The database was made by a newer program.
    """
    with _locked(url) as connection:
        _known_revision(connection)
        command.upgrade(_config(connection), "head")


def downgrade(url: str, revision: str) -> None:
    """Go back to an older version; what only the newer tables hold is lost, all of it at `base`.

    Raises:
        DatabaseUrlError: The address is not one of a SQLite file or of PostgreSQL.
        DatabaseUnavailableError: The database does not answer.
        DatabaseVersionError: There is no such version, or the tables are older, or those of a newer
            program.
    """
    if revision not in {"base", *_known()}:
        raise DatabaseVersionError(f"expected base or one of {sorted(_known())}, got {revision}")
    with _locked(url) as connection:
        found = _known_revision(connection)
        if revision != "base" and (found is None or revision not in _known(found)):
            raise DatabaseVersionError(
                f"expected tables of version {revision} or newer, got {found or 'none'}"
            )
        command.downgrade(_config(connection), revision)


def current(url: str) -> str | None:
    """The version of the database's tables; None where there are none.

    Raises:
        DatabaseUrlError: The address is not one of a SQLite file or of PostgreSQL.
        DatabaseUnavailableError: The database does not answer.
    """
    engine = open_engine(url)
    try:
        with errors_are_typed(), engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def head() -> str:
    """The version of the tables that this program works with."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None  # noqa: S101 - the first migration is always there
    return revision


def require_head(url: str) -> None:
    """Refuse a database whose tables are not those of this program.

    Raises:
        DatabaseUrlError: The address is not one of a SQLite file or of PostgreSQL.
        DatabaseUnavailableError: The database does not answer.
        DatabaseVersionError: The tables are older or newer, or there are none.
    """
    found, wanted = current(url), head()
    if found != wanted:
        raise DatabaseVersionError(
            f"expected tables of version {wanted}, got {found or 'none'}: run aggpose db upgrade"
        )


def draft(url: str, message: str, folder: Path) -> Path:
    """Write the migration from this database's tables to those of tables.py, to be read over.

    Returns:
        The new file in `folder`; it belongs into `versions`.
    """
    with _locked(url) as connection:
        config = _config(connection)
        places = os.pathsep.join(map(str, (_FOLDER / "versions", folder)))
        config.set_main_option("version_locations", places)
        script = command.revision(config, message, autogenerate=True, version_path=str(folder))
    assert isinstance(script, Script)  # noqa: S101 - one, since one head is extended
    return Path(script.path)


def _config(connection: Connection | None = None) -> Config:
    """Where the migrations are, and the connection that they run on."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    return config


def _known(newest: str = "heads") -> set[str]:
    """The versions that this program knows, up to one."""
    scripts = ScriptDirectory.from_config(_config())
    return {script.revision for script in scripts.walk_revisions(head=newest)}


def _known_revision(connection: Connection) -> str | None:
    """The version of the tables, None where there are none.

    Raises:
        DatabaseVersionError: It is a newer program's.
    """
    revision = _revision(connection)
    if revision is not None and revision not in _known():
        raise DatabaseVersionError(
            f"expected tables up to version {head()}, got {revision} of a newer program"
        )
    return revision


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _locked(url: str) -> Iterator[Connection]:
    """A transaction that no other migration runs beside; it commits when the block ends well."""
    engine = open_engine(url, patience_s=PATIENCE_S)
    migrating = engine.execution_options(**MIGRATING)
    try:
        with errors_are_typed(), migrating.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
            yield connection
    finally:
        engine.dispose()
