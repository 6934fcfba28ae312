"""What a film's keypoints are worth, in figures: quality.json. docs/quality.md explains each.

These figures judge a recording and an extraction, never an infant.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import check_array
from model.spec.sequence import STATUSES, Rows, Sightings
from model.spec.skeleton import Skeleton
from workers.pipeline.quality.film_time import FilmTime, holds_s, lasts_s
from workers.pipeline.quality.second_person import judged_frames, second_person_frames
from workers.pipeline.quality.taken_up import taken_up_elsewhere
from workers.pipeline.smoothing.body_frame import trunk_length_px
from workers.pipeline.video import VideoFacts

SCHEMA_VERSION: Final = 1
MARGIN: Final = 0.02
"""Keypoints nearer to the picture's border than this share of its shorter side may be cut off."""


@dataclass(frozen=True, kw_only=True)
class InfantFigures:
    """Size and place of the followed infant: medians over the frames that are ok.

    Attributes:
        trunk_px: The trunk's length.
        trunk_share: The same by the picture's shorter side.
        box_area_share: The box's area by the picture's.
        centre_x_share: The box's centre from the picture's left (0) to its right (1).
        centre_y_share: The box's centre from the picture's top (0) to its bottom (1).
        whole_body_share: Of the frames with an infant: all keypoints inside the picture, away
            from its border, and the box not touching it.
    """

    trunk_px: float | None
    trunk_share: float | None
    box_area_share: float | None
    centre_x_share: float | None
    centre_y_share: float | None
    whole_body_share: float | None


@dataclass(frozen=True, kw_only=True)
class SecondPersonFigures:
    """Somebody beside the followed infant, as `second_person` judges it.

    Attributes:
        looked_at_frames: Frames that the detector looked at.
        frames: Those of them with somebody else.
        share: One by the other.
    """

    looked_at_frames: int
    frames: int
    share: float | None


@dataclass(frozen=True, kw_only=True)
class StageSpeed:
    """How long a stage worked on the film, and the film's frames by that time."""

    seconds: float
    frames_per_s: float | None


@dataclass(frozen=True, kw_only=True)
class Quality:
    """All figures of a film; None where there is nothing to measure.

    Attributes:
        frames: Decoded frames, damaged ones with them.
        frames_by_status: How many of each status.
        damaged_frames: Frames that could not be decoded.
        cut_short: Whether the file ends before the video does; see `VideoFacts`.
        taken_up_elsewhere: Frames from which on another place was followed, so perhaps another
            infant; see `taken_up`.
        coverage: Share of the film's time with an ok frame; holes are not covered.
        longest_gap_s: The longest time without an infant.
        score_median: Median over all keypoints' scores.
        score_median_by_keypoint: Of each keypoint, over the frames that have one.
        infant: Size and place.
        second_person: Somebody else.
        time: Duration, rate, holes.
        smoothing_cutoff_hz: Of the filtered series' low pass; None where nothing was filtered.
        speed: By stage.
    """

    frames: int
    frames_by_status: Mapping[str, int]
    damaged_frames: int
    cut_short: bool | None
    taken_up_elsewhere: tuple[int, ...]
    coverage: float | None
    longest_gap_s: float | None
    score_median: float | None
    score_median_by_keypoint: Mapping[str, float | None]
    infant: InfantFigures
    second_person: SecondPersonFigures
    time: FilmTime
    smoothing_cutoff_hz: float | None
    speed: Mapping[str, StageSpeed]

    def as_json(self) -> dict[str, object]:
        """For quality.json: strict JSON, floats with six digits, null where nothing is known."""
        figures = {name: _plain(value) for name, value in asdict(self).items()}
        return {"schema_version": SCHEMA_VERSION, **figures}


