"""How fast a job's frames go into the database and come out again.

Run: python benchmarks/database.py URL [--frames 200000] [--windows 64,2048]

URL is that of an empty database, e.g. sqlite:////tmp/frames.sqlite; its tables are made, and the
job's rows stay in it. Frames have 21 keypoints. Seconds of the processor are this process' own.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

import migrations
from model.spec.sequence import Rows, Sightings
from service.database.engine import Database, current_time
from service.database.frames import WindowContent, store_window, stream_rows
from service.database.ids import new_id
from service.database.jobs import add_job
from service.database.leases import Lease, LeaseTerms, claim
from service.database.tables import Job, Video
from service.database.tenants import add_tenant
from service.database.videos import add_video

TERMS = LeaseTerms()


def main() -> None:
    """Measure each length of window, print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--frames", type=int, default=200_000)
    parser.add_argument("--windows", default="64,2048")
    options = parser.parse_args()
    migrations.upgrade(options.url)
    database = Database(options.url)
    print("| window | way | frames/s | frames/s of the processor |")
    print("|---|---|---|---|")
    for length in map(int, options.windows.split(",")):
        lease = _claimed(database)
        contents = [window_of(first, length) for first in range(0, options.frames, length)]
        frames = length * len(contents)
        _time(f"{length} | written", frames, lambda: _store(database, lease, contents))  # noqa: B023
        _time(f"{length} | read", frames, lambda: _read(database, lease))  # noqa: B023
    database.close()


def _claimed(database: Database) -> Lease:
    """A new job's lease."""
    with database.write() as session:
        now = current_time(session)
        tenant = add_tenant(session, name=str(new_id()), now=now)
        video, _ = add_video(session, Video(
            tenant_id=tenant.id, sha256="0" * 64, size_bytes=1, media_type="video/mp4",
            blob_key="none", created_at=now,
        ))  # fmt: skip
        job, _ = add_job(session, Job(
            tenant_id=tenant.id, video_id=video.id, model="none", created_at=now, queued_at=now,
        ))  # fmt: skip
        got = claim(session, job.id, stage="extract", worker_id="here", now=now, terms=TERMS)
    if got is None:
        raise SystemExit("the new job is somebody else's")
    return got.lease


def window_of(first: int, length: int) -> WindowContent:
    """A window of any numbers; all share their arrays but for the frames' places."""
    random = np.random.default_rng(0)
    rows = Rows(
        frame_index=np.arange(length),
        pts=np.arange(length) * 512,
        time_s=np.arange(length) / 25,
        status=np.zeros(length, np.uint8),
        box_xyxy=random.random((length, 4), np.float32),
        box_score=random.random(length, np.float32),
        keypoints_xy=random.random((length, 21, 2), np.float32),
        scores=random.random((length, 21), np.float32),
    )
    sightings = Sightings(
        looked_at=np.array([first]),
        frame_index=np.array([first]),
        class_id=np.zeros(1, np.uint8),
        xyxy=np.zeros((1, 4), np.float32),
        score=np.ones(1, np.float32),
    )
    rows = replace(rows, frame_index=rows.frame_index + first)
    return WindowContent(rows, sightings, {"next_frame": first + length})


def _store(database: Database, lease: Lease, contents: list[WindowContent]) -> None:
    for content in contents:
        with database.write() as session:
            now = current_time(session)
            store_window(session, lease, content, now=now, terms=TERMS)


def _read(database: Database, lease: Lease) -> None:
    for _ in stream_rows(database, lease.job_id):
        pass


def _time(name: str, frames: int, run: Callable[[], None]) -> None:
    clock, processor = time.perf_counter(), time.process_time()
    run()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    print(f"| {name} | {frames / clock:,.0f} | {frames / processor:,.0f} |")


if __name__ == "__main__":
    main()
