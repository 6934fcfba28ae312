"""One worker and one sweeper do jobs: done, refused, cancelled, found again."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update

from model.spec.sequence_header import read_header
from service.database.engine import current_time
from service.database.frames import stream_rows
from service.database.jobs import request_cancel
from service.database.results import find_preview, list_previews
from service.database.tables import Artifact, Frame, Job, Preview, Window
from service.database.videos import find_video
from service.database.workers import list_workers
from service.leftovers import finish_deletion
from service.videos import delete_video
from tests.integration.service.workers.conftest import FRAMES
from tests.unit.pipeline.decoding.coded import encode
from tests.worker_room import SWEEPER, Room, same_files, write_film
from workers.previewing_job import FILES


@pytest.fixture(scope="module", autouse=True)
def running(room: Room) -> Iterator[None]:
    """A worker and a sweeper."""
    with room.worker(), room.process(SWEEPER):
        yield


@pytest.fixture(scope="module")
def done(room: Room, film: Path) -> Job:
    """A finished job."""
    return room.finished(room.add(film))


def test_a_job_gives_what_aggpose_extract_gives(room: Room, done: Job, expected: Path) -> None:
    assert (done.state, done.stage, done.error_detail) == ("succeeded", "done", None)
    assert (done.frames_done, done.frames_total) == (FRAMES, FRAMES)
    same_files(room, done.id, expected)
    assert room.artifact(done.id, "quality.png").startswith(b"\x89PNG")
    assert json.loads(room.artifact(done.id, "quality.json"))["frames"] == FRAMES
    assert done.quality is not None
    assert done.quality["frames"] == FRAMES


def test_every_file_is_there_and_no_other(room: Room, done: Job) -> None:
    keys = list(room.store.keys(f"jobs/{done.id}"))
    assert sorted(key.rpartition("/")[2] for key in keys) == sorted(FILES)


def test_stills_are_those_of_aggpose_extract(room: Room, done: Job, expected: Path) -> None:
    with room.database.read() as session:
        stills = {i: find_preview(session, done.id, i) for i in list_previews(session, done.id)}
    assert stills == {int(p.stem): p.read_bytes() for p in (expected / "stills").iterdir()}
    assert len(stills) > 10


def test_header_probe_timings_and_workers_are_stored(room: Room, done: Job) -> None:
    assert done.header is not None
    header = read_header(done.header)
    assert (header.series, header.pose_model.name) == ("raw", "hand-made-pose")
    assert {"decode", "pose", "preview encode"} <= done.timings.keys()
    with room.database.read() as session:
        video = find_video(session, done.tenant_id, done.video_id)
        seen_after = current_time(session) - timedelta(seconds=room.settings.lease_s)
        workers = list_workers(session, seen_after=seen_after)
    assert video is not None
    assert video.probe is not None
    assert video.probe["codec"] == "h264"
    assert {(w.queue, w.device, w.engine) for w in workers} == {
        ("extract", "cpu", "cpu"), ("preview", "cpu", "cpu"),
    }  # fmt: skip


def test_a_bad_video_fails_with_its_code_and_a_sentence(room: Room, tmp_path: Path) -> None:
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear colleague, " * 99)
    job = room.finished(room.add(letter))
    assert (job.state, job.error_code) == ("failed", "video.unsupported_container")
    assert job.error_detail is not None
    assert job.error_detail.startswith("This is not a kind of video file that can be read")


def test_a_model_that_is_not_there_fails_the_job(room: Room, film: Path) -> None:
    job = room.finished(room.add(film, model="another"))
    assert (job.state, job.error_code) == ("failed", "model.unknown")


def test_a_cut_off_that_cannot_fit_fails_the_job_before_any_frame(
    room: Room, tmp_path: Path
) -> None:
    even = encode(tmp_path / "even.mp4")
    job = room.finished(room.add(even, cutoff_hz=11.0))
    assert (job.state, job.error_code, job.frames_done) == ("failed", "pipeline.cutoff", 0)
    assert job.error_detail is not None
    assert "at most 10 Hz at the film's 25 frames/s, got 11 Hz" in job.error_detail


def test_where_only_the_frames_tell_the_raw_ones_stay(room: Room, tmp_path: Path) -> None:
    uneven = write_film(tmp_path / "uneven.mp4", 40)
    job = room.finished(room.add(uneven, cutoff_hz=20.0))
    assert (job.state, job.stage, job.error_code) == ("failed", "preview", "pipeline.cutoff")
    assert job.error_detail is not None
    assert "at most 13.3 Hz" in job.error_detail
    (rows,) = stream_rows(room.database, job.id)
    assert rows.frame_index.tolist() == list(range(40))


def test_a_running_job_is_cancelled_within_a_window(room: Room, film: Path) -> None:
    job_id = room.add(film)
    room.wait(job_id, lambda job: job.frames_done > 0)
    with room.database.write() as session:
        assert request_cancel(session, room.tenant.id, job_id, now=current_time(session))
    job = room.finished(job_id)
    assert (job.state, job.lease_token) == ("canceled", None)
    assert 0 < job.frames_done < FRAMES
    rows = next(stream_rows(room.database, job_id))
    assert rows.frame_index.tolist() == list(range(job.frames_done))


def test_a_lost_message_is_sent_again(room: Room, film: Path, expected: Path) -> None:
    job_id = room.add(film, send=False)
    with room.database.write() as session:
        long_ago = current_time(session) - timedelta(hours=1)
        session.execute(update(Job).where(Job.id == job_id).values(sent_at=long_ago))
    assert room.finished(job_id).state == "succeeded"
    same_files(room, job_id, expected)


def delete(room: Room, video_id: UUID) -> None:
    """Delete a video as the API does."""
    with room.database.write() as session:
        deletion, _ = delete_video(session, room.tenant.id, video_id, now=current_time(session))
    finish_deletion(room.database, room.store, deletion)


@pytest.mark.parametrize("stage", ["extract", "preview"])
def test_deleting_a_video_leaves_nothing_of_it(room: Room, tmp_path: Path, stage: str) -> None:
    """Also what its worker was making at that moment."""
    film = write_film(tmp_path / "other.mp4", FRAMES + len(stage))
    job_id = room.add(film)
    job = room.wait(job_id, lambda job: (job.stage, job.state) == (stage, "running"))
    if stage == "extract":
        job = room.wait(job_id, lambda job: job.frames_done > 0)
    delete(room, job.video_id)
    after = room.finished(room.add(film))  # the same worker has done with the other one by then
    assert after.state == "succeeded"
    delete(room, after.video_id)
    with room.database.read() as session:
        for table in (Frame, Window, Preview, Artifact):
            query = select(table).where(table.job_id.in_([job_id, after.id]))
            assert session.scalars(query).first() is None
    for one in (job_id, after.id):
        assert list(room.store.keys(f"jobs/{one}")) == []
