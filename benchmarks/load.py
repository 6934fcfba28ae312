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
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID, uuid4

import httpx
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import migrations
from benchmarks.database import window_of
from benchmarks.load_clients import Clients, Found
from model.spec.sequence_header import header_json
from service.client import Client
from service.database.engine import Database, current_time
from service.database.frames import store_window
from service.database.leases import LeaseTerms, claim, describe
from tests.sequences import header_of, number_of
from tests.servers import PostgreSql, Victim, free_port

SAMPLE = Path(__file__).parents[1] / "samples" / "landscape.mp4"
WINDOW_FRAMES = 2048
TERMS = LeaseTerms(lease_s=24 * 3600)


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
