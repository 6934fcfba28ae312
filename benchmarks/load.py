"""Fifty clients at once: how fast uploads are, how soon a job's status comes, what memory it takes.

Run: python -m benchmarks.load [--folder FOLDER] [--clients 50] [--mebibytes 20] [--rounds 3]
    [--database sqlite|postgresql] [--frames 200000]

The same clients send the same bytes to a bare Starlette route that parses, hashes and writes, to
the service, and to the service once more while others, in a process of their own, ask for a job's
status a hundred times a second. Then each client polls its job and downloads another's keypoints,
while the others go on asking.
Clients are threads of this process that send through plain sockets, so that they take little from
the server beside them. At the end one job's frames are streamed as CSV out of the database. FOLDER
is where files are written; in a memory file system (/dev/shm) the disk plays no part.
"""

import argparse
import hashlib
import http.client
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import httpx
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import migrations
from benchmarks.database import window_of
from model.spec.sequence_header import header_json
from service.client import Client
from service.database.engine import Database, current_time
from service.database.frames import store_window
from service.database.leases import LeaseTerms, claim, describe
from tests.sequences import header_of, number_of
from tests.servers import PostgreSql, Victim, free_port

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue
    from multiprocessing.synchronize import Event

SAMPLE = Path(__file__).parents[1] / "samples" / "landscape.mp4"
BOUNDARY = "a0b1c2d3e4f5"
WINDOW_FRAMES = 2048
TERMS = LeaseTerms(lease_s=24 * 3600)
POLLERS = 10
POLL_S = 0.1
CLIENT_POLLS = 3
CLIENT_POLL_S = 1.0
_SPAWN = multiprocessing.get_context("spawn")


def bare() -> Starlette:
    """A service that does with an upload what cannot be left out: parse the form, hash, write."""
    folder = Path(os.environ["BARE_FOLDER"])

    async def upload(request: Request) -> Response:
        _, options = parse_options_header(request.headers["content-type"])
        digest = hashlib.sha256()
        with (folder / str(uuid4())).open("wb") as file:

            def take(data: bytes, start: int, end: int) -> None:
                digest.update(data[start:end])
                file.write(data[start:end])

            parser = MultipartParser(options[b"boundary"], {"on_part_data": take})
            async for chunk in request.stream():
                parser.write(chunk)
            parser.finalize()
            file.flush()
            os.fsync(file.fileno())
        return Response(digest.hexdigest(), 201)

    return Starlette(routes=[Route("/v1/videos", upload, methods=["POST"])])


@dataclass
class Found:
    """What was measured.

    Attributes:
        upload_s: From the first client's start to the last one's answer, by server and round.
        status_s: What each request of others for a job's status took while clients uploaded.
        busy_status_s: Likewise while the clients polled and downloaded.
        peaks_mb: The API's memory at its highest, after all rounds and after the stream.
        errors: What was not answered as it must be.
    """

    upload_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    status_s: list[float] = field(default_factory=list)
    busy_status_s: list[float] = field(default_factory=list)
    peaks_mb: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Clients:
    """All clients of one server.

    Args:
        port: Where it listens.
        key: The API key, or nothing.
        count: How many they are.
        film: What each of them uploads, but for its end.
        found: Where figures and errors go.
    """

    def __init__(self, port: int, key: str, count: int, film: bytes, found: Found) -> None:
        self._port, self._key, self._count = port, key, count
        self._film, self._found = film, found
        self._headers = {"Authorization": f"Bearer {key}"}

    def upload(self, path: str) -> tuple[float, list[bytes]]:
        """All upload at once; the seconds it took, and the answers."""
        begin = threading.Barrier(self._count + 1)

        def one(_: int) -> bytes:
            head, tail = form_around(), f"\r\n--{BOUNDARY}--\r\n".encode()
            film = self._film[:-16] + os.urandom(16)  # another film each time
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
            connection.connect()
            begin.wait()
            connection.putrequest("POST", path)
            for name, value in self._headers.items():
                connection.putheader(name, value)
            connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
            connection.putheader("Content-Length", str(len(head) + len(film) + len(tail)))
            connection.endheaders()
            for part in (head, film, tail):
                connection.sock.sendall(part)
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            if answer.status not in (200, 201, 202):
                self._found.errors.append(f"{path}: {answer.status} {body[:300]!r}")
            return body

        with ThreadPoolExecutor(self._count) as pool:
            running = [pool.submit(one, n) for n in range(self._count)]
            begin.wait()
            started = time.perf_counter()
            answers = [each.result() for each in running]
            return time.perf_counter() - started, answers

    def poll_and_download(self, job_ids: list[str], ready: UUID) -> None:
        """All poll jobs of their own, not in the same moment, and download what another has."""

        def one(number: int, job_id: str) -> None:
            time.sleep(CLIENT_POLL_S * number / self._count)
            with self.connection() as http_:
                for _ in range(CLIENT_POLLS):
                    self.timed(http_, f"/v1/jobs/{job_id}", [])
                    time.sleep(CLIENT_POLL_S)
                self.timed(http_, f"/v1/jobs/{ready}/keypoints.csv", [])

        with ThreadPoolExecutor(self._count) as pool:
            list(pool.map(one, range(self._count), job_ids))

    @contextmanager
    def polling(self, ready: UUID, status_s: list[float]) -> Iterator[None]:
        """Others ask for a job's status while the context lasts, and note what each time took.

        From a process of their own: in this one each would wait until fifty that send let it.
        """
        over, found = _SPAWN.Event(), _SPAWN.SimpleQueue()
        words = (self._port, self._key, f"/v1/jobs/{ready}", over, found)
        others = _SPAWN.Process(target=_poll, args=words, daemon=True)
        others.start()
        found.get()  # they have begun
        try:
            yield
        finally:
            over.set()
            seconds, errors = found.get()
            others.join()
        status_s += seconds
        self._found.errors += errors

    def poll(self, path: str, over: "Event") -> None:
        """Ask for a job's status until it is over, as so many at once."""

        def one(_: int) -> None:
            with self.connection() as http_:
                while not over.wait(POLL_S):
                    self.timed(http_, path, self._found.status_s)

        with ThreadPoolExecutor(self._count) as pool:
            list(pool.map(one, range(self._count)))

    def timed(self, http_: http.client.HTTPConnection, path: str, seconds: list[float]) -> int:
        """Ask, note how long the whole answer took; its length in bytes."""
        started = time.perf_counter()
        http_.request("GET", path, headers=self._headers)
        answer = http_.getresponse()
        length = 0
        while piece := answer.read(1 << 16):
            length += len(piece)
        seconds.append(time.perf_counter() - started)
        if answer.status != 200:
            self._found.errors.append(f"{path}: {answer.status}")
        return length

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        """One that stays open."""
        made = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        try:
            yield made
        finally:
            made.close()


