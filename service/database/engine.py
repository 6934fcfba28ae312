"""How the database is reached: engines for PostgreSQL and SQLite, and sessions to read or write.

Only the edge opens sessions, and a write session commits at its end: nothing else ever commits.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from threading import Lock
from types import MappingProxyType
from typing import Any, Final

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor, Dialect
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from service.errors import ConstraintError, DatabaseUnavailableError, DatabaseUrlError

_WAL_PAUSE_S: Final = 0.02

# What a connection of each kind says when its transaction begins. On SQLite a writer takes the lock
# at once: a transaction that reads first and writes later could not get it without starting over.
READING: Final[Mapping[str, Any]] = MappingProxyType(
    {"postgresql_readonly": True, "sqlite_begin": ("PRAGMA query_only=ON", "BEGIN")}
)
WRITING: Final[Mapping[str, Any]] = MappingProxyType(
    {"sqlite_begin": ("PRAGMA query_only=OFF", "BEGIN IMMEDIATE")}
)
# Altering a table on SQLite means making it anew: with foreign keys on, dropping the old one would
# delete all that refers to it.
MIGRATING: Final[Mapping[str, Any]] = MappingProxyType(
    {"sqlite_begin": ("PRAGMA foreign_keys=OFF", "BEGIN IMMEDIATE")}
)


class Database:
    """The service's database; every process makes its own, after it was forked.

    Args:
        url: `sqlite:///file` or `postgresql://user:password@host/name`.
        pool_size: Connections that are kept open; twice as many may be open at once.
        patience_s: Longest wait for a lock, a connection, and for a transaction in which a frozen
            process does nothing: past it PostgreSQL ends the transaction and frees its rows. Keep
            it under the leases' length.

    Raises:
        DatabaseUrlError: The address is not one of these.
    """

    def __init__(self, url: str, *, pool_size: int = 10, patience_s: float = 10.0) -> None:
        self._engine = open_engine(url, pool_size=pool_size, patience_s=patience_s)
        self._patience_s = patience_s
        self._turns = Lock() if self._engine.dialect.name == "sqlite" else None
        self._reading = self._engine.execution_options(**READING)
        self._writing = self._engine.execution_options(**WRITING)

    def __repr__(self) -> str:
        return f"Database({self._engine.url.render_as_string()})"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database and cannot change it.

        Raises:
            DatabaseUnavailableError: The database does not answer.
        """
        with errors_are_typed(), Session(self._reading, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that commits when the block ends well, and otherwise leaves no trace.

        Keep the block short, and none inside another: on SQLite nobody else writes meanwhile.

        Raises:
            DatabaseUnavailableError: The database does not answer, or is locked for too long.
            ConstraintError: What was written breaks a rule of the tables.
        """
        with (
            self._turn(),
            errors_are_typed(),
            Session(self._writing, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """On SQLite, let this process' writers go one after another.

        SQLite itself lets them sleep and try again, ever longer: under load some would starve.
        """
        if self._turns is None:
            yield
            return
        if not self._turns.acquire(timeout=self._patience_s):
            raise DatabaseUnavailableError("the database is busy: others write for too long")
        try:
            yield
        finally:
            self._turns.release()

    def check(self) -> None:
        """Ask the database whether it is there.

        Raises:
            DatabaseUnavailableError: It does not answer.
        """
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close the connections that are not in use; also needed in the child after a fork."""
        self._engine.dispose()


def current_time(session: Session) -> datetime:
    """Now, by the clock that all machines share: PostgreSQL's own, or this one's with SQLite."""
    if session.get_bind().dialect.name == "sqlite":
        return datetime.now(UTC)
    now: datetime = session.scalars(select(func.clock_timestamp())).one()
    return now.astimezone(UTC)


def open_engine(url: str, *, pool_size: int = 10, patience_s: float = 10.0) -> Engine:
    """An engine whose connections are set up for the service; see `Database`.

    Raises:
        DatabaseUrlError: The address is not one of a SQLite file or of PostgreSQL.
    """
    address = _address(url)
    sqlite = address.get_backend_name() == "sqlite"
    engine = create_engine(
        address,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=patience_s,
        pool_pre_ping=not sqlite,
        hide_parameters=True,  # errors end up in logs, and parameters hold patients' data
        json_serializer=partial(json.dumps, allow_nan=False),  # PostgreSQL's JSON has no NaN
        connect_args={} if sqlite else _postgresql_arguments(patience_s),
    )
    if sqlite:
        event.listen(engine, "do_connect", _keep_to_ourselves)
        event.listen(engine, "connect", partial(_set_up_sqlite, patience_s=patience_s))
        event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def errors_are_typed() -> Iterator[None]:
    """Turn a driver's word for "not there", "locked", "cut off" or "refused" into ours.

    Raises:
        DatabaseUnavailableError: The database does not answer, or not in time.
        ConstraintError: What was written breaks a rule of the tables.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise DatabaseUnavailableError("the database is busy: no connection got free") from error
    except (DataError, IntegrityError) as error:
        # Without its cause: PostgreSQL repeats the row in it, and errors end up in logs.
        raise ConstraintError(f"the tables refuse this: {_broken_rule(error)}") from None
    except DBAPIError as error:
        if not (isinstance(error, OperationalError) or error.connection_invalidated):
            raise
        reason = str(error.orig).partition("\n")[0]
        raise DatabaseUnavailableError(f"the database does not answer: {reason}") from error


def _broken_rule(error: DBAPIError) -> str:
    """The constraint's or the column's name, and nothing of the row."""
    if isinstance(error.orig, psycopg.Error):
        facts = error.orig.diag
        return facts.constraint_name or facts.column_name or "a value that cannot be"
    return str(error.orig)


def _address(url: str) -> URL:
    """The parsed address, with the driver that the service brings."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        # The address itself is not repeated: it may hold a password.
        raise DatabaseUrlError("expected sqlite:///file or postgresql://..., got no URL") from None
    backend = address.get_backend_name()
    if backend in ("postgres", "postgresql"):
        return address.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and address.database not in (None, "", ":memory:"):
        return address.set(drivername="sqlite+pysqlite")
    raise DatabaseUrlError(f"expected sqlite:///file or postgresql://..., got {backend}:")


def _postgresql_arguments(patience_s: float) -> dict[str, Any]:
    """What PostgreSQL is told when a connection opens.

    A host that vanished is noticed by the system below: what is sent and not acknowledged in
    time, or a probe while an answer is waited for. Its own patience is up to two hours.
    """
    patience_ms = round(patience_s * 1000)
    return {
        "connect_timeout": max(2, round(patience_s)),
        "tcp_user_timeout": patience_ms,
        "keepalives_idle": max(1, round(patience_s / 2)),
        "keepalives_interval": max(1, round(patience_s / 6)),
        "keepalives_count": 3,
        "options": f"-c lock_timeout={patience_ms}"
        f" -c idle_in_transaction_session_timeout={patience_ms}",
    }


def _keep_to_ourselves(
    _dialect: Dialect,
    _connection: ConnectionPoolEntry,
    arguments: Sequence[Any],
    options: Mapping[str, Any],
) -> None:
    """Make a new SQLite file readable by its owner alone; those that SQLite adds follow it.

    It is not opened for that: closing it would end the locks of all of this process' connections.

    Raises:
        DatabaseUnavailableError: It cannot be made.
    """
    if options.get("uri"):
        return
    try:
        os.mknod(arguments[0], 0o600)
    except FileExistsError:
        return
    except OSError as error:
        reason = error.strerror or str(error)
        raise DatabaseUnavailableError(f"the database does not answer: {reason}") from error


def _set_up_sqlite(
    connection: DBAPIConnection, _: ConnectionPoolEntry, *, patience_s: float
) -> None:
    """Settings that SQLite keeps for each connection; transactions are begun by us alone."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={round(patience_s * 1000)}")
    _switch_to_wal(cursor, until_s=time.monotonic() + patience_s)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _switch_to_wal(cursor: DBAPICursor, *, until_s: float) -> None:
    """Let readers and a writer work at once; a new file's first users take turns in asking for it.

    Only one of them can switch it, and SQLite's own timeout does not hold for the others.
    """
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > until_s:
                raise
            time.sleep(_WAL_PAUSE_S)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    """Begin as this connection's purpose needs it."""
    *pragmas, begin = connection.get_execution_options().get("sqlite_begin", ("BEGIN",))
    for pragma in pragmas:  # straight to the driver: they wait for nobody and cannot fail
        cursor = connection.connection.cursor()
        cursor.execute(pragma)
        cursor.close()
    connection.exec_driver_sql(begin)
