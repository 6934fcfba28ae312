"""The first half of a job: a video's frames become rows in the database, window by window."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import datetime
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from model.runtime.pose import PoseEstimator
from model.spec.sequence_header import header_json
from service.blobs import BlobStore
from service.database.columns import JsonObject
from service.database.frames import WindowContent, store_window
from service.database.leases import describe, finish_extraction
from service.database.videos import find_video, store_probe
from service.errors import VideoNotFoundError
from workers.leases import CountedSource, HeldJob
from workers.models import Models
from workers.parameters import extraction_settings, read_parameters, smoothing_settings
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.source import open_video
from workers.pipeline.extracting import Extraction, WindowResult
from workers.pipeline.outputs.results import Provenance
from workers.pipeline.state import ExtractionState
from workers.pipeline.timing import StageClock
from workers.pipeline.video import VideoFacts

SKELETON: Final = "skeleton_facts"
"""Beside the header's own fields stands the whole skeleton: making the preview needs all of it."""


def extract(held: HeldJob, store: BlobStore, models: Models) -> None:
    """Extract the held job's video behind its last stored frame, then queue it for its preview.

    Raises:
        LeaseLostError: The job is no longer this worker's.
        CancelledError: It is to end early.
        ParametersError: The job's parameters cannot be.
        ModelUnknownError: Its model is not here.
        ModelError: Its model cannot be run.
        VideoError: The video cannot be used.
        CutoffError: The smoothing that was asked for does not fit it.
        StateError: It was begun with another model or on another kind of device.
        ServiceError: The database or the blob store is away, or the video is gone.
    """
    parameters = read_parameters(held.job.parameters)
    settings = extraction_settings(parameters)
    pose, detector = models.pose(held.job.model), models.detector()
    made_by, progress = Provenance.of(pose, detector, settings), _Progress(held)
    with (
        local_video(held, store) as path,
        open_video(path, window=settings.window, limits=Limits()) as source,
    ):
        smoothing_settings(parameters).check_claims(
            source.facts, begins_with=source.begins_with_rate
        )
        extraction = Extraction(
            CountedSource(source, held), pose, detector, settings,
            state=progress.state, cancelled=held.must_stop, clock=progress.clock,
        )  # fmt: skip
        _describe(held, source.facts, made_by, pose)  # rows that are stored keep their header
        for result in extraction:
            progress.store(result)
    seconds = progress.seconds()
    held.write(
        lambda session, now: finish_extraction(session, held.lease, timings=seconds, now=now)
    )


@contextmanager
def local_video(held: HeldJob, store: BlobStore) -> Iterator[Path]:
    """The held job's video as a file of this machine.

    Raises:
        VideoNotFoundError: It was deleted.
        BlobError: Its bytes are not there, or cannot be had.
        CancelledError: The work is to end early.
    """
    tenant_id, video_id = held.job.tenant_id, held.job.video_id
    video = held.read(lambda session: find_video(session, tenant_id, video_id))
    if video is None:
        raise VideoNotFoundError(f"there is no video {video_id}")
    with ExitStack() as fetched:
        fetching = partial(store.local_path, video.blob_key, got_on=held.got_on)
        yield held.patiently(lambda: fetched.enter_context(fetching()))


class _Progress:
    """What is stored of a job: the state behind its last window, and seconds by stage.

    Attributes:
        state: Where the extraction goes on; None at the video's beginning.
        clock: Of this attempt.
    """

    def __init__(self, held: HeldJob) -> None:
        self._held = held
        before = held.job.resume_state
        self.clock = StageClock()
        self.state = None
        self._before_s: dict[str, float] = {}
        if before is not None:
            self.state = ExtractionState.from_json(json.dumps(before["extraction"]))
            self._before_s = before["seconds"]

    def store(self, result: WindowResult) -> None:
        """Store a window's rows with the state behind it."""
        held = self._held
        state = {"extraction": json.loads(result.state.to_json()), "seconds": self.seconds()}
        content = WindowContent(result.rows, result.sightings, state)
        canceled = held.write(
            lambda session, now: store_window(
                session, held.lease, content, now=now, terms=held.terms
            )
        )
        held.note_cancel(canceled)

    def seconds(self) -> dict[str, float]:
        """Seconds by the clock that each stage has taken, those of earlier attempts with them."""
        return self.clock.seconds(self._before_s)


def _describe(held: HeldJob, facts: VideoFacts, made_by: Provenance, pose: PoseEstimator) -> None:
    """Store what the video says of itself, and what the job's keypoints will be made by."""
    header: JsonObject = json.loads("{" + ",".join(header_json(made_by.header(facts, "raw"))) + "}")
    assert pose.manifest.skeleton is not None  # noqa: S101 - `Provenance.of` has seen to it
    header[SKELETON] = pose.manifest.skeleton.model_dump(mode="json")
    probe = json.loads(json.dumps(asdict(facts), default=_plain))

    def note(session: Session, _: datetime) -> None:
        describe(session, held.lease, header=header, frames_total=facts.num_frames_claimed)
        store_probe(session, held.job.video_id, probe)

    held.write(note)


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON's
    if isinstance(value, Fraction):
        return [value.numerator, value.denominator]
    raise TypeError(f"{type(value).__name__} has no JSON")
