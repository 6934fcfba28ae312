"""Sessions: what is read cannot change, what is written is whole, and what fails has its name."""

import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest
from sqlalchemy import insert, select, text, update

import migrations
from service.database.engine import WRITING, Database, current_time, open_engine
from service.database.tables import Job, Tenant
from service.database.tenants import find_tenant
from service.errors import ConstraintError, DatabaseUnavailableError
from tests.service_rows import NOW, at_once, make_job, make_tenant


def test_a_read_session_cannot_write(database: Database) -> None:
    words = r"readonly|read-only"
    with pytest.raises(Exception, match=words), database.read() as session:
        session.execute(insert(Tenant).values(name="ward 3", created_at=NOW))
    make_tenant(database)  # the same connection, again for writing


def test_nothing_is_written_unless_the_session_ends_well(database: Database) -> None:
    with database.write() as session:
        session.add(Tenant(name="kept", created_at=NOW))

    def broken() -> None:
        with database.write() as session:
            session.add(Tenant(name="lost", created_at=NOW))
            session.flush()
            raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        broken()
    with database.read() as session:
        assert find_tenant(session, name="kept") is not None
        assert find_tenant(session, name="lost") is None


def test_a_read_session_sees_one_state_or_the_newest(database: Database, backend: str) -> None:
    with database.read() as session:
        assert find_tenant(session, name="ward 3") is None
        make_tenant(database)
        # SQLite keeps the state of the first reading; PostgreSQL reads what was committed.
        assert (find_tenant(session, name="ward 3") is None) == (backend == "sqlite")
    with database.read() as session:
        assert find_tenant(session, name="ward 3") is not None


def test_errors_say_nothing_of_what_was_written(database: Database) -> None:
    make_tenant(database, "Baby Doe")
    with pytest.raises(ConstraintError) as caught, database.write() as session:
        session.add(Tenant(name="Baby Doe", created_at=NOW))
    assert caught.value.code == "database.constraint"
    assert caught.value.__cause__ is None
    assert "Doe" not in str(caught.value)
    assert "tenants" in str(caught.value)
    with pytest.raises(ConstraintError, match="name"), database.write() as session:
        session.add(Tenant(created_at=NOW))
    with pytest.raises(Exception, match="nowhere") as unknown, database.write() as session:
        session.execute(text("UPDATE nowhere SET a = :a"), {"a": "Baby Doe"})
    assert "Doe" not in str(unknown.value)


def test_the_address_is_shown_without_its_password() -> None:
    database = Database("postgresql://aggpose:hush@localhost/clinic")
    assert repr(database) == "Database(postgresql+psycopg://aggpose:***@localhost/clinic)"
    database.close()


def test_a_database_that_is_there_says_so(database: Database) -> None:
    database.check()


@pytest.mark.parametrize(
    "url",
    ["sqlite:////nowhere/at/all.sqlite", "postgresql://u:hush@127.0.0.1:9/db?connect_timeout=2"],
)
def test_a_database_that_is_not_there_says_so(url: str) -> None:
    database = Database(url)
    with pytest.raises(DatabaseUnavailableError) as caught:
        database.check()
    assert caught.value.code == "database.unavailable"
    assert "hush" not in str(caught.value)
    database.close()


def test_a_lock_is_waited_for_so_long(database_url: str) -> None:
    database, hasty = Database(database_url), Database(database_url, patience_s=0.3)
    job = make_job(database)
    began = time.monotonic()
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job.id).values(model="m"))
        with pytest.raises(DatabaseUnavailableError), hasty.write() as other:
            other.execute(update(Job).where(Job.id == job.id).values(model="n"))
    assert 0.2 < time.monotonic() - began < 5
    database.close()
    hasty.close()


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_writers_of_one_process_take_turns_for_so_long(database_url: str) -> None:
    hasty = Database(database_url, patience_s=0.2)
    holding, done = Event(), Event()

    def hold() -> None:
        with hasty.write():
            holding.set()
            done.wait(20)

    holder = Thread(target=hold)
    holder.start()
    holding.wait(20)
    with pytest.raises(DatabaseUnavailableError, match="others write for too long"), hasty.write():
        pass
    done.set()
    holder.join()
    make_tenant(hasty)
    hasty.close()


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_a_process_that_is_frozen_inside_a_transaction_loses_it(database_url: str) -> None:
    slow, database = Database(database_url, patience_s=2), Database(database_url)
    job = make_job(database)

    def freeze() -> None:
        with slow.write() as session:
            session.execute(update(Job).where(Job.id == job.id).values(model="frozen"))
            with database.write() as other:  # waits until PostgreSQL has ended the first one
                other.execute(update(Job).where(Job.id == job.id).values(model="other"))
            session.execute(select(Job.id)).all()

    with pytest.raises(DatabaseUnavailableError):
        freeze()
    with database.read() as session:
        assert session.get_one(Job, job.id).model == "other"
    make_tenant(slow)  # with a fresh connection
    slow.close()
    database.close()


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_connections_that_the_server_closed_are_replaced(database_url: str) -> None:
    ours, others = Database(database_url), Database(database_url)
    pids = []
    for _ in range(2):
        with ours.read() as session:
            pids.append(session.scalars(text("SELECT pg_backend_pid()")).one())
        with others.write() as session:
            session.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pids[-1]})
    assert pids[0] != pids[1]
    make_tenant(ours)
    ours.close()
    others.close()


