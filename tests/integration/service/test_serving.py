"""`aggpose serve`: where it listens, and several processes at one address."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

import migrations
from service.errors import ListenError
from service.serving import address_of, listen

AGGPOSE = [sys.executable, "-P", "-m", "workers.cli"]


def test_a_free_port_is_found_and_then_taken() -> None:
    with listen("127.0.0.1", 0) as listening:
        address = address_of(listening)
        port = listening.getsockname()[1]
        assert address == f"http://127.0.0.1:{port}"
        with pytest.raises(ListenError, match=f"got {port}"):
            listen("127.0.0.1", port)


def test_no_answer_waits_for_an_acknowledgement() -> None:
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_all_addresses_are_reached_by_this_machines() -> None:
    with listen("0.0.0.0", 0) as listening:  # noqa: S104 - closed again at once
        assert address_of(listening).startswith("http://127.0.0.1:")
    with listen("::1", 0) as listening:
        assert address_of(listening).startswith("http://[::1]:")


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ListenError, match=r"expected an address to listen on, got 192\.0\.2\.1:0"):
        listen("192.0.2.1", 0)


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_processes_share_an_address_and_one_that_dies_comes_back(tmp_path: Path) -> None:
    migrations.upgrade(f"sqlite:///{tmp_path}/aggpose.sqlite")
    words = [*AGGPOSE, "serve", "--port", "0", "--processes", "2"]
    environment = os.environ | {"AGGPOSE_DATA_DIR": str(tmp_path)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            (url,) = re.findall(r"listens at (\S+)", process.stdout.readline())

            def answers() -> bool:
                with suppress(httpx.TransportError):
                    return httpx.get(f"{url}/healthz", trust_env=False, timeout=30).is_success
                return False

            wait_until(answers)
            first, second = children(process.pid)
            os.kill(first, signal.SIGKILL)
            wait_until(lambda: len({*children(process.pid)} - {first}) == 2)
            assert second in children(process.pid)
            wait_until(answers)
            family = children(process.pid)
            process.terminate()
            assert process.wait(30) == 0
            assert not any(Path(f"/proc/{pid}").exists() for pid in family)
        finally:
            process.kill()


def test_tables_of_another_version_are_refused(tmp_path: Path) -> None:
    environment = os.environ | {"AGGPOSE_DATA_DIR": str(tmp_path)}
    words = [*AGGPOSE, "serve", "--port", "0"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert re.fullmatch(r"aggpose: .*aggpose db upgrade \[database\.version\]\n", done.stderr)
