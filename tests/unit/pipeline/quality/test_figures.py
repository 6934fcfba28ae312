"""A film's figures: each is what it says, and none fails where there is nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest

from model.spec.errors import ArrayError
from model.spec.sequence import STATUSES, Rows, Sightings
from model.spec.skeleton import load_skeleton
from tests.tracks import facts_of, rows_of, sample_rows
from workers.pipeline.quality.figures import Quality, quality_of

INFANT = load_skeleton("infant21")
LANDSCAPE = sample_rows("landscape")
OK, LOST, LOW, DAMAGED = (
    STATUSES.index(name) for name in ("ok", "no_detection", "low_confidence", "decode_error")
)


def _sightings(rows: Rows) -> Sightings:
    """The infant and nobody else in every tenth frame."""
    looked_at = rows.frame_index[::10]
    return Sightings(
        looked_at=looked_at,
        frame_index=looked_at,
        class_id=np.zeros(len(looked_at), np.uint8),
        xyxy=rows.box_xyxy[::10],
        score=np.full(len(looked_at), 0.9, np.float32),
    )


def _quality(rows: Rows, displayed_wh: tuple[int, int] = (640, 480)) -> Quality:
    timings = {"decode": 2.0, "pose": 5.0, "write": 0.0}
    facts = facts_of(displayed_wh)
    return quality_of(rows, _sightings(rows), facts, INFANT, timings, cutoff_hz=5.5)


def _with_status(status: int, *parts: slice) -> Rows:
    """The landscape film with stretches of another status, without keypoints but for LOW."""
    columns = {name: column.copy() for name, column in vars(LANDSCAPE).items()}
    for part in parts:
        columns["status"][part] = status
        if status != LOW:
            for name in ("keypoints_xy", "scores", "box_xyxy", "box_score"):
                columns[name][part] = np.nan
    return Rows(**columns)


def test_a_good_film() -> None:
    quality = _quality(LANDSCAPE)
    assert quality.frames == 250
    assert quality.frames_by_status == {
        "ok": 250, "no_detection": 0, "low_confidence": 0, "decode_error": 0
    }  # fmt: skip
    assert quality.coverage == pytest.approx(1)
    assert quality.longest_gap_s == 0
    assert quality.damaged_frames == 0
    assert quality.cut_short is None  # nobody has read a file here
    assert quality.taken_up_elsewhere == ()
    assert quality.smoothing_cutoff_hz == 5.5
    assert quality.score_median == pytest.approx(0.8)
    assert set(quality.score_median_by_keypoint) == set(INFANT.keypoints)
    assert quality.infant.trunk_px == pytest.approx(117.4, abs=0.1)
    assert quality.infant.trunk_share == pytest.approx(117.4 / 480, abs=0.001)
    assert quality.infant.whole_body_share == 1
    assert quality.second_person.looked_at_frames == 25
    assert quality.second_person.share == 0
    assert quality.time.duration_s == pytest.approx(10)
    assert quality.speed["pose"].frames_per_s == pytest.approx(50)
    assert quality.speed["write"].frames_per_s is None


def test_coverage_is_a_share_of_time_and_gaps_are_times_without_an_infant() -> None:
    rows = _with_status(LOST, slice(50, 75), slice(200, 240))
    quality = _quality(rows)
    assert quality.coverage == pytest.approx(1 - 65 / 250)
    assert quality.longest_gap_s == pytest.approx(40 / 25)
    low = _quality(_with_status(LOW, slice(50, 100)))
    assert low.coverage == pytest.approx(0.8)
    assert low.longest_gap_s == 0  # not well found, but followed
    assert _quality(_with_status(DAMAGED, slice(0, 30))).longest_gap_s == pytest.approx(1.2)
    assert _quality(_with_status(DAMAGED, slice(0, 30))).damaged_frames == 30


def test_holes_in_the_film_are_not_covered() -> None:
    late = replace(LANDSCAPE, time_s=LANDSCAPE.time_s + 2.0 * (LANDSCAPE.frame_index > 100))
    quality = _quality(late)
    assert quality.coverage == pytest.approx((10 + 0.02) / 12)  # the frame before holds 1.5 steps
    assert quality.longest_gap_s == pytest.approx(1.98)
    assert quality.time.dropped_frames == 50


def test_a_hole_and_lost_frames_behind_it_are_one_gap() -> None:
    rows = _with_status(LOST, slice(101, 111))
    rows = replace(rows, time_s=rows.time_s + 2.0 * (rows.frame_index > 100))
    assert _quality(rows).longest_gap_s == pytest.approx(1.98 + 0.4)


def test_without_times_coverage_is_a_share_of_frames() -> None:
    rows = replace(_with_status(LOST, slice(0, 50)), time_s=np.zeros(250))
    quality = _quality(rows)
    assert quality.coverage == pytest.approx(0.8)
    assert quality.longest_gap_s is None


def test_medians_are_over_what_is_known() -> None:
    scores = LANDSCAPE.scores.copy()
    scores[:, 3] = np.nan
    scores[:200, 4] = np.nan
    scores[200:, 4] = 0.25
    quality = _quality(replace(LANDSCAPE, scores=scores))
    assert quality.score_median_by_keypoint["right_wrist"] is None
    assert quality.score_median_by_keypoint["right_middle_finger"] == 0.25
    assert quality.score_median_by_keypoint["chin"] == pytest.approx(0.8)


def test_size_and_place_are_shares_of_the_displayed_picture() -> None:
    points = np.full((10, 21, 2), 50.0)
    points[:, INFANT.index("chest")] = [50, 20]
    boxes = np.tile([20.0, 10.0, 79.0, 109.0], (10, 1))
    figures = _quality(rows_of(points, boxes_xyxy=boxes), (200, 400)).infant
    assert figures.trunk_px == pytest.approx(30)
    assert figures.trunk_share == pytest.approx(0.15)
    assert figures.box_area_share == pytest.approx(60 * 100 / (200 * 400))
    assert figures.centre_x_share == pytest.approx(49.5 / 199)
    assert figures.centre_y_share == pytest.approx(59.5 / 399)


@pytest.mark.parametrize(
    ("change", "whole"),
    [
        ("nothing", True), ("a toe at the border", False), ("a toe not found", False),
        ("a toe beyond", False), ("the box at the border", False),
    ],
)  # fmt: skip
def test_the_whole_body_is_in_view(change: str, whole: bool) -> None:  # noqa: FBT001
    points, boxes = LANDSCAPE.keypoints_xy.copy(), LANDSCAPE.box_xyxy.copy()
    if change == "a toe at the border":
        points[::2, 8] = [300, 474]
    elif change == "a toe not found":
        points[::2, 8] = np.nan
    elif change == "a toe beyond":
        points[::2, 8] = [300, 500]
    elif change == "the box at the border":
        boxes[::2, 3] = 479
    quality = _quality(replace(LANDSCAPE, keypoints_xy=points, box_xyxy=boxes))
    assert quality.infant.whole_body_share == (1.0 if whole else 0.5)


def test_whole_bodies_are_counted_among_frames_with_an_infant() -> None:
    assert _quality(_with_status(LOST, slice(0, 100))).infant.whole_body_share == 1


def test_a_second_person_is_counted_in_looked_at_frames() -> None:
    seen = _sightings(LANDSCAPE)
    twin = Sightings(
        looked_at=np.zeros(0, np.int64), frame_index=np.array([20, 50]),
        class_id=np.zeros(2, np.uint8), xyxy=np.array([[500, 10, 600, 200]] * 2, np.float32),
        score=np.full(2, 0.9, np.float32),
    )  # fmt: skip
    both = Sightings.joined([seen, twin])
    quality = quality_of(LANDSCAPE, both, facts_of(), INFANT, {}, cutoff_hz=6.0)
    assert quality.second_person.frames == 2
    assert quality.second_person.share == pytest.approx(2 / 25)
    assert quality.speed == {}


@pytest.mark.parametrize("kind", ["empty", "one", "all missing", "no times"])
def test_nothing_to_measure_is_null_and_strict_json(kind: str) -> None:
    rows = {
        "empty": LANDSCAPE[:0],
        "one": LANDSCAPE[:1],
        "all missing": _with_status(LOST, slice(None)),
        "no times": replace(LANDSCAPE, time_s=np.full(250, np.nan)),
    }[kind]
    quality = _quality(rows)
    plain = json.loads(json.dumps(quality.as_json(), allow_nan=False))
    assert plain["schema_version"] == 1
    assert plain["frames"] == len(rows)
    assert list(plain["frames_by_status"]) == list(STATUSES)
    if kind == "empty":
        assert plain["coverage"] is plain["score_median"] is plain["infant"]["trunk_px"] is None
        assert plain["longest_gap_s"] is plain["second_person"]["share"] is None
        assert plain["speed"]["pose"] == {"seconds": 5, "frames_per_s": 0}
    if kind == "all missing":
        assert plain["coverage"] == 0
        assert plain["longest_gap_s"] == 10
        assert plain["infant"]["whole_body_share"] is None
        assert set(plain["score_median_by_keypoint"].values()) == {None}
    if kind in {"one", "no times"}:
        assert plain["time"]["duration_s"] is plain["time"]["frames_per_s"] is None
        assert plain["coverage"] == 1


def test_json_has_every_figure_and_six_digits() -> None:
    plain = _quality(LANDSCAPE).as_json()
    assert plain.keys() == {"schema_version", *vars(_quality(LANDSCAPE))}
    infant = plain["infant"]
    assert isinstance(infant, dict)
    assert infant["trunk_px"] == pytest.approx(117.441, abs=1e-9)
    assert infant.keys() == vars(_quality(LANDSCAPE).infant).keys()


def test_what_nobody_should_overlook_is_marked() -> None:
    rows = _with_status(LOST, slice(50, 150))
    rows.box_xyxy[150:] += 1000
    facts = replace(facts_of(), cut_short=True)
    plain = quality_of(rows, _sightings(rows), facts, INFANT, {}, cutoff_hz=None).as_json()
    assert plain["cut_short"] is True
    assert plain["smoothing_cutoff_hz"] is None
    assert json.loads(json.dumps(plain))["taken_up_elsewhere"] == [150]


def test_rows_of_another_skeleton_are_refused() -> None:
    with pytest.raises(ArrayError, match=r"scores: expected float32 \(250, 17\)"):
        quality_of(
            LANDSCAPE, _sightings(LANDSCAPE), facts_of(), load_skeleton("coco17"), {},
            cutoff_hz=6.0,
        )  # fmt: skip
