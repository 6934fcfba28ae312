"""The figure: the same bytes for the same film, whatever film; and it shows what it says."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from model.spec.sequence import STATUSES, Rows, Sightings
from model.spec.skeleton import load_skeleton
from tests.tracks import facts_of, rows_of, sample_rows
from workers.pipeline.quality.figures import quality_of
from workers.pipeline.quality.page import draw_quality
from workers.pipeline.smoothing.series import SmoothingSettings, smooth

INFANT = load_skeleton("infant21")
LANDSCAPE = sample_rows("landscape")
NOBODY = Sightings(
    np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8),
    np.zeros((0, 4), np.float32), np.zeros(0, np.float32),
)  # fmt: skip
BLUE, VERMILION, PURPLE = (0, 0x72, 0xB2), (0xD5, 0x5E, 0), (0x8B, 0x3A, 0x8F)
RED = (0xB0, 0, 0x20)


def _png(rows: Rows, skeleton_id: str = "infant21") -> bytes:
    skeleton = load_skeleton(skeleton_id)
    filtered = smooth(rows, skeleton, SmoothingSettings())
    quality = quality_of(rows, NOBODY, facts_of(), skeleton, {}, cutoff_hz=6.0)
    return draw_quality(rows, filtered, quality, skeleton)


def _picture(png: bytes) -> NDArray[np.uint8]:
    bgr = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return np.asarray(bgr[..., ::-1], np.uint8)


def _has(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    return np.asarray((np.abs(picture.astype(int) - colour) <= 3).all(-1))


def _lost(rows: Rows, part: slice) -> Rows:
    columns = {name: column.copy() for name, column in vars(rows).items()}
    columns["status"][part] = STATUSES.index("no_detection")
    for name in ("keypoints_xy", "scores", "box_xyxy", "box_score"):
        columns[name][part] = np.nan
    return Rows(**columns)


def test_the_same_film_gives_the_same_bytes_without_dates_or_versions() -> None:
    png = _png(LANDSCAPE)
    assert png == _png(LANDSCAPE)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert b"tEXt" not in png
    assert b"tIME" not in png
    assert _picture(png).shape == (996, 1404, 3)


@pytest.mark.parametrize("kind", ["empty", "one", "five", "all missing", "no times", "long"])
def test_every_film_has_its_page(kind: str) -> None:
    rows = {
        "empty": LANDSCAPE[:0],
        "one": LANDSCAPE[:1],
        "five": LANDSCAPE[:5],
        "all missing": _lost(LANDSCAPE, slice(None)),
        "no times": replace(LANDSCAPE, time_s=np.zeros(250)),
        "long": rows_of(np.tile(LANDSCAPE.keypoints_xy, (60, 1, 1))),
    }[kind]
    picture = _picture(_png(rows))
    traces = picture[230:790, 110:1000]
    drawn = kind not in {"empty", "all missing"}
    assert _has(traces, BLUE).any() == drawn
    assert _has(traces, VERMILION).any() == drawn


def test_warnings_are_written_and_only_where_there_are_any() -> None:
    filtered = smooth(LANDSCAPE, INFANT, SmoothingSettings())
    quality = quality_of(LANDSCAPE, NOBODY, facts_of(), INFANT, {}, cutoff_hz=6.0)
    corner = slice(10, 60), slice(600, 1404)
    many: tuple[int, ...] = tuple(range(100_000, 100_009))
    for cut_short, elsewhere in ((True, ()), (False, (120,)), (True, many), (False, ())):
        told = replace(quality, cut_short=cut_short, taken_up_elsewhere=elsewhere)
        picture = _picture(draw_quality(LANDSCAPE, filtered, told, INFANT))
        assert _has(picture[corner], RED).any() == (cut_short or len(elsewhere) > 0)
        assert not _has(picture[:, :400], RED).any()  # clear of the title


def test_lines_break_where_nothing_is_known_and_where_no_frame_is() -> None:
    """Columns of the page over the missing second hold no trace, those beside it do."""
    lost = _lost(LANDSCAPE, slice(100, 150))
    hole = replace(LANDSCAPE, time_s=LANDSCAPE.time_s + 2.0 * (LANDSCAPE.frame_index >= 100))
    for rows, begins, ends in ((lost, 0.4, 0.6), (hole, 0.34, 0.5)):
        traces = np.asarray(_has(_picture(_png(rows))[230:790, 122:1002], BLUE).any(0))
        width = traces.shape[0]
        assert not traces[int((begins + 0.02) * width) : int((ends - 0.02) * width)].any()
        assert traces[: int((begins - 0.02) * width)].mean() > 0.9
        assert traces[int((ends + 0.02) * width) :].mean() > 0.9


def test_a_single_lost_frame_is_seen_in_a_long_film() -> None:
    rows = rows_of(np.tile(LANDSCAPE.keypoints_xy, (20, 1, 1)))
    band = slice(132, 164), slice(120, 1005)
    assert not _has(_picture(_png(rows))[band], PURPLE).any()
    assert _has(_picture(_png(_lost(rows, slice(2500, 2501))))[band], PURPLE).any()


def test_another_skeleton_has_its_page_too() -> None:
    person = load_skeleton("coco17")
    points = np.zeros((30, 17, 2))
    for k, name in enumerate(person.keypoints):
        points[:, k] = LANDSCAPE.keypoints_xy[:30, INFANT.keypoints.index(name)] if (
            name in INFANT.keypoints
        ) else 50.0  # fmt: skip
    assert _has(_picture(_png(rows_of(points), "coco17"))[230:790, 110:1000], BLUE).any()
