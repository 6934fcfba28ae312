"""Rows as an extraction gives them, from the sample films' ground truth or from any points."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.spec.sequence import NO_PTS, STATUSES, Rows
from workers.pipeline.video import VideoFacts

SAMPLES = Path(__file__).parents[1] / "samples"
FILMS = ("landscape", "phone-portrait", "parents-hand")
TIME_BASE = Fraction(1, 90000)


def rows_of(
    points_xy: NDArray[Any],
    time_s: NDArray[np.float64] | None = None,
    *,
    boxes_xyxy: NDArray[Any] | None = None,
    score: float = 0.8,
) -> Rows:
    """Rows of points (N, K, 2) at these times (25 frames/s), ok where a point is known."""
    num_frames, num_points = points_xy.shape[:2]
    time_s = np.arange(num_frames) / 25 if time_s is None else time_s
    known = np.isfinite(points_xy).all(-1)
    boxes = np.full((num_frames, 4), np.nan) if boxes_xyxy is None else boxes_xyxy
    if boxes_xyxy is None and known.any():
        seen = np.where(known[..., None], points_xy, np.nan)
        here = known.any(1)
        boxes[here] = np.concatenate([np.nanmin(seen[here], 1), np.nanmax(seen[here], 1)], axis=1)
    ok, lost = STATUSES.index("ok"), STATUSES.index("no_detection")
    timed = np.isfinite(time_s)
    ticks = np.round(np.where(timed, time_s, 0) / float(TIME_BASE)).astype(np.int64)
    return Rows(
        frame_index=np.arange(num_frames),
        pts=np.where(timed, ticks, NO_PTS),
        time_s=np.asarray(time_s, np.float64),
        status=np.where(known.any(1), ok, lost).astype(np.uint8),
        box_xyxy=np.asarray(boxes, np.float32),
        box_score=np.where(np.isfinite(boxes).all(1), 0.9, np.nan).astype(np.float32),
        keypoints_xy=np.asarray(points_xy, np.float32),
        scores=np.where(known, score, np.nan).astype(np.float32).reshape(num_frames, num_points),
    )


def sample_rows(film: str) -> Rows:
    """The ground truth of a sample film as rows."""
    frames = json.loads((SAMPLES / f"{film}.json").read_text())["frames"]
    return rows_of(
        np.array([frame["keypoints_xy"] for frame in frames]),
        np.array([frame["time_s"] for frame in frames]),
        boxes_xyxy=np.array([frame["infant_xyxy"] for frame in frames]),
    )


def facts_of(displayed_wh: tuple[int, int] = (640, 480)) -> VideoFacts:
    """A film's facts; only the displayed size and the time base mean something."""
    return VideoFacts(
        container="mov", codec="h264", pixel_format="yuv420p", bit_depth=8,
        coded_wh=displayed_wh, displayed_wh=displayed_wh, pixel_aspect_ratio=Fraction(1),
        rotation_deg=0, time_base=TIME_BASE,
        frame_rate_header=25.0, duration_s_header=10.0, num_frames_header=250,
        variable_frame_rate=False, interlaced=False, size_bytes=1,
    )  # fmt: skip
