"""Rules of videos: the same bytes are one video of a tenant, and deleting leaves nothing of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.orm import Session

from service.blobs import BlobStore, StoredBlob
from service.database import videos as video_rows
from service.database.deletions import find_deletion
from service.database.tables import Deletion, Video
from service.errors import BlobMissingError, VideoConflictError, VideoNotFoundError
from service.leftovers import begin_deletion

MOST_METADATA_BYTES: Final = 16 << 10
MOST_METADATA_LEVELS: Final = 32


def _storable(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata as databases keep it and answers show it: plain JSON, not too much nor too deep."""
    if not _within(metadata, MOST_METADATA_LEVELS):
        raise ValueError(f"expected at most {MOST_METADATA_LEVELS} levels, got more")
    try:
        content = json.dumps(metadata, allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise ValueError("expected plain JSON: finite numbers, valid text") from error
    if len(content) > MOST_METADATA_BYTES:
        raise ValueError(f"expected at most {MOST_METADATA_BYTES} bytes, got {len(content)}")
    return metadata


def _within(value: object, levels: int) -> bool:
    """Whether no more than so many objects and lists lie in each other."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return True
    return levels > 0 and all(_within(inner, levels - 1) for inner in value)


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


def add_video(  # noqa: PLR0913 - whose, what it is, and what is known of it
    session: Session,
    tenant_id: UUID,
    upload: Upload,
    description: VideoDescription,
    *,
    lost_key: str | None = None,
    now: datetime,
) -> tuple[Video, bool]:
    """Make an upload the tenant's video, or give the tenant's video of the same bytes.

    What a known video lacks is filled in: its bytes and the infant.

    Args:
        session: Writes.
        tenant_id: Whose it is.
        upload: What arrived.
        description: What the tenant says of it.
        lost_key: Where bytes that are known should lie and do not.
        now: The moment.

    Returns:
        The video, and whether it is the new one. The upload's blob is not needed where it is not
        the video's.

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
    if not new and known.blob_key == lost_key:
        known.blob_key = upload.blob.key
    known.user_metadata = known.user_metadata or description.metadata
    said = description.subject_reference
    if known.subject_reference is None:
        known.subject_reference = said
    elif said not in (None, known.subject_reference):
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


def is_stored(store: BlobStore, video: Video, *, quickly: bool = False) -> bool:
    """Whether a video's bytes lie where they should, as many as there were.

    Args:
        store: Where blobs are.
        video: The video.
        quickly: See `BlobStore.size`.

    Raises:
        BlobUnavailableError: The blob store failed.
    """
    try:
        return store.size(video.blob_key, quickly=quickly) == video.size_bytes
    except BlobMissingError:
        return False


def delete_video(
    session: Session, tenant_id: UUID, video_id: UUID, *, now: datetime
) -> tuple[Deletion, Sequence[UUID]]:
    """Delete a video and all that came from it; see leftovers.py.

    Its blobs are to be removed once the session has committed.

    Returns:
        The deletion, to be finished, and the jobs that went along. One that was begun before is
        given again.

    Raises:
        VideoNotFoundError: There is none.
    """
    deleted = video_rows.delete_video(session, tenant_id, video_id)
    if deleted is None:
        begun = find_deletion(session, tenant_id, video_id)
        if begun is None:
            raise VideoNotFoundError(f"there is no video {video_id}")
        return begun, ()
    keys, jobs = deleted
    folders = (f"videos/{video_id}", *(f"jobs/{job_id}" for job_id in jobs))
    begun = begin_deletion(session, tenant_id, video_id, keys=keys, folders=folders, now=now)
    return begun, jobs
