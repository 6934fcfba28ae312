"""`aggpose up` as a stranger meets it: one command, a key, a film submitted, and an end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest

from service.database.engine import Database
from service.database.workers import list_workers
from tests.curl import Curl, film_to_results
from tests.pages import follow, lines_below
from tests.started_system import (
    AGGPOSE,
    ENGINE,
    Place,
    Up,
    alive,
    descendants,
    extracted,
    get,
    make_place,
    running,
    submit,
    wait_until,
)
from tests.worker_room import write_film

FRAMES = 40


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("up"), frames=FRAMES)


def test_from_one_command_to_keypoints_and_back_to_nothing(place: Place, tmp_path: Path) -> None:
    expected = extracted(place, tmp_path / "extract")

    with running(place) as system:
        assert system.key is not None
        secret = system.key[-43:].encode()  # which may have an underscore in it
        assert all(
            secret not in path.read_bytes() for path in place.data.iterdir() if path.is_file()
        )

        # By curl alone a film gives what `aggpose extract` gives.
        curl = Curl(system.url, system.key)
        film_to_results(curl, place.film, expected, query="&model=hand-made")

        # Submitted, it does as well.
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
        assert len(jobs) == 4
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
