"""Workers die, freeze and are told to stop, in the middle of jobs that end all the same."""

import os
import signal
import time
from pathlib import Path

import pytest

from service.database.jobs import delete_job
from service.database.tables import Job
from tests.worker_room import SWEEPER, WORKER, Room, same_files

POISON = """
import os, workers.extracting_job
workers.extracting_job.open_video = lambda *_, **__: os._exit(9)
"""
"""A worker that dies of any video, as one would of a fault in a library that decodes it."""


STUCK = """
import time, workers.app, workers.extracting_job
workers.app.GRACE_S = 1.0
workers.extracting_job.open_video = lambda *_, **__: time.sleep(3600)
"""
"""A worker that comes to no end of any window, and is told to stop."""


# Each costs workers of its own: one kind of room is enough, and the benchmark knows the other.
files = pytest.mark.parametrize("settings", ["files"], indirect=True)
servers = pytest.mark.parametrize("settings", ["servers"], indirect=True)


def child_of(job: Job) -> int:
    """The process that holds a job."""
    assert job.worker_id is not None
    return int(job.worker_id.rpartition(":")[2])


def ends(process: int) -> bool:
    """Whether a process ends; one that nobody has asked for its exit status has ended too."""
    for _ in range(100):
        stat = Path(f"/proc/{process}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


@files
def test_a_child_is_killed_then_the_worker_is_told_to_stop(
    room: Room, film: Path, expected: Path
) -> None:
    with room.process(SWEEPER), room.worker() as first:
        job_id = room.add(film)
        job = room.wait(job_id, lambda job: job.frames_done > 0)
        os.kill(child_of(job), signal.SIGKILL)
        killed = child_of(job)
        job = room.wait(job_id, lambda job: job.state == "running" and child_of(job) != killed)
        before = job.frames_done
        job = room.wait(job_id, lambda job: job.frames_done > before)
        os.killpg(first.pid, signal.SIGTERM)  # to all of it, as systemd does
        job = room.wait(job_id, lambda job: job.state == "queued")
        assert job.attempt == 0
        assert first.wait(30) == 0
        with room.worker():
            assert room.finished(job_id).state == "succeeded"
    same_files(room, job_id, expected)


@servers
def test_a_worker_is_frozen_and_another_killed(room: Room, film: Path, expected: Path) -> None:
    with room.process(SWEEPER), room.worker(), room.worker():
        job_id = room.add(film)
        frozen = child_of(room.wait(job_id, lambda job: job.frames_done > 0))
        os.killpg(os.getpgid(frozen), signal.SIGSTOP)
        job = room.wait(job_id, lambda job: job.state == "running" and child_of(job) != frozen)
        before, other = job.frames_done, child_of(job)
        os.killpg(os.getpgid(frozen), signal.SIGCONT)
        room.wait(job_id, lambda job: job.frames_done > before)
        os.killpg(os.getpgid(other), signal.SIGKILL)
        job = room.finished(job_id)
        assert (job.state, child_of(job)) == ("succeeded", frozen)
    same_files(room, job_id, expected)


@servers
def test_a_video_that_kills_its_worker_fails_after_three_attempts(room: Room, film: Path) -> None:
    with room.process(SWEEPER), room.worker(POISON + WORKER):
        job = room.finished(room.add(film))
    assert (job.state, job.error_code) == ("failed", "job.attempts_exhausted")
    assert (job.attempt, job.frames_done, job.lease_token) == (3, 0, None)


@files
def test_a_worker_that_is_stuck_ends_all_the_same(room: Room, film: Path) -> None:
    with room.worker(STUCK + WORKER) as worker:
        job = room.wait(room.add(film), lambda job: job.state == "running")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 1
        assert ends(child_of(job))
    with room.database.write() as session:
        assert delete_job(session, room.tenant.id, job.id) is not None
