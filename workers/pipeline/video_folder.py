"""One video from its file to a folder of results; what was stopped goes on where it was."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

from model.runtime.detector import Detector
from model.runtime.pose import PoseEstimator
from model.spec.sequence import STATUSES, Rows, Series, Sightings
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.source import VideoSource, open_video
from workers.pipeline.errors import RowsError, StateError, VideoMissingError
from workers.pipeline.extracting import Extraction
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.outputs.journal import Entry, Journal
from workers.pipeline.outputs.result_folder import PREVIEW, Digests, Outcome, ResultFolder
from workers.pipeline.outputs.results import (
    Derived,
    Provenance,
    derive,
    write_quality,
    write_sequence,
)
from workers.pipeline.preview.picture import PreviewSettings
from workers.pipeline.preview.rendering import render_preview
from workers.pipeline.quality.figures import quality_of
from workers.pipeline.smoothing.series import SmoothingSettings
from workers.pipeline.state import ExtractionState
from workers.pipeline.timing import StageClock
from workers.pipeline.video import VideoFacts

_RULES: Final = 5
"""Counted up when the same video gives other results, or a finished folder other facts: what older
rules left is made anew.
"""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is wanted of a video.

    Attributes:
        extraction: How the infant is followed.
        smoothing: How the filtered series is made.
        series: Which series are written.
        preview: How the preview looks; None for none.
        limits: What the video may cost.
        windows: So many from the beginning; None for all.
    """

    extraction: ExtractionSettings
    smoothing: SmoothingSettings
    series: tuple[Series, ...]
    preview: PreviewSettings | None
    limits: Limits
    windows: int | None = None


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
        program: This program's version: no other one goes on with what it began.
        progress: Shows how far it is.
        warn: Told, in a line, when what was begun cannot be gone on with.
        cancelled: Asked once a window.
    """

    def __init__(  # noqa: PLR0913 - what is wanted, of what, and who is told
        self,
        pose: PoseEstimator,
        detector: Detector,
        request: Request,
        *,
        program: str,
        progress: ShowProgress,
        warn: Callable[[str], None],
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._pose, self._detector, self._request = pose, detector, request
        self._program, self._progress, self._warn = program, progress, warn
        self._cancelled = cancelled
        self._made_by = Provenance.of(pose, detector, request.extraction)

    def fill(self, video: Path, folder: Path, *, clock: StageClock | None = None) -> Outcome:
        """Extract a video into a folder, made if need be.

        Results of other settings or of another video are removed at once, and then replaced; where
        the folder holds just what is asked for, nothing is done.

        Args:
            video: The file.
            folder: Where its results go.
            clock: Told how long each stage takes, but for those of the preview.

        Raises:
            VideoError: The video cannot be used.
            CutoffError: The cut-off does not fit its frame rate. Where only its frames' times tell,
                the raw series is there, and a call with another cut-off has nothing to extract.
            RowsError: Another video took its place meanwhile.
            CancelledError: `cancelled` said so; called again, it goes on.
            OutputError: The folder cannot be written to.
        """
        window = self._request.extraction.window
        with open_video(video, window=window, limits=self._request.limits) as source:
            self._request.smoothing.check_claims(source.facts, begins_with=source.begins_with_rate)
            clock = StageClock() if clock is None else clock
            with clock.stage("hash"):
                results = ResultFolder(folder, self._digests(video))
            if (done := results.outcome()) is not None:
                return done
            journal, others = results.begin()
            if others:
                self._warn(f"{folder}: what was begun there by other means is extracted anew")
            with closing(journal):
                rows, sightings, before = self._extract(source, journal, clock)
            facts = source.facts  # now that all of it was read
        derived = self._write_series(folder, facts, rows, clock)
        previewed = self._preview(video, results, rows, sightings)
        seconds, skeleton = clock.seconds(before) | previewed, self._made_by.skeleton
        with clock.stage("quality"):
            quality = quality_of(
                rows, sightings, facts, skeleton, seconds, cutoff_hz=derived.smoothing.cutoff_hz
            )
            write_quality(folder, quality, rows=rows, filtered=derived.rows, skeleton=skeleton)
        outcome = Outcome(
            frames=len(rows),
            by_status={name: int((rows.status == i).sum()) for i, name in enumerate(STATUSES)},
            cut_short=bool(facts.cut_short),
            was_done=False,
        )
        results.finish(outcome)
        return outcome

    def _digests(self, video: Path) -> Digests:
        """Rows belong to the video's bytes, program and models; results to all settings too."""
        try:
            with video.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:  # though it was there a moment ago
            raise VideoMissingError(
                f"expected a file that can be read: {error.strerror or error}"
            ) from error
        request, made_by = self._request, self._made_by
        facts = {
            "rules": _RULES,
            "program": self._program,
            "video": content,
            "pose": asdict(made_by.pose_model),
            "detector": asdict(made_by.detector),
            "engine": [made_by.engine, made_by.precision, self._pose.options.batch_size],
            "extraction": asdict(request.extraction),
            "limits": asdict(request.limits),
            "windows": request.windows,
        }
        return Digests(rows=_sha256(facts), results=_sha256(facts | {"request": asdict(request)}))

    def _extract(
        self, source: VideoSource, journal: Journal, clock: StageClock
    ) -> tuple[Rows, Sightings, dict[str, float]]:
        """All rows and sightings, those of earlier calls with them, and those calls' seconds."""
        extraction = self._extraction(source, journal, clock)
        entries = list(journal.entries)
        before: dict[str, float] = entries[-1].state["seconds"] if entries else {}
        done = sum(len(entry.rows) for entry in entries)
        with self._progress("frames", source.facts.num_frames_claimed, done) as progress:
            most = self._request.windows
            for result in islice(extraction, None if most is None else most - len(entries)):
                with clock.stage("journal"):
                    kept: dict[str, Any] = {
                        "extraction": json.loads(result.state.to_json()),
                        "seconds": clock.seconds(before),
                    }
                    entries.append(Entry(result.rows, result.sightings, kept))
                    journal.append(entries[-1])
                progress.step(len(result.rows))
        return (
            Rows.joined([entry.rows for entry in entries]),
            Sightings.joined([entry.sightings for entry in entries]),
            before,
        )

    def _extraction(self, source: VideoSource, journal: Journal, clock: StageClock) -> Extraction:
        """Behind the journal's last entry; from the first frame on where that does not fit."""
        begin = partial(
            Extraction, source, self._pose, self._detector, self._request.extraction,
            cancelled=self._cancelled, clock=clock,
        )  # fmt: skip
        if journal.entries:
            try:
                kept = json.dumps(journal.entries[-1].state["extraction"])
                return begin(state=ExtractionState.from_json(kept))
            except StateError as error:
                self._warn(f"what was begun is extracted anew: {error}")
                journal.restart()
        return begin()

    def _write_series(
        self, folder: Path, facts: VideoFacts, rows: Rows, clock: StageClock
    ) -> Derived:
        """Write the series that are wanted; the raw one first, whatever becomes of the other."""
        if "raw" in self._request.series:
            with clock.stage("write"):
                write_sequence(folder, self._made_by.header(facts, "raw"), rows)
        with clock.stage("smooth"):
            derived = derive(rows, self._made_by.skeleton, self._request.smoothing)
        if "filtered" in self._request.series:
            with clock.stage("write"):
                header = self._made_by.header(facts, "filtered", derived.smoothing)
                write_sequence(folder, header, derived.rows)
        return derived

    def _preview(
        self, video: Path, results: ResultFolder, rows: Rows, sightings: Sightings
    ) -> dict[str, float]:
        """Make the preview and its stills, where wanted; seconds by stage."""
        settings = self._request.preview
        if settings is None:
            return {}
        window = self._request.extraction.window
        with open_video(video, window=window, limits=self._request.limits) as source:
            if self._digests(video) != results.digests:
                raise RowsError("expected the video that was extracted, got another of its name")
            with self._progress("preview frames", len(rows), 0) as progress:
                made = render_preview(
                    source, rows, sightings, self._made_by.skeleton, results.path / PREVIEW,
                    settings, on_still=results.write_still, on_progress=progress.step,
                    cancelled=self._cancelled,
                )  # fmt: skip
        return {f"preview {name}": seconds for name, seconds in made.seconds.items()}


def _sha256(facts: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
