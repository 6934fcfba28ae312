"""What an extraction leaves beside its preview: keypoints, raw and filtered, and quality."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from model.runtime.detector import Detector
from model.runtime.pose import PoseEstimator
from model.spec.errors import ManifestError
from model.spec.files import written_aside
from model.spec.onnx_file import ModelFile
from model.spec.sequence import (
    FilteredRows,
    ModelIdentity,
    Parameter,
    Rows,
    SequenceHeader,
    SequenceSkeleton,
    SequenceVideo,
    Series,
)
from model.spec.sequence_csv import CsvWriter
from model.spec.sequence_json import JsonWriter
from model.spec.skeleton import Skeleton
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.quality.figures import Quality
from workers.pipeline.quality.page import draw_quality
from workers.pipeline.smoothing.series import SmoothingSettings, smooth, upper_rate
from workers.pipeline.video import VideoFacts

_BLOCK: Final = 4096
"""Rows that are formatted at a time; the bytes do not depend on it."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What made a video's keypoints.

    Attributes:
        skeleton: Of the pose model.
        pose_model: Which file found the keypoints.
        detector: Which file found the infant.
        engine: What ran both.
        precision: Of the pose model's arithmetic.
        settings: How the infant was followed.
    """

    skeleton: Skeleton
    pose_model: ModelIdentity
    detector: ModelIdentity
    engine: str
    precision: str
    settings: ExtractionSettings

    @classmethod
    def of(
        cls, pose: PoseEstimator, detector: Detector, settings: ExtractionSettings
    ) -> "Provenance":
        """That of opened models.

        Raises:
            ManifestError: The pose model's manifest has no skeleton.
        """
        skeleton = pose.manifest.skeleton
        if skeleton is None:
            raise ManifestError(f"{pose.model_file.path}: expected a skeleton, got none")
        return cls(
            skeleton=skeleton,
            pose_model=_identity(pose.model_file),
            detector=_identity(detector.model_file),
            engine=pose.options.engine,
            precision=pose.options.precision,
            settings=settings,
        )

    def header(
        self, facts: VideoFacts, series: Series, smoothing: SmoothingSettings | None = None
    ) -> SequenceHeader:
        """What keypoints.json says before its rows; `smoothing` goes with the filtered series."""
        skeleton = self.skeleton
        parameters: dict[str, Parameter] = dict(asdict(self.settings))
        if smoothing is not None:
            parameters |= smoothing.as_parameters()
        return SequenceHeader(
            series=series,
            skeleton=SequenceSkeleton(skeleton.id, skeleton.keypoints, skeleton.edges),
            pose_model=self.pose_model,
            detector=self.detector,
            engine=self.engine,
            precision=self.precision,
            video=sequence_video(facts),
            parameters=parameters,
        )


def _identity(model_file: ModelFile) -> ModelIdentity:
    manifest = model_file.manifest
    return ModelIdentity(
        manifest.name, manifest.version, model_file.sha256, manifest.weights_sha256
    )


def sequence_video(facts: VideoFacts) -> SequenceVideo:
    """A video's facts as its sequence says them."""
    values = asdict(facts)
    del values["size_bytes"]
    for name in ("time_base", "pixel_aspect_ratio"):
        values[name] = values[name].as_integer_ratio()
    return SequenceVideo(**values)


@dataclass(frozen=True, eq=False)
class Derived:
    """The filtered series, and the settings that made it, with the cut-off that was used."""

    rows: FilteredRows
    smoothing: SmoothingSettings


def derive(rows: Rows, skeleton: Skeleton, smoothing: SmoothingSettings) -> Derived:
    """Smooth a film's raw rows.

    Raises:
        ArrayError: The rows have another number of keypoints than the skeleton.
        CutoffError: The cut-off that was asked for does not fit the film's frame rate.
    """
    used = smoothing.for_rate(upper_rate(rows))
    return Derived(smooth(rows, skeleton, used), used)


def write_sequence(folder: Path, header: SequenceHeader, rows: Rows | FilteredRows) -> list[Path]:
    """Write a series as CSV and JSON: `keypoints.csv` and the like, or `keypoints-filtered.csv`.

    Returns:
        The files.

    Raises:
        OutputError: They cannot be written; what stood there before still does.
    """
    stem = "keypoints" if header.series == "raw" else "keypoints-filtered"
    written = []
    for suffix, writer in ((".csv", CsvWriter(header)), (".json", JsonWriter(header))):
        path = folder / f"{stem}{suffix}"
        with written_aside(path) as aside, aside.open("wb") as file:
            file.write(writer.header())
            for start in range(0, len(rows), _BLOCK):
                file.writelines(writer.rows(rows[start : start + _BLOCK]))
            file.write(writer.end())
        written.append(path)
    return written


def write_quality(
    folder: Path, quality: Quality, *, rows: Rows, filtered: FilteredRows, skeleton: Skeleton
) -> list[Path]:
    """Write `quality.json` and `quality.png`.

    Args:
        folder: Where.
        quality: A film's figures.
        rows: Its raw rows.
        filtered: Its derived series.
        skeleton: Of both.

    Returns:
        The files.

    Raises:
        OutputError: They cannot be written; what stood there before still does.
    """
    table, figure = folder / "quality.json", folder / "quality.png"
    with written_aside(table) as aside:
        aside.write_text(json.dumps(quality.as_json(), indent=2, allow_nan=False) + "\n")
    with written_aside(figure) as aside:
        aside.write_bytes(draw_quality(rows, filtered, quality, skeleton))
    return [table, figure]
