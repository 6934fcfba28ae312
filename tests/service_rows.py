"""A ward with a video and jobs, for tests of the service's database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from model.spec.sequence import Sightings
from service.database.engine import Database
from service.database.frames import WindowContent
from service.database.jobs import add_job
from service.database.leases import Claim, LeaseTerms, claim
from service.database.tables import Base, Job, JobStage, Tenant, Video
from service.database.tenants import add_tenant
from service.database.videos import add_video
from tests.sequences import usual_rows

T = TypeVar("T")

NOW = datetime(2026, 3, 1, 8, 30, 0, 123456, tzinfo=UTC)
TERMS = LeaseTerms(lease_s=10, stall_s=30, attempts=3, resend_s=60)


def after(seconds: float) -> datetime:
    """So long after NOW."""
    return NOW + timedelta(seconds=seconds)


def make_tenant(database: Database, name: str = "ward 3") -> Tenant:
    """A tenant."""
    with database.write() as session:
        return add_tenant(session, name=name, now=NOW)


def new_video(tenant_id: UUID, number: int = 1, **more: Any) -> Video:  # noqa: ANN401 - columns
    """A video that was not stored yet, with bytes of its own for each number."""
    facts = {"subject_reference": None, "probe": None, "created_at": NOW}
    facts |= {"blob_key": f"videos/{number}"} | more
    return Video(
        tenant_id=tenant_id, sha256=f"{number:064x}", size_bytes=1000, media_type="video/mp4",
        **facts,
    )  # fmt: skip


def new_job(video: Video, **more: Any) -> Job:  # noqa: ANN401 - columns
    """A job that was not stored yet."""
    facts = {"created_at": NOW, "queued_at": NOW, "sent_at": NOW, "model": "aggpose-t"} | more
    return Job(tenant_id=video.tenant_id, video_id=video.id, **facts)


def make_video(database: Database, number: int = 1, **more: Any) -> Video:  # noqa: ANN401 - columns
    """A stored video of the first tenant."""
    tenant = make_tenant(database)
    with database.write() as session:
        video, _ = add_video(session, new_video(tenant.id, number, **more))
    return video


def make_job(database: Database, **more: Any) -> Job:  # noqa: ANN401 - columns
    """A stored job of a stored video."""
    video = make_video(database)
    with database.write() as session:
        job, _ = add_job(session, new_job(video, **more))
    return job


def claim_job(
    database: Database, job_id: UUID, *, stage: JobStage = "extract", now: datetime = NOW
) -> Claim | None:
    """Try to take a job."""
    with database.write() as session:
        return claim(session, job_id, stage=stage, worker_id="w", now=now, terms=TERMS)


def claimed(database: Database, job_id: UUID, **more: Any) -> Claim:  # noqa: ANN401 - as claim_job
    """Take a job that is free."""
    taken = claim_job(database, job_id, **more)
    assert taken is not None
    return taken


def find(database: Database, job_id: UUID) -> Job:
    """A job as it is now."""
    with database.read() as session:
        return session.scalars(select(Job).where(Job.id == job_id)).one()


def window(first: int, count: int = 8, *, keypoints: int = 3) -> WindowContent:
    """A window of frames from `first` on."""
    rows = usual_rows(count, keypoints=keypoints, seed=first)
    rows = replace(rows, frame_index=rows.frame_index + first, pts=rows.pts + 512 * first)
    random = np.random.default_rng(first)
    sightings = Sightings(
        looked_at=np.array([first, first + 4]),
        frame_index=np.array([first, first, first + 4]),
        class_id=np.array([0, 1, 0], np.uint8),
        xyxy=random.random((3, 4), np.float32),
        score=random.random(3, np.float32),
    )
    return WindowContent(rows, sightings, {"next_frame": first + count, "angle": 0.1 + first})


def everything(session: Session) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    return {
        table.name: [
            tuple(row) for row in session.execute(select(table).order_by(*table.primary_key))
        ]
        for table in Base.metadata.sorted_tables
    }


def at_once(work: Callable[[int], T], threads: int) -> list[T]:
    """What the work gives in so many threads that start together; its argument numbers them."""
    barrier = Barrier(threads)

    def wait_and_work(number: int) -> T:
        barrier.wait(60)
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(wait_and_work, range(threads)))
