"""One video from its file to a folder of results; what was stopped goes on where it was."""

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from model.runtime.detector import Detector
from model.runtime.pose import PoseEstimator
from model.spec.errors import OutputError
from model.spec.files import written_aside
from model.spec.sequence import STATUSES, Rows, Series, Sightings
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.source import VideoSource, open_video
from workers.pipeline.extracting import Extraction
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.outputs.journal import Entry, Journal
from workers.pipeline.outputs.results import Provenance, derive, write_quality, write_sequence
from workers.pipeline.preview.picture import PreviewSettings
from workers.pipeline.preview.rendering import render_preview
from workers.pipeline.quality.figures import quality_of
from workers.pipeline.smoothing.series import SmoothingSettings
from workers.pipeline.state import ExtractionState
from workers.pipeline.timing import StageClock

PREVIEW: Final = "preview.mp4"
STILLS: Final = "stills"
_DONE: Final = ".done"
_RULES: Final = 2
"""Counted up when the same video gives other results, or `Outcome` other facts: what older rules
left is made anew.
"""
_JOURNAL: Final = ".journal-"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is wanted of a video.

    Attributes:
        extraction: How the infant is followed.
        smoothing: How the filtered series is made.
        series: Which series are written.
        preview: How the preview looks; None for none.
        limits: What the video may cost.
    """

    extraction: ExtractionSettings
    smoothing: SmoothingSettings
    series: tuple[Series, ...]
    preview: PreviewSettings | None
    limits: Limits


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a video.

    Attributes:
        frames: Decoded frames.
        by_status: How many of each status.
        cut_short: Whether the file ends before the video does.
        was_done: Nothing was done, because the folder holds just this already.
    """

    frames: int
    by_status: dict[str, int]
    cut_short: bool
    was_done: bool


class Steps(Protocol):
    """Counts finished frames."""

    def step(self, count: int = 1) -> None:
        """Say that this many more are finished."""


ShowProgress = Callable[[str, int | None, int], AbstractContextManager[Steps]]
"""Makes a counter for a stage's name, its frames (None: unknown) and those done before."""