def _poll(
    port: int,
    key: str,
    path: str,
    over: "Event",
    answer: "SimpleQueue[tuple[list[float], list[str]]]",
) -> None:
    """The process of those that poll: says that it begins, and at the end what it found."""
    found = Found()
    answer.put(([], []))
    try:
        Clients(port, key, POLLERS, b"", found).poll(path, over)
    except (OSError, http.client.HTTPException) as error:
        found.errors.append(f"{path}: {error!r}")
    answer.put((found.status_s, found.errors))


def main() -> None:
    """Measure all, print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--mebibytes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--frames", type=int, default=200_000)
    options = parser.parse_args()
    film = SAMPLE.read_bytes().ljust(options.mebibytes << 20, b"\0")
    found = Found()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        folder.chmod(0o755)
        environment = _environment(folder, options.database, stack)
        migrations.upgrade(environment["AGGPOSE_DATABASE_URL"])
        api, api_port = _served(["workers.cli", "serve"], environment, stack)
        bare_words = ["uvicorn", "benchmarks.load:bare", "--factory", "--no-access-log"]
        _, bare_port = _served(bare_words, environment, stack)
        words = [sys.executable, "-m", "workers.cli", "keys", "create", "--tenant", "load"]
        made = subprocess.run(  # noqa: S603 - the project's own command
            words, env=environment, check=True, capture_output=True, text=True
        )
        key = made.stdout.split()[-1]
        database = Database(environment["AGGPOSE_DATABASE_URL"])
        stack.callback(database.close)
        with Client(f"http://127.0.0.1:{api_port}", key) as client:
            few, many = (
                _job_with_frames(client, database, frames) for frames in (2000, options.frames)
            )
        servers = {
            "bare": Clients(bare_port, "none", options.clients, film, found),
            "service": Clients(api_port, key, options.clients, film, found),
        }
        plain_s = _copy_and_hash(folder, film, options.clients)
        _remove_files(folder)
        for _ in range(options.rounds):
            seconds, _ = servers["bare"].upload("/v1/videos")
            found.upload_s["bare"].append(seconds)
            _remove_files(folder)
            seconds, _ = servers["service"].upload("/v1/videos?extract=true")
            found.upload_s["service"].append(seconds)
            _remove_files(folder)
            with servers["service"].polling(few, found.status_s):
                seconds, answers = servers["service"].upload("/v1/videos?extract=true")
            found.upload_s["service, others polling"].append(seconds)
            jobs = [json.loads(answer)["job"]["id"] for answer in answers]
            with servers["service"].polling(few, found.busy_status_s):
                servers["service"].poll_and_download(jobs, few)
            _remove_files(folder)
        found.peaks_mb.append(_peak_mb(api.pid))
        streamed: list[float] = []
        with servers["service"].connection() as http_:
            length = servers["service"].timed(http_, f"/v1/jobs/{many}/keypoints.csv", streamed)
        found.peaks_mb.append(_peak_mb(api.pid))
        _print(found, options, plain_s, streamed[0], length)
    if found.errors:
        raise SystemExit("\n".join([f"{len(found.errors)} errors:", *found.errors[:10]]))


def form_around() -> bytes:
    """What stands before the file in a form."""
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="video"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()


def _environment(folder: Path, database: str, stack: ExitStack) -> dict[str, str]:
    url = f"sqlite:///{folder / 'load.sqlite'}"
    if database == "postgresql":
        server = PostgreSql(folder / "postgresql")
        server.start()
        stack.callback(server.kill)
        url = server.url
    (folder / "bare").mkdir()
    return os.environ | {
        "AGGPOSE_DATA_DIR": str(folder / "data"), "AGGPOSE_DATABASE_URL": url,
        "AGGPOSE_KEY_REQUESTS_PER_MINUTE": "1000000", "AGGPOSE_KEY_UPLOADS_PER_HOUR": "1000000",
        "BARE_FOLDER": str(folder / "bare"),
    }  # fmt: skip


def _served(words: list[str], environment: dict[str, str], stack: ExitStack) -> tuple[Victim, int]:
    """A server on a port of its own, and that."""
    port = free_port()
    ports = {"AGGPOSE_PORT": str(port), "UVICORN_PORT": str(port)}
    server = Victim(
        [sys.executable, "-m", *words],
        environment=environment | ports,
        ready=lambda: httpx.get(f"http://127.0.0.1:{port}/"),
    )
    server.start()
    stack.callback(server.kill)
    return server, port


def _job_with_frames(client: Client, database: Database, frames: int) -> UUID:
    """A job that somebody works on, with rows of so many frames."""
    job_id = client.create_job(client.upload(SAMPLE).id).id
    with database.write() as session:
        got = claim(
            session, job_id, stage="extract", worker_id="here", now=current_time(session),
            terms=TERMS,
        )  # fmt: skip
    if got is None:
        raise SystemExit("the new job is somebody else's")
    header = json.loads("{" + ",".join(header_json(header_of(keypoints=number_of(21)))) + "}")
    with database.write() as session:
        describe(session, got.lease, header=header, frames_total=frames)
    for first in range(0, frames, WINDOW_FRAMES):
        content = window_of(first, min(WINDOW_FRAMES, frames - first))
        with database.write() as session:
            now = current_time(session)
            store_window(session, got.lease, content, now=now, terms=TERMS)
    return job_id


def _remove_files(folder: Path) -> None:
    """Remove what was uploaded, so that all write to memory that was in use before.

    On a virtual machine the first use of a page costs more than all else that an upload does.
    """
    for pattern in ("bare/*", "data/blobs/videos/*/source"):
        for file in folder.glob(pattern):
            file.unlink()


def _copy_and_hash(folder: Path, film: bytes, count: int) -> float:
    """Seconds for the same bytes without any server."""
    started = time.perf_counter()
    for n in range(count):
        with (folder / "bare" / str(n)).open("wb") as file:
            file.write(film)
            hashlib.sha256(film).digest()
            file.flush()
            os.fsync(file.fileno())
    return time.perf_counter() - started


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024


def _print(
    found: Found, options: argparse.Namespace, plain_s: float, streamed_s: float, length: int
) -> None:
    total_mb = options.clients * options.mebibytes * (1 << 20) / 1e6
    print("| uploads | MB/s, by round | median over bare |")
    print("|---|---|---|")
    bare_s = statistics.median(found.upload_s["bare"])
    rows = {**found.upload_s, "copied and hashed, no server": [plain_s]}
    for name, seconds in rows.items():
        rates = " ".join(f"{total_mb / each:.0f}" for each in seconds)
        print(f"| {name} | {rates} | {bare_s / statistics.median(seconds):.2f} |")
    print("\n| a job's status | requests | median ms | p99 ms | slowest ms |")
    print("|---|---|---|---|---|")
    for name, found_s in (
        ("while clients upload", found.status_s),
        ("all clients poll and download", found.busy_status_s),
    ):
        ms = sorted(1e3 * each for each in found_s)
        p99 = ms[int(0.99 * len(ms))]
        print(f"| {name} | {len(ms)} | {statistics.median(ms):.0f} | {p99:.0f} | {ms[-1]:.0f} |")
    rows_s = options.frames / streamed_s
    print(f"\n{options.frames} frames as CSV ({length / 1e6:.0f} MB): {rows_s:,.0f} rows/s")
    print(
        f"the API's memory at its highest: {found.peaks_mb[0]:.0f} MB after all uploads, ", end=""
    )
    print(f"{found.peaks_mb[1]:.0f} MB after the stream; errors: {len(found.errors)}")


if __name__ == "__main__":
    main()
