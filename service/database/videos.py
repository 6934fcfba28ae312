"""SQL of videos. All reading names the tenant: another's video is not there."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.database.changes import changed
from service.database.columns import JsonObject
from service.database.pages import Cursor, Page, read_page
from service.database.tables import Artifact, Job, Video


@dataclass(frozen=True, kw_only=True)
class VideoFilter:
    """Which videos a list has; None asks for nothing.

    Attributes:
        subject_reference: Of this infant.
        created_after: Uploaded later than this.
        sha256: Of these bytes.
    """

    subject_reference: str | None = None
    created_after: datetime | None = None
    sha256: str | None = None


def add_video(session: Session, video: Video) -> tuple[Video, bool]:
    """Store an uploaded video, or give the tenant's video of the same bytes.

    Returns:
        The video, and whether it is the new one; if not, it is held until the session ends, so
        that of two uploads only one adds to it.
    """
    same = _of_bytes(video.tenant_id, video.sha256).with_for_update(key_share=True)
    for is_last in (False, True):
        try:
            with session.begin_nested():
                session.add(video)
        except IntegrityError:
            known = session.scalars(same).one_or_none()
            if known is not None:
                return known, False
            if is_last:  # otherwise it was deleted meanwhile, and makes way
                raise
        else:
            break
    return video, True


def find_video(session: Session, tenant_id: UUID, video_id: UUID) -> Video | None:
    """A video of this tenant."""
    query = select(Video).where(Video.id == video_id, Video.tenant_id == tenant_id)
    return session.scalars(query).one_or_none()


def known_videos(session: Session, video_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these videos that there are, whoever's they are."""
    return {*session.scalars(select(Video.id).where(Video.id.in_(video_ids)))}


def named_sources(session: Session, keys: Collection[str]) -> set[str]:
    """Those of these keys under which the bytes of a video lie, whoever's it is."""
    return {*session.scalars(select(Video.blob_key).where(Video.blob_key.in_(keys)))}


def find_video_by_sha256(session: Session, tenant_id: UUID, sha256: str) -> Video | None:
    """The tenant's video with these bytes."""
    return session.scalars(_of_bytes(tenant_id, sha256)).one_or_none()


def _of_bytes(tenant_id: UUID, sha256: str) -> Select[Video]:
    return select(Video).where(Video.tenant_id == tenant_id, Video.sha256 == sha256)


def list_videos(
    session: Session,
    tenant_id: UUID,
    wanted: VideoFilter,
    *,
    cursor: Cursor | None = None,
    limit: int = 50,
) -> Page[Video]:
    """A tenant's videos, newest first."""
    query = select(Video).where(Video.tenant_id == tenant_id)
    if wanted.subject_reference is not None:
        query = query.where(Video.subject_reference == wanted.subject_reference)
    if wanted.created_after is not None:
        query = query.where(Video.created_at > wanted.created_after)
    if wanted.sha256 is not None:
        query = query.where(Video.sha256 == wanted.sha256)
    return read_page(session, query, (Video.created_at, Video.id), cursor=cursor, limit=limit)


def store_probe(session: Session, video_id: UUID, probe: JsonObject) -> bool:
    """Keep the facts that a worker found in a video; False where the video is gone."""
    return changed(session, update(Video).where(Video.id == video_id).values(probe=probe))


def delete_video(
    session: Session, tenant_id: UUID, video_id: UUID
) -> tuple[Sequence[str], Sequence[UUID]] | None:
    """Delete a video with its jobs and all that they stored.

    Returns:
        The keys of all its blobs, and its jobs; None where the tenant has no such video.
    """
    own = Video.id == video_id, Video.tenant_id == tenant_id
    own_jobs = select(Job.id).where(Job.video_id == video_id, Job.tenant_id == tenant_id)
    # Held from here on, so that no worker stores an artifact between reading and deleting: jobs
    # first, as workers do it, and then the video, so that no job is added either.
    session.execute(own_jobs.order_by(Job.id).with_for_update())
    if session.scalars(select(Video.id).where(*own).with_for_update()).one_or_none() is None:
        return None
    jobs = session.scalars(own_jobs).all()
    artifacts = session.scalars(select(Artifact.blob_key).where(Artifact.job_id.in_(jobs))).all()
    source = session.scalars(delete(Video).where(*own).returning(Video.blob_key)).one()
    return [source, *artifacts], jobs
