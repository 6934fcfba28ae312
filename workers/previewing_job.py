"""The second half of a job: finished files, stills and a film in which nobody is recognisable."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from model.spec.sequence import Rows, SequenceHeader, Sightings
from model.spec.sequence_header import read_header
from model.spec.skeleton import Skeleton, parse_skeleton
from service.blobs import BlobStore, StoredBlob
from service.database.frames import BLOCK_FRAMES, read_block, read_sightings
from service.database.leases import complete
from service.database.results import list_artifacts, store_artifact, store_previews
from service.database.tables import Artifact
from service.errors import ServiceError
from service.jobs import JobParameters
from workers.extracting_job import SKELETON, local_video
from workers.leases import CountedSource, HeldJob
from workers.parameters import (
    extraction_settings,
    preview_settings,
    read_parameters,
    smoothing_settings,
)
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.source import open_video
from workers.pipeline.errors import RowsError
from workers.pipeline.outputs.results import derive, sequence_video, write_quality, write_sequence
from workers.pipeline.preview.rendering import render_preview
from workers.pipeline.quality.figures import Quality, quality_of
from workers.pipeline.video import FrameSource
from workers.scratch import scratch_folder

FILES: Final = {
    "keypoints.csv": "text/csv",
    "keypoints.json": "application/json",
    "keypoints-filtered.csv": "text/csv",
    "keypoints-filtered.json": "application/json",
    "quality.json": "application/json",
    "quality.png": "image/png",
    "preview.mp4": "video/mp4",
    "preview.masks.csv": "text/csv",
}
"""A finished job's files, as `aggpose extract` names them, and their media types."""

_LOG: Final = logging.getLogger("aggpose.worker")
_STILLS_AT_ONCE: Final = 32
_MAX_BYTES: Final = 1 << 40


def preview(held: HeldJob, store: BlobStore, scratch: Path) -> None:
    """Make everything that needs all of the held job's frames, store it, and complete the job.

    Raises:
        LeaseLostError: The job is no longer this worker's.
        CancelledError: It is to end early.
        PipelineError: The video cannot be used, or is not the one that the frames came from.
        ServiceError: The database or the blob store is away, or the video is gone.
        OSError: There is no room to work.
    """
    frames = _Frames.of(held)
    with scratch_folder(scratch) as folder, _no_blob_left(held, store):
        made, seconds = _make(held, store, frames, folder)
        for name in FILES:
            held.stop_if_told()
            _upload(held, store, folder / name)
        figures, timings = made.as_json(), held.job.timings | seconds
        held.write(
            lambda session, now: complete(
                session, held.lease, timings=timings, quality=figures, now=now
            )
        )


@dataclass(frozen=True, eq=False)
class _Frames:
    """What the first half left.

    Attributes:
        rows: Every frame.
        sightings: What the detector saw.
        header: Of the raw series.
        skeleton: Of the keypoints.
    """

    rows: Rows
    sightings: Sightings
    header: SequenceHeader
    skeleton: Skeleton

    @classmethod
    def of(cls, held: HeldJob) -> "_Frames":
        """Those of the held job, read block by block.

        Raises:
            RowsError: There are none.
        """
        job_id, header = held.job.id, held.job.header
        blocks = list(_blocks(held))
        sightings = held.read(lambda session: read_sightings(session, job_id))
        if header is None or sightings is None or not blocks:
            raise RowsError("expected a job with frames, got none")
        skeleton = parse_skeleton(json.dumps(header[SKELETON]))
        return cls(Rows.joined(blocks), sightings, read_header(header), skeleton)


def _blocks(held: HeldJob) -> Iterator[Rows]:
    start = 0
    while True:
        query = partial(read_block, job_id=held.job.id, start=start, limit=BLOCK_FRAMES)
        block = held.read(query)
        if block is None:
            return
        held.got_on()
        yield block
        start = int(block.frame_index[-1]) + 1


