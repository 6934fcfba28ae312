"""SQL of what a job gives beside its frames: stills in the database, files in the blob store."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from service.database.changes import changed
from service.database.leases import Lease, hold
from service.database.tables import Artifact, Preview


def store_previews(
    session: Session, lease: Lease, stills: Mapping[int, bytes], *, now: datetime
) -> None:
    """Store masked stills, as JPEG by frame; a still that was there before gives way.

    Raises:
        LeaseLostError: The job is no longer this worker's; nothing was written.
    """
    hold(session, lease, now=now)
    if not stills:
        return
    old = delete(Preview).where(
        Preview.job_id == lease.job_id, Preview.frame_index.in_(list(stills))
    )
    changed(session, old)
    rows = [
        {"job_id": lease.job_id, "frame_index": frame_index, "jpeg": jpeg}
        for frame_index, jpeg in stills.items()
    ]
    session.execute(insert(Preview), rows)


def list_previews(session: Session, job_id: UUID) -> Sequence[int]:
    """The frames of which there is a still, in order."""
    query = select(Preview.frame_index).where(Preview.job_id == job_id)
    return session.scalars(query.order_by(Preview.frame_index)).all()


def find_preview(session: Session, job_id: UUID, frame_index: int) -> bytes | None:
    """The masked still of a frame, as JPEG."""
    return session.scalars(
        select(Preview.jpeg).where(Preview.job_id == job_id, Preview.frame_index == frame_index)
    ).one_or_none()


def store_artifact(
    session: Session, lease: Lease, artifact: Artifact, *, now: datetime
) -> str | None:
    """Store that a finished file lies in the blob store; the job's file of that kind gives way.

    Returns:
        The key of the blob that nothing refers to any more; None where there is none.

    Raises:
        LeaseLostError: The job is no longer this worker's; nothing was written.
    """
    hold(session, lease, now=now)
    old = delete(Artifact).where(Artifact.job_id == lease.job_id, Artifact.kind == artifact.kind)
    replaced = session.scalars(old.returning(Artifact.blob_key)).one_or_none()
    session.add(artifact)
    session.flush()
    return None if replaced == artifact.blob_key else replaced


def list_artifacts(session: Session, job_id: UUID) -> Sequence[Artifact]:
    """A job's finished files by kind."""
    query = select(Artifact).where(Artifact.job_id == job_id)
    return session.scalars(query.order_by(Artifact.kind)).all()


def find_artifact(session: Session, job_id: UUID, kind: str) -> Artifact | None:
    """A job's finished file of this kind."""
    return session.get(Artifact, (job_id, kind))
