"""`aggpose up` as a process, for tests that use it as a stranger would."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.hand_made_models import write_detector, write_pose
from tests.worker_room import write_film

AGGPOSE = [sys.executable, "-P", "-m", "workers.cli"]
ENGINE = ["--engine", "cpu", "--threads", "1"]


@dataclass(frozen=True)
class Place:
    """Where a system is run: its folder, models, a film, and the environment."""

    data: Path
    film: Path
    models: Path
    environment: dict[str, str]


def make_place(folder: Path, *, frames: int, **settings: str) -> Place:
    """A folder with models made by hand and a film of so many frames."""
    models = folder / "models"
    models.mkdir()
    write_pose(models / "pose.onnx", "hand-made")
    write_detector(models / "detector.onnx")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AGGPOSE_")}
    own = {"AGGPOSE_MODELS_DIR": str(models), "AGGPOSE_HEARTBEAT_S": "1"}
    return Place(
        data=folder / "data",
        film=write_film(folder / "ward 7.mp4", frames),
        models=models,
        environment=clean | own | settings,
    )


def extracted(place: Place, out: Path) -> Path:
    """What `aggpose extract` leaves of the film."""
    models = ["--model", place.models / "pose.onnx", "--detector", place.models / "detector.onnx"]
    words = [*AGGPOSE, "extract", place.film, "--out", out, *ENGINE, *models]
    subprocess.run([str(word) for word in words], check=True, env=place.environment)
    return out / place.film.stem


@dataclass(frozen=True)
class Up:
    """A running system: its process, what it said, and where it listens."""

    process: "subprocess.Popen[str]"
    said: str
    url: str

    @property
    def key(self) -> str | None:
        found = re.search(r"aggpose_[a-z2-7]{12}_[\w-]{43}", self.said)
        return found and found[0]


@contextmanager
def running(place: Place) -> Iterator[Up]:
    words = [*AGGPOSE, "up", "--data", str(place.data), "--port", "0", *ENGINE]
    log = place.data.parent / "log"
    with (
        log.open("a") as lines,
        subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=lines, text=True, env=place.environment
        ) as process,
    ):
        family: set[int] = set()
        try:
            assert process.stdout is not None
            said = ""
            while "runs at" not in said:
                line = process.stdout.readline()
                assert line, log.read_text()
                said += line
            (url,) = re.findall(r"runs at (\S+)", said)
            family = descendants(process.pid)
            yield Up(process, said, url)
        finally:
            process.kill()
            process.wait()
            for pid in family:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> set[int]:
    """All processes that came from this one and are still there."""
    children: set[int] = set()
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children |= {int(child) for child in (task / "children").read_text().split()}
    return children.union(*map(descendants, children))


def alive(pids: set[int]) -> set[int]:
    """Those that have not ended; one that nobody has asked for its status has."""
    found = set()
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.add(pid)
    return found


def wait_until(true: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)


def submit(
    place: Place, system: Up, key: str, *arguments: object
) -> "subprocess.CompletedProcess[str]":
    """Run `aggpose submit` to its end."""
    words, environment = submitting(place, system, key, *arguments)
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment)


def submitting(
    place: Place, system: Up, key: str, *arguments: object
) -> tuple[list[str], dict[str, str]]:
    """The words of `aggpose submit`, and their environment."""
    words = [*AGGPOSE, "submit", "--url", system.url, *map(str, arguments)]
    return words, place.environment | {"AGGPOSE_API_KEY": key}


def get(system: Up, path: str, key: str | None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.get(system.url + path, headers=headers, timeout=30, trust_env=False)