def _make(
    held: HeldJob, store: BlobStore, frames: _Frames, folder: Path
) -> tuple[Quality, dict[str, float]]:
    """Write all `FILES` into a folder, and the stills into the database.

    Returns:
        The film's figures, and seconds by stage of the preview.
    """
    parameters = read_parameters(held.job.parameters)
    derived = derive(frames.rows, frames.skeleton, smoothing_settings(parameters))
    held.got_on()
    window = extraction_settings(parameters).window
    with (
        local_video(held, store) as path,
        open_video(path, window=window, limits=Limits()) as source,
    ):
        seconds = _render(held, CountedSource(source, held), frames, parameters, folder)
        facts = source.facts  # now that all of it was read
    header = replace(frames.header, video=sequence_video(facts))
    write_sequence(folder, header, frames.rows)
    held.got_on()
    more = {**header.parameters, **derived.smoothing.as_parameters()}
    write_sequence(folder, replace(header, series="filtered", parameters=more), derived.rows)
    held.got_on()
    timings = {**held.job.timings, **seconds}
    quality = quality_of(
        frames.rows, frames.sightings, facts, frames.skeleton, timings,
        cutoff_hz=derived.smoothing.cutoff_hz,
    )  # fmt: skip
    write_quality(
        folder, quality, rows=frames.rows, filtered=derived.rows, skeleton=frames.skeleton
    )
    return quality, seconds


def _render(
    held: HeldJob, source: FrameSource, frames: _Frames, parameters: JobParameters, folder: Path
) -> dict[str, float]:
    """Make the film, and store the stills a handful at a time; seconds by stage."""
    stills: dict[int, bytes] = {}

    def keep() -> None:
        held.write(lambda session, now: store_previews(session, held.lease, stills, now=now))
        stills.clear()

    def add(frame_index: int, jpeg: bytes) -> None:
        stills[frame_index] = jpeg
        if len(stills) >= _STILLS_AT_ONCE:
            keep()

    made = render_preview(
        source, frames.rows, frames.sightings, frames.skeleton, folder / "preview.mp4",
        preview_settings(parameters), displayed_wh=frames.header.video.displayed_wh,
        on_still=add, on_progress=lambda _frames: held.got_on(),
    )  # fmt: skip
    keep()
    return {f"preview {name}": seconds for name, seconds in made.seconds.items()}


def _upload(held: HeldJob, store: BlobStore, path: Path) -> None:
    """Store one finished file, and that it is there."""

    def put() -> StoredBlob:
        with path.open("rb") as file:
            return store.put(f"{_own_keys(held)}/{path.name}", file, max_bytes=_MAX_BYTES)

    blob = held.patiently(put)

    def note(session: Session, now: datetime) -> None:
        # Made anew for each try: a session keeps what is added to it.
        artifact = Artifact(
            job_id=held.job.id, kind=path.name, blob_key=blob.key,
            media_type=FILES[path.name], sha256=blob.sha256, size_bytes=blob.size_bytes,
            created_at=now,
        )  # fmt: skip
        store_artifact(session, held.lease, artifact, now=now)

    held.write(note)


def _own_keys(held: HeldJob) -> str:
    """Below this lie the blobs of this attempt: no two attempts ever write the same one."""
    return f"{_job_keys(held)}/{held.lease.token.hex}"


def _job_keys(held: HeldJob) -> str:
    return f"jobs/{held.job.id}"


@contextmanager
def _no_blob_left(held: HeldJob, store: BlobStore) -> Iterator[None]:
    """Leave no blob that no artifact names: an ended attempt's own, a completed job's all."""
    try:
        yield
    except BaseException:
        _remove_unnamed(held, store, _own_keys(held))
        raise
    _remove_unnamed(held, store, _job_keys(held))


def _remove_unnamed(held: HeldJob, store: BlobStore, prefix: str) -> None:
    """Remove the blobs below `prefix` that no artifact of the job names."""
    try:
        artifacts = held.read(lambda session: list_artifacts(session, held.job.id))
        named = {artifact.blob_key for artifact in artifacts}
        for key in [key for key in store.keys(prefix) if key not in named]:
            store.delete(key)
    except ServiceError as error:
        _LOG.warning("blobs may be left: %s", error, extra=held.about)
