"""SQL of frames: windows go in under a lease, blocks come out in order, films of any length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast
from uuid import UUID

import numpy as np
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from model.spec.sequence import Rows, Sightings
from service.database.changes import changed
from service.database.columns import JsonObject
from service.database.engine import Database
from service.database.leases import Lease, LeaseTerms, hold
from service.database.packing import (
    FrameRecord,
    pack_rows,
    pack_sightings,
    unpack_rows,
    unpack_sightings,
)
from service.database.tables import Base, Frame, Job, Window
from service.errors import WindowOrderError

FRAMES: Final = Base.metadata.tables[Frame.__tablename__]

BLOCK_FRAMES: Final = 4096
"""Frames of one block that is read: about 1.5 MB with 21 keypoints."""


@dataclass(frozen=True, eq=False)
class WindowContent:
    """What the pipeline gives for one window.

    Attributes:
        rows: Its frames, one after another.
        sightings: What the detector saw.
        resume_state: With this the extraction goes on behind the window.
    """

    rows: Rows
    sightings: Sightings
    resume_state: JsonObject


def store_window(
    session: Session, lease: Lease, content: WindowContent, *, now: datetime, terms: LeaseTerms
) -> bool:
    """Store one window of frames with the state behind it, and renew the lease.

    Storing the same window again changes nothing: a worker that did not learn whether its commit
    went through simply repeats it.

    Returns:
        Whether the job is to be cancelled.

    Raises:
        LeaseLostError: The job is no longer this worker's; nothing was written.
        WindowOrderError: The frames do not follow each other, or leave a gap behind the last
            stored one.
    """
    first, behind = _span(content.rows)
    # One statement checks the lease and the place, and holds the row until the session ends.
    query = update(Job).where(
        Job.id == lease.job_id, Job.lease_token == lease.token, Job.frames_done == first
    )
    stored = changed(
        session,
        query.values(
            frames_done=behind, resume_state=content.resume_state, attempt=0, progressed_at=now,
            heartbeat_at=now, lease_until=terms.until(now),
        ),
    )  # fmt: skip
    job = hold(session, lease, now=now)
    if stored:
        # Into the table and not the class: rows by the thousand need no objects.
        session.execute(insert(FRAMES), pack_rows(lease.job_id, content.rows))
        window = {"first_frame": first, "sightings": pack_sightings(content.sightings)}
        session.execute(insert(Window), [{"job_id": lease.job_id, **window}])
    elif job.frames_done < behind:
        raise WindowOrderError(
            f"expected a window from frame {job.frames_done}, got {first} to {behind - 1}"
        )
    return job.cancel_requested


def read_block(
    session: Session, job_id: UUID, *, start: int = 0, stop: int | None = None, limit: int
) -> Rows | None:
    """The first stored frames from `start` and before `stop`, at most `limit`; None without any."""
    query = select(
        Frame.frame_index, Frame.pts, Frame.time_s, Frame.status, Frame.box, Frame.keypoints
    ).where(Frame.job_id == job_id, Frame.frame_index >= start)
    if stop is not None:
        query = query.where(Frame.frame_index < stop)
    records = session.execute(query.order_by(Frame.frame_index).limit(limit)).all()
    return unpack_rows(cast("Sequence[FrameRecord]", records)) if records else None


def stream_rows(
    database: Database,
    job_id: UUID,
    *,
    start: int = 0,
    stop: int | None = None,
    block_frames: int = BLOCK_FRAMES,
) -> Iterator[Rows]:
    """A job's stored frames from `start` and before `stop`, in order, block by block.

    Each block is read in a session of its own: a slow reader holds no connection. Frames that are
    stored meanwhile come too; a job that is deleted meanwhile ends early.
    """
    while True:
        with database.read() as session:
            block = read_block(session, job_id, start=start, stop=stop, limit=block_frames)
        if block is None:
            return
        yield block
        start = int(block.frame_index[-1]) + 1


def read_sightings(session: Session, job_id: UUID) -> Sightings | None:
    """All that the detector saw in a job's frames, in order; None before the first window."""
    query = select(Window.sightings).where(Window.job_id == job_id).order_by(Window.first_frame)
    parts = [unpack_sightings(content) for content in session.scalars(query)]
    return Sightings.joined(parts) if parts else None


def _span(rows: Rows) -> tuple[int, int]:
    """A window's first frame, and the one behind its last."""
    if len(rows) == 0:
        raise WindowOrderError("expected a window of frames, got none")
    first = int(rows.frame_index[0])
    if not np.array_equal(rows.frame_index, np.arange(first, first + len(rows))):
        raise WindowOrderError("expected frames that follow each other, got gaps or repetitions")
    return first, first + len(rows)
