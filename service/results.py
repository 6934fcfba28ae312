"""Rules of results: where a job's keypoints come from, and which files it leaves."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal, Self
from uuid import UUID

from sqlalchemy.orm import Session

from model.spec.sequence import SequenceHeader, Series
from model.spec.sequence_csv import CsvWriter
from model.spec.sequence_header import read_header
from model.spec.sequence_json import JsonWriter
from service.database.engine import Database
from service.database.frames import stream_rows
from service.database.results import find_artifact
from service.database.tables import Artifact, Job
from service.errors import JobNotFoundError, ResultNotReadyError, SeriesNotReadyError
from service.spans import Span

Form = Literal["csv", "json"]
FileKind = Literal["preview.mp4", "preview.masks.csv", "quality.json", "quality.png"]

_WRITERS: Final[dict[Form, type[CsvWriter | JsonWriter]]] = {"csv": CsvWriter, "json": JsonWriter}


@dataclass(frozen=True)
class StoredFrames:
    """The raw frames of a job in the database, to be written one block after another.

    Attributes:
        job_id: The job.
        header: Of the series.
        start: The first frame.
        stop: The frame behind the last.
    """

    job_id: UUID
    header: SequenceHeader
    start: int
    stop: int

    def within(self, span: Span) -> Self:
        """Those of them that lie in a span."""
        behind = self.stop if span.behind is None else min(self.stop, span.behind)
        return replace(self, start=max(self.start, span.first), stop=behind)

    def written(self, database: Database, form: Form) -> Iterator[bytes]:
        """The series as a file, in pieces; no connection is held in between.

        Raises:
            JobNotFoundError: The job was deleted meanwhile: the file is not whole.
        """
        writer = _WRITERS[form](self.header)
        yield writer.header()
        behind = self.start
        if self.start < self.stop:
            for block in stream_rows(database, self.job_id, start=self.start, stop=self.stop):
                yield from writer.rows(block)
                behind = int(block.frame_index[-1]) + 1
        if behind < self.stop:
            raise JobNotFoundError(f"job {self.job_id} was deleted while it was read")
        yield writer.end()


def keypoints_kind(series: Series, form: Form) -> str:
    """The artifact of a finished series."""
    return f"keypoints{'' if series == 'raw' else '-filtered'}.{form}"


def find_keypoints(
    session: Session, job: Job, series: Series, form: Form
) -> Artifact | StoredFrames:
    """A job's series: the finished file, or else the raw frames so far.

    Raises:
        SeriesNotReadyError: There is neither.
    """
    artifact = find_artifact(session, job.id, keypoints_kind(series, form))
    if artifact is not None:
        return artifact
    if series != "raw":
        raise SeriesNotReadyError(
            f"job {job.id}: the {series} series comes when the whole video has been read"
        )
    return stored_frames(job)


def stored_frames(job: Job) -> StoredFrames:
    """The raw frames that a job has so far.

    Raises:
        SeriesNotReadyError: No worker has opened the video yet.
    """
    if job.header is None:
        raise SeriesNotReadyError(f"job {job.id}: no worker has opened the video yet")
    return StoredFrames(job.id, read_header(job.header), 0, job.frames_done)


def find_file(session: Session, job: Job, kind: FileKind) -> Artifact:
    """A finished file of a job.

    Raises:
        ResultNotReadyError: It is not there.
    """
    artifact = find_artifact(session, job.id, kind)
    if artifact is None:
        raise ResultNotReadyError(f"job {job.id} has no {kind} yet")
    return artifact
