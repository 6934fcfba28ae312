"""A server that speaks S3 over HTTP, in a process of its own: moto's."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from service.blobs import S3Access

START_S = 60.0


def access_to(endpoint: str | None, scratch_dir: Path, **more: Any) -> S3Access:  # noqa: ANN401 - as S3Access
    """How a store at this address is used; None is Amazon's."""
    return S3Access(
        scratch_dir=scratch_dir,
        endpoint_url=endpoint,
        access_key_id="me",
        secret_access_key="hush",  # noqa: S106 - moto takes any
        **more,
    )


@contextmanager
def s3_server() -> Iterator[str]:
    """Start the server on a free port; gives its address, and ends it afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await(address, process)
            yield address
        finally:
            process.kill()


def _await(address: str, process: subprocess.Popen[bytes]) -> None:
    """Come back when the server answers."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            httpx.get(f"{address}/moto-api/data.json", timeout=5)
        except httpx.TransportError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the S3 server does not start") from error
            time.sleep(0.1)
        else:
            return