def quality_of(  # noqa: PLR0913 - all that is known of a film
    rows: Rows,
    sightings: Sightings,
    facts: VideoFacts,
    skeleton: Skeleton,
    timings: Mapping[str, float],
    *,
    cutoff_hz: float | None,
) -> Quality:
    """Measure a film's raw rows.

    Args:
        rows: All rows; there may be none.
        sightings: All that the detector saw.
        facts: Gives the displayed size, and whether the video is cut short.
        skeleton: The rows' K keypoints.
        timings: Seconds that each stage worked, by its name.
        cutoff_hz: That the rows were filtered with; None where they were not.

    Raises:
        ArrayError: The rows have another number of keypoints than the skeleton.
    """
    check_array("scores", rows.scores, (len(rows), skeleton.num_keypoints), np.float32)
    counts = np.bincount(rows.status, minlength=len(STATUSES))
    by_status = {str(name): int(count) for name, count in zip(STATUSES, counts, strict=True)}
    looked_at = judged_frames(rows, sightings)
    second = len(second_person_frames(rows, sightings))
    return Quality(
        frames=len(rows),
        frames_by_status=by_status,
        damaged_frames=by_status["decode_error"],
        cut_short=facts.cut_short,
        taken_up_elsewhere=tuple(taken_up_elsewhere(rows).tolist()),
        coverage=_coverage(rows),
        longest_gap_s=_longest_gap_s(rows),
        score_median=_median(rows.scores),
        score_median_by_keypoint={
            name: _median(rows.scores[:, k]) for k, name in enumerate(skeleton.keypoints)
        },
        infant=_infant(rows, facts.displayed_wh, skeleton),
        second_person=SecondPersonFigures(
            looked_at_frames=looked_at, frames=second, share=_ratio(second, looked_at)
        ),
        time=FilmTime.of(rows),
        smoothing_cutoff_hz=cutoff_hz,
        speed={
            stage: StageSpeed(seconds=seconds, frames_per_s=_ratio(len(rows), seconds))
            for stage, seconds in timings.items()
        },
    )


def _is(rows: Rows, *statuses: str) -> NDArray[np.bool_]:
    return np.isin(rows.status, [STATUSES.index(status) for status in statuses])


def _coverage(rows: Rows) -> float | None:
    """By time where frames have any, else by frames."""
    ok, lasts = _is(rows, "ok"), lasts_s(rows)
    if np.isnan(lasts).any():
        return _ratio(int(ok.sum()), len(rows))
    return _ratio(float(holds_s(rows)[ok].sum()), float(lasts.sum()))


def _longest_gap_s(rows: Rows) -> float | None:
    """Time from where an infant was last held in view to where one is seen again."""
    seen, lasts = _is(rows, "ok", "low_confidence"), lasts_s(rows)
    if not len(rows) or np.isnan(lasts).any():
        return None
    absent_s = np.where(seen, lasts - holds_s(rows), lasts)
    return float(np.bincount(np.cumsum(seen), weights=absent_s).max())


def _infant(rows: Rows, displayed_wh: tuple[int, int], skeleton: Skeleton) -> InfantFigures:
    ok, (width, height) = _is(rows, "ok"), displayed_wh
    trunk_px = _median(trunk_length_px(rows.keypoints_xy[ok], skeleton))
    x1, y1, x2, y2 = rows.box_xyxy[ok].astype(np.float64).T
    area = (x2.clip(0, width - 1) - x1.clip(0, width - 1) + 1) * (
        y2.clip(0, height - 1) - y1.clip(0, height - 1) + 1
    )
    return InfantFigures(
        trunk_px=trunk_px,
        trunk_share=None if trunk_px is None else trunk_px / min(width, height),
        box_area_share=_median(area / (width * height)),
        centre_x_share=_median((x1 + x2) / 2 / max(width - 1, 1)),
        centre_y_share=_median((y1 + y2) / 2 / max(height - 1, 1)),
        whole_body_share=_whole_body_share(rows, displayed_wh),
    )


def _whole_body_share(rows: Rows, displayed_wh: tuple[int, int]) -> float | None:
    last_xy = np.array(displayed_wh) - 1
    margin = MARGIN * min(displayed_wh)
    points, boxes = rows.keypoints_xy, rows.box_xyxy
    inside = ((points >= margin) & (points <= last_xy - margin)).all((1, 2))
    free = (boxes[:, :2] >= 1).all(1) & (boxes[:, 2:] <= last_xy - 1).all(1)
    seen = _is(rows, "ok", "low_confidence")
    return _ratio(int((inside & free & seen).sum()), int(seen.sum()))


def _median(values: NDArray[np.floating]) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _plain(value: object) -> object:
    """A value as JSON has it."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, float):
        return round(float(f"{value:.6g}"), 9) if math.isfinite(value) else None
    return value
