"""A room for tests of workers: settings, a database with a video's job, and worker processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import av
import numpy as np

from service.blobs import open_store
from service.database.engine import Database, current_time
from service.database.jobs import add_job, find_job
from service.database.results import find_artifact
from service.database.tables import Job, Video
from service.database.tenants import add_tenant
from service.database.videos import add_video
from service.queue import JobQueue
from service.settings import Settings

LAUNCH = """
import importlib.abc, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in {"torch", "onnx", "ultralytics", "fastapi"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
sys.argv[0] = "aggpose"
"""
"""Begins a worker process as it is installed: without torch."""

WORKER, SWEEPER = (
    f"import sys; sys.argv.insert(1, {word!r}); from workers.cli import main; main()"
    for word in ("worker", "sweeper")
)
PATIENCE_S = 90.0


def write_film(path: Path, frames: int) -> Path:
    """A short film of moving noise with uneven time between its frames."""
    rng = np.random.default_rng(2)
    still = rng.integers(0, 255, (15, 20, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(still, i, 1), format="rgb24")
            frame.pts, frame.time_base = 40 * i + (i % 3) * 5, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


class Room:
    """What API and workers share, and processes that work in it.

    Args:
        settings: Of all of them.
        model: The pose model's name.
    """

    def __init__(self, settings: Settings, model: str) -> None:
        self.settings, self.model = settings, model
        self.database = Database(settings.database_url.get_secret_value())
        self.store = open_store(settings.blob_url, s3=settings.s3_access())
        self.queue = JobQueue(settings)
        with self.database.write() as session:
            self.tenant = add_tenant(session, name="ward", now=current_time(session))

    def close(self) -> None:
        """Give connections back."""
        self.queue.close()
        self.store.close()
        self.database.close()

    def add(
        self, film: Path, *, model: str | None = None, send: bool = True, **parameters: float
    ) -> UUID:
        """Upload a film and make a job of it, with these parameters."""
        content = film.read_bytes()
        key = f"videos/{sha256(content).hexdigest()}"
        blob = self.store.put(key, [content], max_bytes=len(content))
        with self.database.write() as session:
            now = current_time(session)
            video, _ = add_video(session, Video(
                tenant_id=self.tenant.id, sha256=blob.sha256, size_bytes=blob.size_bytes,
                media_type="video/mp4", blob_key=key, created_at=now,
            ))  # fmt: skip
            job, _ = add_job(session, Job(
                tenant_id=self.tenant.id, video_id=video.id, model=model or self.model,
                parameters=parameters, created_at=now, queued_at=now, sent_at=now,
            ))  # fmt: skip
        if send:
            self.queue.send(job.id, "extract")
        return job.id

    def job(self, job_id: UUID) -> Job:
        """The job as it is now."""
        with self.database.read() as session:
            job = find_job(session, self.tenant.id, job_id)
        assert job is not None
        return job

    def wait(self, job_id: UUID, until: Callable[[Job], bool]) -> Job:
        """The job, once it is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not until(job := self.job(job_id)):
            if time.monotonic() > deadline:
                raise AssertionError(f"job {job.state} {job.stage} {job.frames_done}")
            time.sleep(0.02)
        return job

    def finished(self, job_id: UUID) -> Job:
        """The job, once it has ended."""
        return self.wait(job_id, lambda job: job.finished_at is not None)

    @contextmanager
    def process(self, code: str, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A process of the service in a group of its own, killed at the end."""
        names = {name: getattr(self.settings, name) for name in self.settings.model_fields_set}
        values = {
            f"AGGPOSE_{name.upper()}": getattr(value, "get_secret_value", lambda v=value: str(v))()
            for name, value in names.items()
        }
        words = [sys.executable, "-c", LAUNCH + code, *arguments]
        with subprocess.Popen(words, env=os.environ | values, start_new_session=True) as process:
            try:
                yield process
            finally:
                kill_tree(process)

    def worker(
        self, code: str = WORKER, *arguments: str
    ) -> AbstractContextManager["subprocess.Popen[bytes]"]:
        """A worker, for both queues where nothing else is said."""
        return self.process(code, "--engine", "cpu", "--threads", "1", *arguments)

    def artifact(self, job_id: UUID, kind: str) -> bytes:
        """A finished file's bytes."""
        with self.database.read() as session:
            artifact = find_artifact(session, job_id, kind)
        assert artifact is not None
        return b"".join(self.store.open(artifact.blob_key))


def same_files(room: Room, job_id: UUID, expected: Path) -> None:
    """A job's keypoints and the record of its masks are those of `aggpose extract`, to the byte."""
    names = [
        path.name for path in expected.iterdir() if path.suffix == ".csv" or "keyp" in path.name
    ]
    assert len(names) == 5
    for name in names:
        assert room.artifact(job_id, name) == (expected / name).read_bytes(), name


def kill_tree(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and its children at once, as the machine's end would."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
