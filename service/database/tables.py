"""The tables: who may ask, what was uploaded, what is being done, and what came out.

Deleting a video takes all that came from it: every foreign key below a video cascades; a tenant
goes only when nothing of it is left. Identifiers are made by the service (`new_id`).
"""

from datetime import datetime
from typing import ClassVar, Final, Literal
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from service.database.columns import JsonObject, UtcDateTime
from service.database.ids import new_id

JobState = Literal["queued", "running", "succeeded", "failed", "canceled"]
JobStage = Literal["extract", "preview", "done"]

WAITING: Final = "state = 'queued'"
RUNNING: Final = "state = 'running'"
"""Conditions of indexes: a query uses them that has the same words."""


class Base(DeclarativeBase):
    """What all tables share: how constraints are named, and what Python's types are in SQL."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        UUID: Uuid(),
        datetime: UtcDateTime(),
        str: Text(),
        bytes: LargeBinary(),
        # JSON and not JSONB: what is read is what was written, to the last digit and in its order.
        JsonObject: JSON(none_as_null=True),
        list[str]: JSON(),
    }


class Tenant(Base):
    """A hospital, a study, a person: who owns videos and sees no others."""

    __tablename__ = "tenants"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    created_at: Mapped[datetime]


class ApiKey(Base):
    """A key to the API; of its secret only a hash is kept.

    Attributes:
        prefix: The key's open part, by which it is found.
        secret_hash: What the rules made of the rest.
        scopes: Of `read`, `write` and `admin`.
        last_used_at: At most a minute behind.
    """

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("prefix"), Index(None, "tenant_id", "created_at", "id"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str]
    prefix: Mapped[str]
    secret_hash: Mapped[bytes]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Video(Base):
    """An uploaded video.

    Attributes:
        sha256: Of its bytes, 64 hexadecimal digits; one tenant has the same bytes once.
        media_type: Judged by its first bytes, as in `video/mp4`.
        subject_reference: The tenant's own word for the infant; None where none was given.
        user_metadata: What the tenant wanted to keep with it.
        probe: Facts that a worker found in it; None until one has looked.
        blob_key: Where the bytes lie.
    """

    __tablename__ = "videos"
    __table_args__ = (
        UniqueConstraint("tenant_id", "sha256"),
        CheckConstraint("length(sha256) = 64", name="sha256_is_hexadecimal"),
        CheckConstraint("size_bytes > 0", name="has_bytes"),
        Index(None, "tenant_id", "created_at", "id"),
        Index(None, "tenant_id", "subject_reference", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    sha256: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str]
    subject_reference: Mapped[str | None]
    user_metadata: Mapped[JsonObject] = mapped_column(default=dict)
    probe: Mapped[JsonObject | None]
    blob_key: Mapped[str]
    created_at: Mapped[datetime]


class Job(Base):
    """One extraction of one video; its row is the truth, messages only wake workers up.

    Attributes:
        stage: What is to be done next, or was done last where the job ended before `done`.
        revision: Grows with every change of the row.
        frames_done: Stored frames; the next window begins at this frame.
        frames_total: None until it is known; a claim of the container until `frames_done` is it.
        frames_handled: What the worker that holds the job counted in this stage at its last
            heartbeat: it may be ahead of what is stored.
        attempt: Claims since the last stored window or the stage's beginning.
        lease_token: Names the claim that may write; None unless running.
        progressed_at: When frames last advanced in this claim.
        worker_id: Who holds it, or held it last.
        queued_at: Since when it waits, or had waited when it was claimed.
        sent_at: When its last message was sent; None where one is due.
        header: A `SequenceHeader` of the raw series, once a worker has opened the video.
        resume_state: The pipeline's state behind the last stored window.
        timings: Of each stage, by name.
        error_detail: One sentence for people.
        payload_sha256: Of what came with the idempotency key.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'canceled')", name="state"
        ),
        CheckConstraint("stage IN ('extract', 'preview', 'done')", name="stage"),
        CheckConstraint("(state = 'succeeded') = (stage = 'done')", name="done_is_succeeded"),
        CheckConstraint(
            "(state = 'running') = (lease_token IS NOT NULL)", name="leased_while_running"
        ),
        CheckConstraint("(lease_token IS NULL) = (lease_until IS NULL)", name="lease_ends"),
        CheckConstraint(
            "(state IN ('succeeded', 'failed', 'canceled')) = (finished_at IS NOT NULL)",
            name="finished_has_time",
        ),
        CheckConstraint("(state = 'failed') = (error_code IS NOT NULL)", name="failed_has_code"),
        CheckConstraint("frames_done >= 0 AND attempt >= 0", name="counts"),
        CheckConstraint(
            "(idempotency_key IS NULL) = (payload_sha256 IS NULL)", name="idempotency_has_payload"
        ),
        UniqueConstraint("tenant_id", "idempotency_key"),
        Index(None, "tenant_id", "created_at", "id"),
        Index(None, "tenant_id", "state", "created_at", "id"),
        Index(None, "video_id", "created_at", "id"),
        Index(
            "ix_jobs_waiting", "sent_at",
            sqlite_where=text(WAITING), postgresql_where=text(WAITING),
        ),
        Index(
            "ix_jobs_leased", "lease_until",
            sqlite_where=text(RUNNING), postgresql_where=text(RUNNING),
        ),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    video_id: Mapped[UUID] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"))
    state: Mapped[JobState] = mapped_column(Text, default="queued")
    stage: Mapped[JobStage] = mapped_column(Text, default="extract")
    # Written by the database itself, so that no change can forget it.
    revision: Mapped[int] = mapped_column(BigInteger, default=0, onupdate=text("revision + 1"))

    frames_done: Mapped[int] = mapped_column(BigInteger, default=0)
    frames_total: Mapped[int | None] = mapped_column(BigInteger)
    frames_handled: Mapped[int] = mapped_column(BigInteger, default=0)

    attempt: Mapped[int] = mapped_column(default=0)
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    worker_id: Mapped[str | None]
    heartbeat_at: Mapped[datetime | None]
    progressed_at: Mapped[datetime | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False)

    model: Mapped[str]
    parameters: Mapped[JsonObject] = mapped_column(default=dict)
    header: Mapped[JsonObject | None]
    resume_state: Mapped[JsonObject | None]
    timings: Mapped[JsonObject] = mapped_column(default=dict)
    quality: Mapped[JsonObject | None]
    error_code: Mapped[str | None]
    error_detail: Mapped[str | None]

    idempotency_key: Mapped[str | None]
    payload_sha256: Mapped[str | None]

    created_at: Mapped[datetime]
    queued_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Frame(Base):
    """One decoded frame of a job, as a row of `model.spec.sequence.Rows`; see packing.py.

    Attributes:
        status: A place in `model.spec.sequence.STATUSES`.
        box: Five float32, little-endian: x, y, x, y in px, and the score; NaN where missing.
        keypoints: K x 3 float32, little-endian: x, y in px, and the score; NaN where missing.
    """

    __tablename__ = "frames"
    # Rows lie in the primary key's order, so a film is read from one place.
    __table_args__ = ({"sqlite_with_rowid": False},)

    job_id: Mapped[UUID] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    frame_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    pts: Mapped[int] = mapped_column(BigInteger)
    time_s: Mapped[float | None] = mapped_column(Double)
    status: Mapped[int] = mapped_column(SmallInteger)
    box: Mapped[bytes]
    keypoints: Mapped[bytes]


