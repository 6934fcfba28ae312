"""A whole system on PostgreSQL and Redis, all of whose processes can be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx

import migrations
from service.client import Client
from service.database.engine import Database
from service.database.tables import Job
from service.errors import DatabaseUnavailableError
from tests.hand_made_models import write_detector, write_pose
from tests.servers import PostgreSql, Redis, Victim, free_port
from tests.worker_room import write_film

PATIENCE_S = 180.0

SLOW_WORKER = """
import time
from workers import leases

class SlowJob(leases.HeldJob):
    def advance(self, frames):
        time.sleep({pause_s})
        super().advance(frames)

from workers import attempt
attempt.HeldJob = SlowJob
from workers.cli import main
main()
"""
"""A worker whose work takes long enough to be met in the middle."""


class System:
    """A whole system: servers, API, two workers, a sweeper; all of them can be killed.

    Args:
        folder: Where everything lies.
        frames: Of the film.
        pause_s: How long a worker sleeps at each window.
        lease_s: All other times follow it.

    Attributes:
        film: What jobs are made of.
        visibility_s: How long Redis waits for a worker's sign of life.
    """

    def __init__(self, folder: Path, *, frames: int, pause_s: float, lease_s: float) -> None:
        self.folder, self.lease_s, self.visibility_s = folder, lease_s, 1.5 * lease_s
        self.film = write_film(folder / "film.mp4", frames)
        models = folder / "models"
        models.mkdir()
        write_pose(models / "pose.onnx", "hand-made-pose")
        write_detector(models / "detector.onnx")
        self.redis, self.postgresql = Redis(folder / "redis"), PostgreSql(folder / "postgresql")
        port = free_port()
        self._environment = os.environ | {
            "AGGPOSE_DATA_DIR": str(folder / "data"), "AGGPOSE_MODELS_DIR": str(models),
            "AGGPOSE_BROKER_URL": self.redis.url, "AGGPOSE_DATABASE_URL": self.postgresql.url,
            "AGGPOSE_PORT": str(port), "AGGPOSE_LEASE_S": str(lease_s),
            "AGGPOSE_HEARTBEAT_S": str(lease_s / 5), "AGGPOSE_SWEEPER_S": str(lease_s / 10),
            "AGGPOSE_VISIBILITY_S": str(self.visibility_s),
        }  # fmt: skip
        self.url = f"http://127.0.0.1:{port}"
        worker = [sys.executable, "-c", SLOW_WORKER.format(pause_s=pause_s), "worker"]
        worker += ["--engine", "cpu", "--threads", "1"]
        aggpose = [sys.executable, "-P", "-m", "workers.cli"]
        self.workers = [self._victim(worker, f"worker-{n}") for n in (1, 2)]
        self.sweeper = self._victim([*aggpose, "sweeper"], "sweeper")
        self.api = self._victim([*aggpose, "serve"], "api")
        self.api.ready = lambda: httpx.get(f"{self.url}/healthz").raise_for_status()
        self.database = Database(self.postgresql.url)

    @contextmanager
    def running(self) -> Iterator[Client]:
        """Start everything; gives a client with a key, and ends everything afterwards."""
        try:
            for server in (self.redis, self.postgresql):
                server.start()
            migrations.upgrade(self.postgresql.url)
            words = [sys.executable, "-m", "workers.cli", "keys", "create", "--tenant", "ward"]
            made = subprocess.run(
                words, env=self._environment, check=True, capture_output=True, text=True
            )
            for victim in (*self.workers, self.sweeper, self.api):
                victim.start()
            with Client(self.url, made.stdout.split()[-1], patience_s=PATIENCE_S) as client:
                yield client
        finally:
            self.database.close()
            for victim in self.everything():
                victim.kill()

    def everything(self) -> list[Victim]:
        """All that runs, those that others need last."""
        return [*self.workers, self.sweeper, self.api, self.redis, self.postgresql]

    def repair(self) -> None:
        """Start again what does not run, and thaw what is frozen."""
        for victim in reversed(self.everything()):
            if victim.is_alive():
                victim.tell(signal.SIGCONT)
            else:
                victim.start()

    def holder(self, job_id: UUID) -> tuple[int, Victim] | None:
        """The process that holds a job, and its worker; None where nobody does."""
        job = self.job(job_id)
        if job is None or job.state != "running" or job.worker_id is None:
            return None
        child = int(job.worker_id.rpartition(":")[2])
        for worker in self.workers:
            try:
                if os.getpgid(child) == worker.pid:
                    return child, worker
            except ProcessLookupError:
                return None
        return None

    def job(self, job_id: UUID) -> Job | None:
        """The job's row, straight from the database; None while that is away."""
        try:
            with self.database.read() as session:
                return session.get(Job, job_id)
        except DatabaseUnavailableError:
            return None

    def _victim(self, words: list[str], name: str) -> Victim:
        log = self.folder / f"{name}.log"
        return Victim(words, environment=self._environment, log=log)
