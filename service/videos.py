"""Rules of videos: the same bytes are one video of a tenant, and deleting leaves nothing of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.orm import Session

from service.blobs import BlobStore, StoredBlob
from service.database import jobs as job_rows
from service.database import videos as video_rows
from service.database.jobs import JobFilter
from service.database.tables import Video
from service.errors import VideoConflictError, VideoNotFoundError

MOST_METADATA_BYTES: Final = 16 << 10


def _storable(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata as both databases keep it: finite numbers, valid text, not too much."""
    try:
        content = json.dumps(metadata, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError("expected plain JSON: finite numbers, valid text") from error
    if len(content) > MOST_METADATA_BYTES:
        raise ValueError(f"expected at most {MOST_METADATA_BYTES} bytes, got {len(content)}")
    return metadata


SubjectReference = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
"""The tenant's own word for the infant: one line of text."""

Metadata = Annotated[dict[str, Any], AfterValidator(_storable)]


class VideoDescription(BaseModel):
    """What the tenant says of a video."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject_reference: SubjectReference | None = None
    metadata: Metadata = Field(default_factory=dict)


@dataclass(frozen=True)
class Upload:
    """Bytes that were stored and are no video of anybody's yet.

    Attributes:
        video_id: What their key was made of.
        blob: Where they lie.
        media_type: Judged by the first of them.
    """

    video_id: UUID
    blob: StoredBlob
    media_type: str


def source_key(video_id: UUID) -> str:
    """Where a video's bytes lie."""
    return f"videos/{video_id}/source"


def add_video(
    session: Session,
    tenant_id: UUID,
    upload: Upload,
    description: VideoDescription,
    *,
    now: datetime,
) -> tuple[Video, bool]:
    """Make an upload the tenant's video, or give the tenant's video of the same bytes.

    Returns:
        The video, and whether it is the new one; if not, the upload's blob is not needed.

    Raises:
        VideoConflictError: The bytes are known as another infant's.
    """
    video = Video(
        id=upload.video_id,
        tenant_id=tenant_id,
        sha256=upload.blob.sha256,
        size_bytes=upload.blob.size_bytes,
        media_type=upload.media_type,
        subject_reference=description.subject_reference,
        user_metadata=description.metadata,
        blob_key=upload.blob.key,
        created_at=now,
    )
    known, new = video_rows.add_video(session, video)
    said = description.subject_reference
    if not new and said is not None and said != known.subject_reference:
        # Silently keeping the old reference would file one infant's recording under another.
        raise VideoConflictError(
            f"these bytes are video {known.id} already, with another subject reference"
        )
    return known, new


def find_video(session: Session, tenant_id: UUID, video_id: UUID) -> Video:
    """A video of this tenant.

    Raises:
        VideoNotFoundError: There is none.
    """
    video = video_rows.find_video(session, tenant_id, video_id)
    if video is None:
        raise VideoNotFoundError(f"there is no video {video_id}")
    return video


def delete_video(
    session: Session, store: BlobStore, tenant_id: UUID, video_id: UUID
) -> tuple[UUID, ...]:
    """Delete a video and all that came from it: rows, blobs, jobs, and with them their messages.

    The blobs go first. If a blob cannot be removed, the rows stay, and it can be asked for again.

    Returns:
        The jobs that went along.

    Raises:
        VideoNotFoundError: There is none.
        BlobUnavailableError: The blob store failed.
    """
    jobs = tuple(_job_ids(session, tenant_id, video_id))
    keys = video_rows.delete_video(session, tenant_id, video_id)
    if keys is None:
        raise VideoNotFoundError(f"there is no video {video_id}")
    for key in keys:
        store.delete(key)
    # Also what a worker stored without having told the database yet.
    for prefix in (f"videos/{video_id}", *(f"jobs/{job_id}" for job_id in jobs)):
        store.delete_prefix(prefix)
    return jobs


def _job_ids(session: Session, tenant_id: UUID, video_id: UUID) -> Iterator[UUID]:
    """All jobs of a video."""
    cursor = None
    while True:
        wanted = JobFilter(video_id=video_id)
        page = job_rows.list_jobs(session, tenant_id, wanted, cursor=cursor, limit=1000)
        yield from (job.id for job in page.items)
        if page.next is None:
            return
        cursor = page.next
