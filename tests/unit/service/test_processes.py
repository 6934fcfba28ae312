"""Processes that are watched: started again, given up, ended with all that they began."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service import processes
from service.errors import PartFailedError
from service.processes import Part, Processes


def part(tmp_path: Path, code: str, name: str = "part") -> Part:
    words = (sys.executable, "-c", f"import os, signal, time; {code}", str(tmp_path))
    return Part(name=name, words=words, environment=os.environ)


def wait_until(true: Callable[[], object], running: Processes | None = None) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        if running is None:
            time.sleep(0.02)
        else:
            running.look()


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def write_pid(path: Path) -> str:
    """An expression that has a process write its id, whole."""
    aside = str(path.with_suffix(".aside"))
    written = f"open({aside!r}, 'w').write(str(os.getpid()))"
    return f"({written}, os.replace({aside!r}, {str(path)!r}))"


def test_what_dies_is_started_again_and_then_given_up(tmp_path: Path) -> None:
    told: list[str] = []
    with Processes([part(tmp_path, "os._exit(3)")], told.append) as running:
        running.may_restart = True
        with pytest.raises(PartFailedError, match="part ended with status 3"):
            wait_until(lambda: False, running)
    assert told == ["part ended with status 3, and is started again"] * processes.MOST_RESTARTS


def test_nothing_is_started_again_before_all_runs(tmp_path: Path) -> None:
    told: list[str] = []
    killed = part(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)", "the worker")
    with (
        Processes([killed], told.append) as running,
        pytest.raises(PartFailedError, match="the worker was ended by SIGKILL"),
    ):
        wait_until(lambda: False, running)
    assert told == []


def test_leaving_ends_a_part_and_what_it_began(tmp_path: Path) -> None:
    code = (
        "child = os.fork() == 0;"
        f"child and (signal.signal(15, signal.SIG_IGN), {write_pid(tmp_path / 'child')});"
        "time.sleep(60)"
    )
    with Processes([part(tmp_path, code)], print):
        wait_until((tmp_path / "child").exists)
        child = int((tmp_path / "child").read_text())
        assert is_there(child)
    wait_until(lambda: not is_there(child))


def test_a_part_that_does_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_S", 0.5)
    code = f"signal.signal(15, signal.SIG_IGN); {write_pid(tmp_path / 'pid')}; time.sleep(60)"
    with Processes([part(tmp_path, code)], print):
        wait_until((tmp_path / "pid").exists)
        began_s = time.monotonic()
    assert 0.5 <= time.monotonic() - began_s < 10
    assert not is_there(int((tmp_path / "pid").read_text()))


def test_signals_ask_for_an_end_and_are_given_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Processes([part(tmp_path, "time.sleep(60)")], print) as running:
        assert not running.stopping
        os.kill(os.getpid(), signal.SIGTERM)
        wait_until(lambda: running.stopping)
        running.look()
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_part_dies_with_its_parent(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from tests.unit.service.test_processes import part, write_pid
from service.processes import Processes
folder = Path({str(tmp_path)!r})
with Processes([part(folder, write_pid(folder / "pid") + "; time.sleep(60)")], print) as running:
    while True:
        running.look()
"""
    root = Path(__file__).parents[3]
    parent = os.posix_spawn(
        sys.executable, [sys.executable, "-c", code], os.environ | {"PYTHONPATH": str(root)}
    )
    wait_until((tmp_path / "pid").exists)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    wait_until(lambda: not is_there(int((tmp_path / "pid").read_text())))
