"""The second pass: a film and stills of a video in which nobody can be recognised.

It runs when all keypoints are known, since what covers a frame comes from the frames after it too.
A picture is covered before anything else is done with it; no other pixels are encoded or written.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.errors import OutputError
from model.spec.files import written_aside
from model.spec.geometry import Size
from model.spec.sequence import Rows, Sightings
from model.spec.skeleton import Skeleton
from workers.pipeline.errors import CancelledError, RowsError
from workers.pipeline.masking.planning import plan_masks
from workers.pipeline.masking.record import MaskRecord
from workers.pipeline.preview.film import FilmClock, written_film
from workers.pipeline.preview.picture import PreviewPainter, PreviewSettings
from workers.pipeline.timing import StageClock
from workers.pipeline.video import FrameSource, VideoFrame


@dataclass(frozen=True, kw_only=True)
class PreviewResult:
    """What was made.

    Attributes:
        frames: How many frames the film has: all of the video's.
        picture_wh: Size of the covered picture in the film, px.
        film_wh: Size of the film: the picture and the caption below it, px.
        stills: How many stills were given away.
        shift_s: What was taken off all time stamps; see `FilmClock`.
        masks: What covered each frame.
        seconds: By the clock, by stage: plan, decode, mask, draw, encode.
    """

    frames: int
    picture_wh: Size
    film_wh: Size
    stills: int
    shift_s: float
    masks: MaskRecord
    seconds: dict[str, float]


def record_path(film: Path) -> Path:
    """Where the record of what covered each frame lies: beside the film, as .masks.csv."""
    return film.with_suffix(".masks.csv")


def render_preview(  # noqa: PLR0913, PLR0917 - a stage takes what those before it found
    source: FrameSource,
    rows: Rows,
    sightings: Sightings,
    skeleton: Skeleton,
    out: Path,
    settings: PreviewSettings,
    *,
    displayed_wh: Size | None = None,
    on_still: Callable[[int, bytes], None] = lambda _index, _jpeg: None,
    on_progress: Callable[[int], None] = lambda _frames: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> PreviewResult:
    """Make a covered film of a video, stills, and the record of what covered each frame.

    Args:
        source: The video once more.
        rows: Every frame of it.
        sightings: What the detector saw in it.
        skeleton: Of the keypoints.
        out: The film, .mp4; the record lies beside it (`record_path`). Both appear when finished.
        settings: How it looks.
        displayed_wh: Size of the picture that the rows refer to, px; None where it is known to be
            the source's.
        on_still: Takes a frame's index and its JPEG, in order, while the film is being made.
        on_progress: Told after each window how many more frames are done; 0 while it is planned
            what is covered, to say that work goes on.
        cancelled: Asked while it is planned, and after each window.

    Raises:
        ArrayError: Rows and sightings that cannot be; see `plan_masks`.
        RowsError: The video has frames of another number, size or time than the rows, or none.
        CancelledError: `cancelled` said so; nothing is left behind.
        OutputError: The film cannot be written; nothing is left behind.
        VideoError: The video cannot be decoded.
    """
    if out.suffix != ".mp4":
        raise OutputError(f"{out}: expected a file name that ends in .mp4")
    if not len(rows):
        raise RowsError("expected at least one frame, got none")
    if displayed_wh is not None and source.facts.displayed_wh != displayed_wh:
        raise RowsError(
            f"expected a picture of {displayed_wh}, as the rows refer to, got "
            f"{source.facts.displayed_wh}: it is another video"
        )

    def go_on(frames: int = 0) -> None:
        on_progress(frames)
        if cancelled():
            raise CancelledError("the preview was told to stop")

    stages = StageClock()
    with stages.stage("plan"):
        plan = plan_masks(
            rows, sightings, skeleton, source.facts.displayed_wh, settings.masks, on_progress=go_on
        )
        clock = FilmClock.of(rows.pts, rows.time_s, source.facts.time_base)
        stills = _stills_at(clock, settings.still_every_s)
    painter = PreviewPainter(plan, rows, skeleton, settings)
    with (
        written_aside(record_path(out)) as record_aside,
        written_aside(out) as film_aside,
        written_film(film_aside, painter.film_wh, clock, settings.quality) as film,
    ):
        for frames in _windows(source, rows.pts, stages):
            for frame in frames:
                picture = painter.paint(frame.index, frame.picture, stages)
                with stages.stage("encode"):
                    film.write(picture)
                    if stills[frame.index]:
                        on_still(frame.index, _jpeg(picture, settings.jpeg_quality))
            go_on(len(frames))
        record = painter.record()
        with record_aside.open("w", encoding="utf-8", newline="") as file:
            file.writelines(record.csv_lines())
    return PreviewResult(
        frames=len(rows), picture_wh=painter.picture_wh, film_wh=painter.film_wh,
        stills=int(stills.sum()), shift_s=clock.shift_s, masks=record,
        seconds={name: stage.wall_s for name, stage in stages.stages.items()},
    )  # fmt: skip


def _windows(
    source: FrameSource, pts: NDArray[np.int64], stages: StageClock
) -> Iterator[tuple[VideoFrame, ...]]:
    """The frames of each window; their pictures live until the next is asked for.

    Raises:
        RowsError: They are not just the frames that have these time stamps.
    """
    windows, done, count = iter(source), 0, len(pts)
    while True:
        with stages.stage("decode"):
            window = next(windows, None)
        if window is None:
            break
        try:
            indices = [frame.index for frame in window.frames]
            expected = list(range(done, min(done + len(indices), count)))
            if indices != expected:
                raise RowsError(
                    f"expected frames {done} to {count - 1} next, as there are rows, got "
                    f"{indices[0]} to {indices[-1]}"
                )
            for frame in window.frames:
                if frame.pts != pts[frame.index]:
                    raise RowsError(
                        f"expected frame {frame.index} with the time stamp {pts[frame.index]} of "
                        f"its row, got {frame.pts}: it is another video"
                    )
            yield window.frames
            done += len(indices)
        finally:
            window.release()
    if done != count:
        raise RowsError(f"expected a video of {count} frames, as there are rows, got {done}")


def _stills_at(clock: FilmClock, every_s: float) -> NDArray[np.bool_]:
    """Which frames (N,) are given as stills: the first, and the first of every period after it."""
    periods = (clock.ticks - clock.ticks[:1].sum()) // max(round(every_s * clock.scale), 1)
    return np.asarray(np.diff(periods, prepend=-1) > 0)


def _jpeg(picture_rgb: NDArray[np.uint8], quality: int) -> bytes:
    done, jpeg = cv2.imencode(".jpg", picture_rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise OutputError(f"a still of {picture_rgb.shape} cannot be encoded")
    return jpeg.tobytes()