class VideoFolder:
    """Turns videos into folders with one pair of opened models.

    Args:
        pose: The pose model.
        detector: The detector.
        request: What is wanted.
        progress: Shows how far it is.
        cancelled: Asked once a window.
    """

    def __init__(
        self,
        pose: PoseEstimator,
        detector: Detector,
        request: Request,
        *,
        progress: ShowProgress,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._pose, self._detector, self._request = pose, detector, request
        self._progress, self._cancelled = progress, cancelled
        self._made_by = Provenance.of(pose, detector, request.extraction)

    def fill(self, video: Path, folder: Path) -> Outcome:
        """Extract a video into a folder, made if need be.

        Results of other settings or of another video are replaced; where the folder holds just
        what is asked for, nothing is done.

        Raises:
            VideoError: The video cannot be used.
            CancelledError: `cancelled` said so; called again, it goes on.
            OutputError: The folder cannot be written to.
        """
        window = self._request.extraction.window
        with open_video(video, window=window, limits=self._request.limits) as source:
            digest = self._digest(video)
            if (done := _read_done(folder, digest)) is not None:
                return done
            journal = _journal(folder, digest)
            try:
                rows, sightings, seconds = self._extract(source, journal)
            finally:
                journal.close()
            facts = source.facts  # now that all of it was read
        derived = derive(rows, self._made_by.skeleton, self._request.smoothing)
        if "raw" in self._request.series:
            write_sequence(folder, self._made_by.header(facts, "raw"), rows)
        if "filtered" in self._request.series:
            header = self._made_by.header(facts, "filtered", derived.smoothing)
            write_sequence(folder, header, derived.rows)
        seconds |= self._preview(video, folder, rows, sightings)
        skeleton = self._made_by.skeleton
        quality = quality_of(rows, sightings, facts, skeleton, seconds)
        write_quality(folder, quality, rows=rows, filtered=derived.rows, skeleton=skeleton)
        outcome = Outcome(
            frames=len(rows),
            by_status={name: int((rows.status == i).sum()) for i, name in enumerate(STATUSES)},
            cut_short=bool(facts.cut_short),
            was_done=False,
        )
        _write_done(folder, digest, outcome)
        return outcome

    def _digest(self, video: Path) -> str:
        """What a folder's results belong to: the video's bytes, the models and all settings."""
        with video.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        request, made_by = self._request, self._made_by
        facts = {
            "rules": _RULES,
            "video": content,
            "pose": asdict(made_by.pose_model),
            "detector": asdict(made_by.detector),
            "engine": [made_by.engine, made_by.precision, self._pose.options.batch_size],
            "request": asdict(request),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()

    def _extract(
        self, source: VideoSource, journal: Journal
    ) -> tuple[Rows, Sightings, dict[str, float]]:
        """All rows and sightings, those of earlier calls with them, and seconds by stage."""
        entries = list(journal.entries)
        state = None
        if entries:
            state = ExtractionState.from_json(json.dumps(entries[-1].state["extraction"]))
        before: dict[str, float] = entries[-1].state["seconds"] if entries else {}
        clock = StageClock()
        extraction = Extraction(
            source, self._pose, self._detector, self._request.extraction,
            state=state, cancelled=self._cancelled, clock=clock,
        )  # fmt: skip
        done = sum(len(entry.rows) for entry in entries)
        with self._progress("frames", source.facts.num_frames_claimed, done) as progress:
            for result in extraction:
                seconds = {
                    name: time.wall_s + before.get(name, 0.0) for name, time in clock.stages.items()
                }
                kept: dict[str, Any] = {
                    "extraction": json.loads(result.state.to_json()),
                    "seconds": seconds,
                }
                entries.append(Entry(result.rows, result.sightings, kept))
                journal.append(entries[-1])
                progress.step(len(result.rows))
        return (
            Rows.joined([entry.rows for entry in entries]),
            Sightings.joined([entry.sightings for entry in entries]),
            entries[-1].state["seconds"],
        )

    def _preview(
        self, video: Path, folder: Path, rows: Rows, sightings: Sightings
    ) -> dict[str, float]:
        """Make the preview and its stills, where wanted; seconds by stage."""
        settings = self._request.preview
        if settings is None:
            return {}
        stills = folder / STILLS
        _emptied(stills)
        window = self._request.extraction.window
        with (
            open_video(video, window=window, limits=self._request.limits) as source,
            self._progress("preview frames", len(rows), 0) as progress,
        ):
            made = render_preview(
                source, rows, sightings, self._made_by.skeleton, folder / PREVIEW, settings,
                on_still=lambda index, jpeg: _write_still(stills / f"{index:07}.jpg", jpeg),
                on_progress=progress.step, cancelled=self._cancelled,
            )  # fmt: skip
        return {f"preview {name}": seconds for name, seconds in made.seconds.items()}


def _journal(folder: Path, digest: str) -> Journal:
    """The journal of just this extraction; those of others are removed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{_JOURNAL}{digest[:16]}"
        for other in folder.glob(f"{_JOURNAL}*"):
            if other != path:
                other.unlink()
        (folder / _DONE).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return Journal(path)


def _emptied(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
        for still in folder.glob("*.jpg"):
            still.unlink()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error


def _write_still(path: Path, jpeg: bytes) -> None:
    with written_aside(path) as aside:
        aside.write_bytes(jpeg)


def _read_done(folder: Path, digest: str) -> Outcome | None:
    """The outcome of an earlier call for just this; None where there was none."""
    try:
        content = json.loads((folder / _DONE).read_text())
    except (OSError, ValueError):  # not there, or cut short: it is done again
        return None
    if content.pop("digest", None) != digest:
        return None
    return Outcome(**content, was_done=True)


def _write_done(folder: Path, digest: str, outcome: Outcome) -> None:
    facts = {"digest": digest, **asdict(outcome)}
    del facts["was_done"]
    with written_aside(folder / _DONE) as aside:
        aside.write_text(json.dumps(facts) + "\n")
    for journal in folder.glob(f"{_JOURNAL}*"):
        journal.unlink()
