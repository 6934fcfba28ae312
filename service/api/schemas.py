"""What the API answers with, and how rows become that."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
)

from service.database.tables import Job, JobStage, JobState, Video

VIDEO_ID: Final = "01970000-0000-7000-8000-000000000001"
JOB_ID: Final = "01970000-0000-7000-8000-000000000002"
"""Of the video and the job of all examples."""

_MOMENT: Final = "2026-03-01T08:30:00Z"
_VIDEO: Final[dict[str, JsonValue]] = {
    "id": VIDEO_ID,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "size_bytes": 18874368,
    "media_type": "video/mp4",
    "subject_reference": "ward3-0017",
    "metadata": {"week": 12},
    "probe": None,
    "created_at": _MOMENT,
}
_JOB: Final[dict[str, JsonValue]] = {
    "id": JOB_ID,
    "video_id": VIDEO_ID,
    "state": "running",
    "stage": "extract",
    "frames_done": 128,
    "frames_total": 300,
    "attempt": 0,
    "cancel_requested": False,
    "model": "aggpose-t-infant21",
    "parameters": {},
    "timings": {},
    "error": None,
    "created_at": _MOMENT,
    "started_at": _MOMENT,
    "heartbeat_at": _MOMENT,
    "finished_at": None,
}


def _text(moment: object) -> object:
    """Only text says a moment here: pydantic would also take seconds since 1970."""
    if not isinstance(moment, str) or not re.match(r"\d{4}-\d\d-\d\d[Tt ]", moment):
        raise ValueError("expected a moment such as 2026-03-01T08:30:00Z")
    return moment


def _utc(moment: datetime) -> datetime:
    """The moment in UTC; those at the calendar's ends have none."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("expected a moment between the years 1 and 9999") from error


Moment = Annotated[AwareDatetime, BeforeValidator(_text), AfterValidator(_utc)]
"""A moment with its time zone, as in 2026-03-01T08:30:00Z."""


class _Answer(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)


class VideoAnswer(_Answer):
    """An uploaded video."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VIDEO]})

    id: UUID
    sha256: str
    """SHA-256 of its bytes."""
    size_bytes: int
    media_type: str
    """Judged by its first bytes."""
    subject_reference: str | None
    """Your own word for the infant."""
    metadata: dict[str, Any]
    """What you wanted to keep with it."""
    probe: dict[str, Any] | None
    """What a worker found in it; null until one has looked."""
    created_at: datetime

    @classmethod
    def of(cls, video: Video) -> "VideoAnswer":
        """That of a row."""
        return cls(
            id=video.id, sha256=video.sha256, size_bytes=video.size_bytes,
            media_type=video.media_type, subject_reference=video.subject_reference,
            metadata=video.user_metadata, probe=video.probe, created_at=video.created_at,
        )  # fmt: skip


class VideoDetail(VideoAnswer):
    """An uploaded video, looked at closely."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VIDEO | {"stored": True}]})

    stored: bool | None
    """Whether its bytes are in the file store; if not, upload them again. Null while the store does
    not answer."""


class JobError(_Answer):
    """Why a job failed."""

    code: str
    """Stable, for machines."""
    detail: str
    """One sentence for people."""


class JobSummary(_Answer):
    """How far the extraction of a video is."""

    model_config = ConfigDict(json_schema_extra={"examples": [_JOB]})

    id: UUID
    video_id: UUID
    state: JobState
    stage: JobStage
    """What is to be done next, or was done last."""
    frames_done: int
    """Frames whose keypoints are stored."""
    frames_total: int | None
    """Frames that the video has, as far as that is known."""
    attempt: int
    """Tries since the last progress."""
    cancel_requested: bool
    model: str
    """The pose model's name."""
    parameters: dict[str, Any]
    """As they were asked for."""
    timings: dict[str, Any]
    """Of each stage that is over."""
    error: JobError | None
    """Why the job failed; null unless it did."""
    created_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None
    """A worker's last sign of life."""
    finished_at: datetime | None

    @classmethod
    def of(cls, job: Job) -> "JobSummary":
        """That of a row."""
        return cls(**_facts(job))


class JobAnswer(JobSummary):
    """How far the extraction of a video is, and how good it is once it has succeeded."""

    model_config = ConfigDict(json_schema_extra={"examples": [_JOB | {"quality": None}]})

    quality: dict[str, Any] | None
    """The figures of quality.json, once the job has succeeded."""

    @classmethod
    def of(cls, job: Job) -> "JobAnswer":
        """That of a row."""
        return cls(**_facts(job), quality=job.quality)


class UploadAnswer(_Answer):
    """An uploaded video, and the job that was started with it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"video": _VIDEO, "job": _JOB}]})

    video: VideoAnswer
    job: JobSummary | None
    """The new job where `extract=true` was asked for."""


class VideoList(_Answer):
    """A page of videos, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_VIDEO], "next": None}]})

    items: list[VideoAnswer]
    next: str | None
    """The `cursor` of the next page; null where this is the last."""


class JobList(_Answer):
    """A page of jobs, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_JOB], "next": None}]})

    items: list[JobSummary]
    next: str | None
    """The `cursor` of the next page; null where this is the last."""


class Stills(_Answer):
    """The frames of which there is a masked still."""

    frames: list[int] = Field(examples=[[0, 150, 299]])


EXAMPLES: Final = (
    VideoAnswer, VideoDetail, JobSummary, JobAnswer, UploadAnswer, VideoList, JobList,
)  # fmt: skip
"""Answers with an example in the documentation."""


def _facts(job: Job) -> dict[str, Any]:
    failed = job.error_code is not None
    error = JobError(code=job.error_code or "", detail=job.error_detail or "") if failed else None
    same = (
        "id", "video_id", "state", "stage", "frames_done", "frames_total", "attempt",
        "cancel_requested", "model", "parameters", "timings", "created_at", "started_at",
        "heartbeat_at", "finished_at",
    )  # fmt: skip
    return {name: getattr(job, name) for name in same} | {"error": error}
