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
from prometheus_client.parser import text_string_to_metric_families

import migrations
from service.database.engine import Database
from service.errors import ListenError
from service.keys import SCOPES, create_key
from service.serving import address_of, listen
from tests.service_rows import NOW

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


def key_to(url: str) -> str:
    """A key of a database, with all scopes."""
    database = Database(url)
    with database.write() as session:
        key = create_key(session, tenant="ward 3", name="test", scopes=SCOPES, now=NOW)
    database.close()
    return key.text


def requests_counted(url: str, key: str) -> float:
    """How many requests of its health the API says that it has answered."""
    headers = {"Authorization": f"Bearer {key}"}
    figures = httpx.get(f"{url}/metrics", headers=headers, trust_env=False, timeout=30).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(figures)
        for sample in family.samples
        if sample.name == "aggpose_requests_total" and sample.labels["route"] == "/healthz"
    )


def test_processes_share_an_address_and_one_that_dies_comes_back(tmp_path: Path) -> None:
    database_url = f"sqlite:///{tmp_path}/aggpose.sqlite"
    migrations.upgrade(database_url)
    key = key_to(database_url)
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

            # Whoever is asked knows what all have answered, those with it that are dead.
            assert all(answers() for _ in range(20))
            before = requests_counted(url, key)
            assert before >= 20
            os.kill(second, signal.SIGKILL)
            wait_until(lambda: len({*children(process.pid)} - {first, second}) == 2)
            wait_until(answers)
            assert before < requests_counted(url, key) < before + 20

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
