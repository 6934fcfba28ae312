"""Workers die, freeze and are told to stop, in the middle of jobs that end all the same."""

import os
import signal
from pathlib import Path

from service.database.tables import Job
from tests.worker_room import SWEEPER, WORKER, Room, same_files

POISON = """
import os, workers.extracting_job
workers.extracting_job.open_video = lambda *_, **__: os._exit(9)
"""
"""A worker that dies of any video, as one would of a fault in a library that decodes it."""


def child_of(job: Job) -> int:
    """The process that holds a job."""
    assert job.worker_id is not None
    return int(job.worker_id.rpartition(":")[2])


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
        first.send_signal(signal.SIGTERM)
        job = room.wait(job_id, lambda job: job.state == "queued")
        assert job.attempt == 0
        assert first.wait(30) == 0
        with room.worker():
            assert room.finished(job_id).state == "succeeded"
    same_files(room, job_id, expected)


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


def test_a_video_that_kills_its_worker_fails_after_three_attempts(room: Room, film: Path) -> None:
    with room.process(SWEEPER), room.worker(POISON + WORKER):
        job = room.finished(room.add(film))
    assert (job.state, job.error_code) == ("failed", "job.attempts_exhausted")
    assert (job.attempt, job.frames_done, job.lease_token) == (3, 0, None)