class Window(Base):
    """What the detector saw in one stored window; see packing.py.

    Attributes:
        first_frame: The window's first frame.
        sightings: Packed `model.spec.sequence.Sightings`.
    """

    __tablename__ = "windows"

    job_id: Mapped[UUID] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    first_frame: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sightings: Mapped[bytes]


class Preview(Base):
    """A masked still of one frame, as JPEG."""

    __tablename__ = "previews"

    job_id: Mapped[UUID] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    frame_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    jpeg: Mapped[bytes]


class Artifact(Base):
    """A finished file of a job in the blob store.

    Attributes:
        kind: As in `keypoints.raw.csv`; a job has one of each.
        sha256: Of its bytes, 64 hexadecimal digits.
    """

    __tablename__ = "artifacts"
    __table_args__ = (CheckConstraint("length(sha256) = 64", name="sha256_is_hexadecimal"),)

    job_id: Mapped[UUID] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(primary_key=True)
    blob_key: Mapped[str]
    media_type: Mapped[str]
    sha256: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]


class Worker(Base):
    """A worker process that was seen.

    Attributes:
        id: Its own name, as in `extract@machine-1`.
        queue: What it takes its messages from.
    """

    __tablename__ = "workers"
    __table_args__ = (Index(None, "queue", "seen_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    queue: Mapped[str]
    device: Mapped[str]
    engine: Mapped[str]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class LostLease(Base):
    """A lease that ended because its worker gave no sign of life; only ever added to, and counted.

    It names no job, so that nothing of a job is left where its video is deleted.

    Attributes:
        stage: What the worker was doing.
    """

    __tablename__ = "lost_leases"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    stage: Mapped[JobStage] = mapped_column(Text)
    lost_at: Mapped[datetime]


class Deletion(Base):
    """A deletion that was begun: the rows are gone, and here stands which blobs are to follow.

    Attributes:
        id: The video's or the job's.
        keys: The blobs that its rows named.
        folders: Folders of keys, for what no row named.
    """

    __tablename__ = "deletions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    keys: Mapped[list[str]]
    folders: Mapped[list[str]]
    begun_at: Mapped[datetime]


class AuditEvent(Base):
    """Who did what to what, and when; never what was in it. It outlives what it names.

    Attributes:
        api_key_id: None where the service itself did it.
        action: As in `video.delete`.
        resource_id: A video's, a job's or a key's; None where the action has none.
        request_id: As in the logs.
    """

    __tablename__ = "audit_events"
    __table_args__ = (Index(None, "tenant_id", "created_at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    api_key_id: Mapped[UUID | None]
    action: Mapped[str]
    resource_id: Mapped[UUID | None]
    request_id: Mapped[str | None]
    created_at: Mapped[datetime]