def test_moments_are_in_utc_and_exact(database: Database) -> None:
    job = make_job(database)
    with database.read() as session:
        read = session.get_one(Job, job.id).created_at
        now = current_time(session)
    assert read == NOW
    assert read.tzinfo is NOW.tzinfo
    assert now.tzinfo is NOW.tzinfo
    assert now > NOW


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_text_that_postgresql_cannot_keep_is_refused(database: Database) -> None:
    with pytest.raises(ConstraintError, match="a value that cannot be") as caught:
        make_tenant(database, "Baby\0Doe")
    assert "Doe" not in str(caught.value)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_sqlite_is_set_up(database: Database) -> None:
    with database.write() as session:
        pragmas = {
            name: session.scalars(text(f"PRAGMA {name}")).one()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert pragmas == {
        "journal_mode": "wal", "foreign_keys": 1, "synchronous": 1, "busy_timeout": 10000,
    }  # fmt: skip


def test_a_new_file_has_many_first_users_at_once(tmp_path: Path) -> None:
    for number in range(40):
        url = f"sqlite:///{tmp_path / f'{number}.sqlite'}"

        def use(_: int, url: str = url) -> None:
            engine = open_engine(url, patience_s=20)
            with engine.execution_options(**WRITING).begin() as connection:
                connection.execute(text("CREATE TABLE IF NOT EXISTS once (id INTEGER)"))
            engine.dispose()

        at_once(use, 4)


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)  # a file has no host
def test_a_host_that_vanished_is_not_waited_for_by_the_hour(database: Database) -> None:
    with database.read() as session:
        connection = session.connection().connection.driver_connection
        assert isinstance(connection, psycopg.Connection)
        told = {
            name: int(value)
            for name, value in connection.info.get_parameters().items()
            if name.startswith(("keepalives", "tcp_user"))
        }
    assert 0 < told["tcp_user_timeout"] <= 10_000
    assert told["keepalives_idle"] + told["keepalives_interval"] * told["keepalives_count"] <= 15


def test_a_new_sqlite_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    migrations.upgrade(f"sqlite:///{path}")
    database = Database(f"sqlite:///{path}")
    make_tenant(database)
    found = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    database.close()
    assert found == dict.fromkeys(("new.sqlite", "new.sqlite-wal", "new.sqlite-shm"), 0o600)


def test_a_new_connection_ends_no_locks_of_others(tmp_path: Path) -> None:
    """POSIX ends them all where a process closes any descriptor of the file."""
    path = tmp_path / "a.sqlite"
    migrations.upgrade(f"sqlite:///{path}")
    one, other = Database(f"sqlite:///{path}"), Database(f"sqlite:///{path}")
    script = (
        "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    )

    def is_locked() -> bool:
        command = [sys.executable, "-c", script, str(path)]
        run = subprocess.run(command, check=False, capture_output=True, text=True)
        assert run.returncode == 0 or "BlockingIOError" in run.stderr
        return run.returncode != 0

    assert not is_locked()
    with one.read() as session:
        assert find_tenant(session, name="ward 3") is None
        assert is_locked()
        other.check()
        assert is_locked()
    other.close()
    one.close()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError, match="No such file or directory"):
        Database(f"sqlite:///{tmp_path}/no/new.sqlite").check()
