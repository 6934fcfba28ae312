"""Stopped in the middle of its work, `aggpose up` goes on at the next start, as if nothing was."""

import signal
import subprocess
from pathlib import Path

from sqlalchemy import select

from model.spec.exit_codes import INTERRUPTED
from service.database.engine import Database
from service.database.tables import Job
from service.submit_command import STOPPED
from tests.started_system import (
    Place,
    extracted,
    get,
    make_place,
    running,
    submit,
    submitting,
    wait_until,
)

FRAMES = 1200


def hears_ctrl_c() -> None:
    """Also where these tests run in a shell's background, whose programs are told to ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def only_job(place: Place) -> Job:
    database = Database(f"sqlite:///{place.data}/aggpose.sqlite")
    with database.read() as session:
        job = session.scalars(select(Job)).one()
    database.close()
    return job


def test_what_was_stopped_in_the_middle_goes_on(tmp_path: Path) -> None:
    place = make_place(tmp_path, frames=FRAMES, AGGPOSE_LOG_LEVEL="WARNING")
    order = (place.film, "--out", tmp_path / "out", "--model", "hand-made")
    with running(place) as system:
        key = system.key
        assert key is not None
        words, environment = submitting(place, system, key, *order)
        with subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
            preexec_fn=hears_ctrl_c,  # noqa: PLW1509 - no other thread runs here
        ) as client:  # fmt: skip

            def begun() -> bool:
                jobs = get(system, "/v1/jobs", key).json()["items"]
                return any(job["frames_done"] > 0 for job in jobs)

            wait_until(begun, 120)
            client.send_signal(signal.SIGINT)
            said, complained = client.communicate(timeout=60)
            assert (client.returncode, said) == (INTERRUPTED, ""), complained
            assert complained.splitlines()[-1] == STOPPED
        system.process.send_signal(signal.SIGINT)
        assert system.process.wait(60) == 0

    job = only_job(place)
    assert (job.state, job.stage, job.attempt) == ("queued", "extract", 0)
    assert 0 < job.frames_done < FRAMES

    with running(place) as system:
        done = submit(place, system, key, *order)
        assert done.returncode == 0, done.stderr
    after = only_job(place)
    assert (after.id, after.state, after.frames_done) == (job.id, "succeeded", FRAMES)
    expected, got = extracted(place, tmp_path / "extract"), tmp_path / "out" / place.film.stem
    names = [path.name for path in expected.iterdir() if path.suffix == ".csv"]
    assert len(names) == 3
    for name in (*names, "keypoints.json", "keypoints-filtered.json"):
        assert (got / name).read_bytes() == (expected / name).read_bytes(), name
    # Also Celery says no more than it is told to.
    assert '"level": "INFO"' not in (tmp_path / "log").read_text()
