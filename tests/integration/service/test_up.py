"""`aggpose up` as a stranger meets it: one command, a key, a film submitted, and an end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import av
import httpx
import pytest

from service.database.engine import Database
from service.database.workers import list_workers
from tests.hand_made_models import write_detector, write_pose
from tests.pages import follow, lines_below
from tests.worker_room import write_film

FRAMES = 40
AGGPOSE = [sys.executable, "-P", "-m", "workers.cli"]
ENGINE = ["--engine", "cpu", "--threads", "1"]


@dataclass(frozen=True)
class Place:
    """Where a system is run: its folder, models, a film, and the environment."""

    data: Path
    film: Path
    models: Path
    environment: dict[str, str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("up")
    models = folder / "models"
    models.mkdir()
    write_pose(models / "pose.onnx", "hand-made")
    write_detector(models / "detector.onnx")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AGGPOSE_")}
    environment = clean | {"AGGPOSE_MODELS_DIR": str(models), "AGGPOSE_HEARTBEAT_S": "1"}
    return Place(
        data=folder / "data",
        film=write_film(folder / "ward 7.mp4", FRAMES),
        models=models,
        environment=environment,
    )


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
    words = [*AGGPOSE, "submit", "--url", system.url, *map(str, arguments)]
    environment = place.environment | {"AGGPOSE_API_KEY": key}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment)


def get(system: Up, path: str, key: str | None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.get(system.url + path, headers=headers, timeout=30, trust_env=False)


def test_from_one_command_to_keypoints_and_back_to_nothing(place: Place, tmp_path: Path) -> None:
    extracted = subprocess.run(
        [*AGGPOSE, "extract", str(place.film), "--out", str(tmp_path / "extract"), *ENGINE,
         "--model", str(place.models / "pose.onnx"),
         "--detector", str(place.models / "detector.onnx")],
        capture_output=True, text=True, check=False, env=place.environment,
    )  # fmt: skip
    assert extracted.returncode == 0, extracted.stderr
    expected = tmp_path / "extract" / "ward 7"

    with running(place) as system:
        assert system.key is not None
        secret = system.key.rpartition("_")[2].encode()
        assert all(
            secret not in path.read_bytes() for path in place.data.iterdir() if path.is_file()
        )

        # A film is submitted, and gives what `aggpose extract` gives.
        words = (place.film, "--out", tmp_path / "out", "--model", "hand-made", "--json")
        done = submit(place, system, system.key, *words)
        assert done.returncode == 0, done.stderr + (place.data.parent / "log").read_text()
        told = json.loads(done.stdout)
        assert (told["state"], told["frames"]) == ("succeeded", FRAMES)
        got = tmp_path / "out" / "ward 7"
        names = {path.relative_to(expected) for path in expected.rglob("[!.]*") if path.is_file()}
        assert {path.relative_to(got) for path in got.rglob("*") if path.is_file()} == names
        for name in (n for n in names if n.suffix == ".csv" or n.stem == "keypoints"):
            assert (got / name).read_bytes() == (expected / name).read_bytes(), name
        with av.open(str(got / "preview.mp4")) as film:
            assert sum(1 for _ in film.decode(video=0)) == FRAMES

        # Submitted again, it is the same job; a file that is no video is one line.
        same = submit(place, system, system.key, *words)
        assert json.loads(same.stdout) == told
        letter = tmp_path / "letter.mp4"
        letter.write_text("Dear colleague, " * 99)
        bad = submit(place, system, system.key, letter, "--wait")
        assert (bad.returncode, bad.stderr.count("[video.unsupported_container]")) == (1, 1)
        assert submit(place, system, "aggpose_no", letter).stderr.count("[key.invalid]") == 1

        follow_the_pages(system, system.key, tmp_path / "pages")

        # An API that dies is started again, at the same address.
        api = children_named(system.process.pid, "serve")
        os.kill(api, signal.SIGKILL)
        wait_until(lambda: children_named(system.process.pid, "serve") not in (0, api), 10)
        assert get(system, f"/v1/jobs/{told['job']}", system.key).json()["state"] == "succeeded"

        # Neither folder nor port can be taken by another.
        again = start_anyway(place, "--port", "0")
        assert re.fullmatch(r"aggpose: .*\[up\.folder_in_use\]\n", again.stderr)

        family = descendants(system.process.pid)
        assert len(family) >= 6
        system.process.send_signal(signal.SIGINT)
        # It takes 10 s at the most, and longer only where others use all of the processors.
        assert system.process.wait(30) == 0
        assert not alive(family)
    # Workers that stopped in order are not seen any more, however lately they were.
    database = Database(f"sqlite:///{place.data}/aggpose.sqlite")
    with database.read() as session:
        assert list_workers(session, seen_after=datetime.min.replace(tzinfo=UTC)) == []
    database.close()

    # The next start shows no key, and knows the old one; killed, it takes its processes along.
    with running(place) as system_again:
        assert system_again.key is None
        jobs = get(system_again, "/v1/jobs", system.key).json()["items"]
        assert len(jobs) == 3
        assert jobs[2]["id"] == told["job"]
        family = descendants(system_again.process.pid)
        system_again.process.kill()
        wait_until(lambda: not alive(family), 20)


def follow_the_pages(system: Up, key: str, folder: Path) -> None:
    """Do what the pages say of curl, in their words; each page has a film of its own."""
    pages = (
        ("README.md", "## By REST with curl", "samples/landscape.mp4", "keypoints.csv"),
        ("docs/service.md", "### The same by curl", "film.mp4", "keypoints-filtered.csv"),
    )
    for number, (page, heading, film, table) in enumerate(pages, start=1):
        place = folder / str(number)
        (place / film).parent.mkdir(parents=True)
        write_film(place / film, FRAMES - number)
        lines = lines_below(page, heading)
        assert sum(line.startswith("curl ") for line in lines) >= 4
        follow(lines, url=system.url, key=key, folder=place)
        assert (place / table).read_text().count("\n") == 1 + FRAMES - number
        assert (place / "preview.mp4").read_bytes()[4:8] == b"ftyp"
    assert lines_below(*pages[0][:2])[0].startswith("aggpose up ")


def children_named(pid: int, word: str) -> int:
    """The child with this word in its command; 0 for none."""
    for child in descendants(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            if word in Path(f"/proc/{child}/cmdline").read_text().split("\0"):
                return child
    return 0


def start_anyway(place: Place, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*AGGPOSE, "up", "--data", str(place.data), *words],
        capture_output=True, text=True, check=False, env=place.environment,
    )  # fmt: skip


def test_a_command_has_a_system_of_its_own(place: Place) -> None:
    code = (
        "import os, sys, httpx\n"
        "url, key = os.environ['AGGPOSE_SERVER_URL'], os.environ['AGGPOSE_API_KEY']\n"
        "answer = httpx.get(url + '/v1/jobs', headers={'Authorization': 'Bearer ' + key})\n"
        "print(answer.status_code, key)\n"
        "sys.exit(7)\n"
    )
    done = start_anyway(place, "--port", "0", *ENGINE, "--", sys.executable, "-c", code)
    assert done.returncode == 7, done.stderr
    status, key = done.stdout.split()
    assert status == "200"
    words = [*AGGPOSE, "keys", "list", "--json"]
    environment = place.environment | {"AGGPOSE_DATA_DIR": str(place.data)}
    listed = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    (row,) = [one for one in json.loads(listed.stdout) if one["prefix"] in key]
    assert (row["tenant"], row["scopes"]) == ("local", ["read", "write"])
    assert row["revoked_at"] is not None


def test_a_taken_port_is_one_line(place: Place, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = [*AGGPOSE, "up", "--data", str(tmp_path / "data"), "--port", str(port)]
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, env=place.environment
        )
    assert done.returncode == 1
    assert done.stderr == (
        f"aggpose: expected a free port, got {port}: something listens there [serve.address]\n"
    )


def test_a_part_that_cannot_start_ends_all(place: Place, tmp_path: Path) -> None:
    words = [*AGGPOSE, "up", "--data", str(tmp_path / "data"), "--port", "0", "--device", "abacus"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=place.environment)
    assert done.returncode == 1
    assert "got 'abacus' [" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("aggpose: the worker for keypoints ended with status 1")
    assert last.endswith("[up.part_failed]")
