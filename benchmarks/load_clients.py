"""The clients of `benchmarks.load`: they upload, poll and download at once, and note what it took.

Those that send are threads of the caller's process, those that only ask a process of their own.
"""

import http.client
import multiprocessing
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue
    from multiprocessing.synchronize import Event

BOUNDARY = "a0b1c2d3e4f5"
POLLERS = 10
POLL_S = 0.1
CLIENT_POLLS = 3
CLIENT_POLL_S = 1.0
_SPAWN = multiprocessing.get_context("spawn")


def form_around() -> bytes:
    """What stands before the file in a form."""
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="video"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()


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
