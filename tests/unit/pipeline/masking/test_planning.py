"""Covers: every rule of what is covered."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.spec.errors import ArrayError
from model.spec.head_mask import MOSAIC_CELLS, SOLID_GREY, region_mask
from model.spec.sequence import STATUSES, Rows, Sightings, Status
from model.spec.skeleton import load_skeleton
from workers.pipeline.masking.plan import MaskPlan, MaskSettings, Reason
from workers.pipeline.masking.planning import plan_masks

INFANT = load_skeleton("infant21")
SIZE_WH = (320, 240)
BOX = (100.0, 40.0, 220.0, 220.0)
HEAD = (140.0, 45.0, 180.0, 90.0)
"""Of the infant below, which lies upright in the picture."""
LIMBS = {
    "right_eye": (152, 66), "left_eye": (168, 66), "chin": (160, 84), "chest": (160, 100),
    "navel": (160, 135), "right_shoulder": (140, 98), "left_shoulder": (180, 98),
    "right_hip": (150, 155), "left_hip": (170, 155), "right_knee": (145, 185),
    "left_knee": (175, 185), "right_ankle": (145, 212), "left_ankle": (175, 212),
}  # fmt: skip


def _rows(count: int, statuses: dict[int, Status] | None = None) -> Rows:
    points = np.full((count, 21, 2), np.nan, np.float32)
    for name, xy in LIMBS.items():
        points[:, INFANT.index(name)] = xy
    boxes = np.tile(np.array(BOX, np.float32), (count, 1))
    status = np.zeros(count, np.uint8)
    for i, word in (statuses or {}).items():
        status[i] = STATUSES.index(word)
        if word in ("no_detection", "decode_error"):
            points[i], boxes[i] = np.nan, np.nan
    index = np.arange(count)
    return Rows(
        index, index * 3600, index * np.float64(0.04), status, boxes, boxes[:, 0] * 0 + 1,
        points, points[..., 0] * 0 + np.float32(0.8),
    )  # fmt: skip


def _seen(
    looks: list[int], *sightings: tuple[int, int, tuple[float, float, float, float]]
) -> Sightings:
    """Sightings: frame, class, box."""
    return Sightings(
        np.array(looks, np.int64),
        np.array([frame for frame, _, _ in sightings], np.int64),
        np.array([class_id for _, class_id, _ in sightings], np.uint8),
        np.array([box for _, _, box in sightings], np.float32).reshape(-1, 4),
        np.full(len(sightings), 0.9, np.float32),
    )


NOTHING = _seen([])


def _plan(rows: Rows, sightings: Sightings = NOTHING, **changes: Any) -> MaskPlan:  # noqa: ANN401
    return plan_masks(rows, sightings, INFANT, SIZE_WH, MaskSettings(**changes))


def _reasons(plan: MaskPlan, i: int) -> Reason:
    return Reason(int(plan.reasons[i]))


def test_head_and_surroundings_are_covered_and_the_body_is_clear() -> None:
    plan = _plan(_rows(5), _seen([0], (0, 1, HEAD)))
    mask = plan.mask(2, SIZE_WH)
    assert mask[45:91, 140:181].all()
    assert mask[:, :80].all()
    assert mask[:, 240:].all()
    assert not mask[120:215, 110:210].any()
    assert _reasons(plan, 2) == (
        Reason.HEAD_BOX | Reason.KEYPOINTS | Reason.NEIGHBOUR | Reason.OUTSIDE
    )


def test_long_films_are_planned_in_parts() -> None:
    parts: list[None] = []
    plan = plan_masks(
        _rows(2500), NOTHING, INFANT, SIZE_WH, MaskSettings(),
        on_progress=lambda: parts.append(None),
    )  # fmt: skip
    assert len(parts) == 3 + 2
    assert len(plan.circles) == 2500
    assert all(circle is not None for circle in plan.circles)


@pytest.mark.parametrize("part", range(5))
def test_each_of_these_can_be_the_last(part: int) -> None:
    answers = iter([False] * part + [True])

    def on_progress() -> None:
        if next(answers):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        plan_masks(_rows(2500), NOTHING, INFANT, SIZE_WH, MaskSettings(), on_progress=on_progress)


@pytest.mark.parametrize("status", ["no_detection", "decode_error"])
def test_without_an_infant_everything_is_covered(status: Status) -> None:
    plan = _plan(_rows(9, {4: status}))
    assert plan.mask(4, SIZE_WH).all()
    assert Reason.WHOLE_FRAME in _reasons(plan, 4)
    assert not plan.mask(5, SIZE_WH).all()


def test_low_confidence_covers_the_upper_body_where_frames_around_are_trusted() -> None:
    plan = _plan(_rows(9, {4: "low_confidence"}))
    mask = plan.mask(4, SIZE_WH)
    assert mask[45:100, 140:181].all()
    assert not mask[200:215, 130:190].any()
    assert Reason.UPPER_BODY in _reasons(plan, 4)


def test_low_confidence_for_long_covers_everything() -> None:
    plan = _plan(_rows(60, dict.fromkeys(range(20, 60), "low_confidence")))
    assert not plan.mask(22, SIZE_WH).all()
    assert plan.mask(40, SIZE_WH).all()
    assert Reason.WHOLE_FRAME in _reasons(plan, 40)


def test_a_head_that_cannot_be_placed_covers_everything() -> None:
    rows = _rows(5)
    points = np.full_like(rows.keypoints_xy, np.nan)
    points[:, INFANT.index("left_toe")] = (150, 215)
    assert _plan(replace(rows, keypoints_xy=points)).mask(2, SIZE_WH).all()


def test_a_head_beside_the_infant_is_not_believed() -> None:
    rows = _rows(5)
    plan = _plan(replace(rows, keypoints_xy=rows.keypoints_xy + np.array([200, 0], np.float32)))
    assert plan.mask(2, SIZE_WH).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_box_that_is_not_known_covers_everything(value: float) -> None:
    rows = _rows(5)
    boxes = rows.box_xyxy.copy()
    boxes[2, 1] = value
    plan = _plan(replace(rows, box_xyxy=boxes))
    assert plan.mask(2, SIZE_WH).all()
    assert not plan.mask(1, SIZE_WH).all()


def test_keypoints_alone_in_a_single_frame_are_not_believed() -> None:
    assert _plan(_rows(1)).mask(0, SIZE_WH).all()
    assert not _plan(_rows(1), _seen([0], (0, 1, HEAD))).mask(0, SIZE_WH).all()


def test_keypoints_that_disagree_with_a_seen_head_are_not_believed() -> None:
    feet = (140.0, 190.0, 180.0, 215.0)
    plan = _plan(_rows(5), _seen([0], (0, 1, feet)))
    assert plan.mask(2, SIZE_WH).all()


def test_a_second_head_inside_the_box_is_covered() -> None:
    other = (185.0, 170.0, 215.0, 200.0)
    plan = _plan(_rows(5), _seen([0], (0, 1, HEAD), (0, 1, other)))
    mask = plan.mask(3, SIZE_WH)
    assert mask[170:201, 185:216].all()
    assert not mask[170:200, 120:175].any()
    assert Reason.OTHER_HEAD in _reasons(plan, 3)


def test_a_second_infant_is_covered_with_all_of_its_box() -> None:
    twin = (190.0, 60.0, 300.0, 200.0)
    plan = _plan(_rows(5), _seen([0], (0, 0, BOX), (0, 0, twin), (0, 1, HEAD)))
    mask = plan.mask(3, SIZE_WH)
    assert mask[60:201, 190:301].all()
    assert not mask[120:215, 110:170].any(), "the followed infant's own sighting covers nothing"


@given(st.floats(0, 1), st.floats(0, 1), st.floats(8, 60))
@settings(max_examples=30)
def test_a_head_outside_of_the_box_needs_nobody_to_see_it(x: float, y: float, side: float) -> None:
    plan = _plan(_rows(3))
    middle, half = np.array([x, y]) * SIZE_WH, side / 2
    head = np.array([[-half, -half], [half, -half], [half, half], [-half, half]]) + middle
    outside = region_mask(head.astype(np.float32), SIZE_WH)
    outside &= ~region_mask(plan.clear_corners[1], SIZE_WH)
    assert plan.mask(1, SIZE_WH)[outside].all()


def test_between_two_looks_a_head_is_covered_all_the_way() -> None:
    far = (140.0, 125.0, 180.0, 170.0)
    points = _rows(17)
    moving = points.keypoints_xy + np.linspace(0, 80, 17)[:, None, None] * np.array([0, 1])
    rows = replace(points, keypoints_xy=moving.astype(np.float32))
    plan = _plan(rows, _seen([0, 16], (0, 1, HEAD), (16, 1, far)), hold_s=0)
    for i in range(17):
        top = round(45 + 80 * i / 16)
        assert plan.mask(i, SIZE_WH)[top : top + 46, 140:181].all()


def test_a_head_that_a_look_misses_stays_covered_for_a_while() -> None:
    other = (185.0, 170.0, 215.0, 200.0)
    looks = list(range(0, 200, 16))
    heads = [(look, 1, HEAD) for look in looks]
    plan = _plan(_rows(200), _seen(looks, *heads, (96, 1, other)), gap_s=1.0)
    covered = [bool(plan.mask(i, SIZE_WH)[170:201, 185:216].all()) for i in range(200)]
    assert covered == [96 - 25 <= i <= 96 + 25 for i in range(200)]


def test_neighbours_lend_their_circles_as_long_as_they_are_near() -> None:
    rows = _rows(60)
    points = rows.keypoints_xy.copy()
    points[30:] += np.array([0, 60], np.float32)
    plan = _plan(replace(rows, keypoints_xy=points), hold_s=0.2)
    top = np.s_[48:60, 155:165]
    assert plan.mask(33, SIZE_WH)[top].all()
    assert not plan.mask(40, SIZE_WH)[top].any()


def test_one_keypoint_astray_moves_no_circle() -> None:
    rows = _rows(30)
    points = rows.keypoints_xy.copy()
    points[15, INFANT.index("left_eye")] = (175, 212)
    astray = _plan(replace(rows, keypoints_xy=points))
    for i in (14, 15, 16):
        np.testing.assert_array_equal(astray.mask(i, SIZE_WH), _plan(rows).mask(i, SIZE_WH))


@pytest.mark.parametrize("times", [[0, np.nan, -5, 3, 3], [np.nan] * 5, [9, 8, 7, -np.inf, 1]])
def test_times_that_make_no_sense_still_give_covers(times: list[float]) -> None:
    plan = _plan(replace(_rows(5), time_s=np.array(times, np.float64)), _seen([0], (0, 1, HEAD)))
    for i in range(5):
        assert plan.mask(i, SIZE_WH)[45:91, 140:181].all()


def _set_back(rows: Rows, since: int, back_s: float) -> Rows:
    times = rows.time_s.copy()
    times[since:] -= back_s
    return replace(rows, time_s=times)


def _moved() -> Rows:
    """60 frames; from the thirtieth on the infant lies lower."""
    rows = _rows(60)
    points = rows.keypoints_xy.copy()
    points[30:] += np.array([0, 60], np.float32)
    return replace(rows, keypoints_xy=points)


def _looked_at() -> Sightings:
    """Each look sees the infant's head, and one of them, in frame 32, another one too."""
    looks = list(range(0, 60, 16))
    heads = [(look, 1, HEAD) for look in looks]
    return _seen(looks, *heads, (32, 1, (185.0, 170.0, 215.0, 200.0)))


@pytest.mark.parametrize("back_s", [1.1, 4.0, 3600.0])
def test_joined_recordings_are_covered_like_one_that_goes_on(back_s: float) -> None:
    """What is near in the one or the other lends its covers across, as long as ever, no longer."""
    for rows, sightings in ((_moved(), NOTHING), (_rows(60), _looked_at())):
        straight = _plan(rows, sightings, hold_s=0.3, gap_s=0.7)
        joined = _plan(_set_back(rows, 33, back_s), sightings, hold_s=0.3, gap_s=0.7)
        np.testing.assert_array_equal(joined.reasons, straight.reasons)
        np.testing.assert_array_equal(joined.cell_px, straight.cell_px)
        for i in range(60):
            np.testing.assert_array_equal(joined.mask(i, SIZE_WH), straight.mask(i, SIZE_WH))
    lent = _plan(_set_back(_moved(), 33, back_s), hold_s=0.3)
    above = [bool(lent.mask(i, SIZE_WH)[48:60, 155:165].all()) for i in range(60)]
    assert above == [i < 30 + 7 for i in range(60)]
    other = [bool(joined.mask(i, SIZE_WH)[170:201, 185:216].all()) for i in range(60)]
    assert other == [32 - 17 <= i <= 32 + 17 for i in range(60)]


@pytest.mark.parametrize("back_s", [0.04, 0.1, 0.5, 0.9])
def test_a_clock_that_is_set_back_a_little_bares_nothing(back_s: float) -> None:
    """Time stands still meanwhile: covers hold longer, never shorter."""
    for rows, sightings in ((_moved(), NOTHING), (_rows(60), _looked_at())):
        straight = _plan(rows, sightings, gap_s=0.5)
        back = _plan(_set_back(rows, 33, back_s), sightings, gap_s=0.5)
        for i in range(60):
            assert not (straight.mask(i, SIZE_WH) & ~back.mask(i, SIZE_WH)).any()
        assert not any(plan.mask(59, SIZE_WH).all() for plan in (straight, back))


def test_no_frames() -> None:
    assert len(_plan(_rows(0))) == 0


def test_another_skeleton() -> None:
    person = load_skeleton("coco17")
    points = np.full((3, 17, 2), np.nan, np.float32)
    for name, xy in (("nose", (160, 70)), ("left_eye", (165, 66)), ("right_eye", (155, 66))):
        points[:, person.index(name)] = xy
    rows = replace(_rows(3), keypoints_xy=points, scores=points[..., 0])
    mask = plan_masks(rows, NOTHING, person, SIZE_WH, MaskSettings()).mask(1, SIZE_WH)
    assert mask[55:80, 148:172].all()
    assert not mask.all()


def test_rows_and_sightings_that_cannot_be() -> None:
    with pytest.raises(ArrayError, match="every frame from 0 on"):
        _plan(_rows(9)[2:])
    with pytest.raises(ArrayError, match="expected frames 0 to 4"):
        _plan(_rows(5), _seen([5]))
    with pytest.raises(ArrayError, match="expected mosaic or solid, got 'blur'"):
        MaskSettings(style="blur")  # type: ignore[arg-type]
    with pytest.raises(ArrayError, match="hold_s: expected 0 or more"):
        MaskSettings(hold_s=-1)
    with pytest.raises(ArrayError, match="1 square or more"):
        MaskSettings(cells_across_picture=0)


def _noise(size_wh: tuple[int, int] = SIZE_WH) -> NDArray[np.uint8]:
    shape = (size_wh[1], size_wh[0], 3)
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def test_clear_pixels_stay_and_covered_ones_are_flat_squares() -> None:
    plan, picture = _plan(_rows(5)), _noise()
    covered, mask = plan.apply(2, picture), plan.mask(2, SIZE_WH)
    np.testing.assert_array_equal(covered[~mask], picture[~mask])
    cell = int(np.ceil(plan.cell_px[2]))
    for top in range(0, SIZE_WH[1], cell):
        for left in range(0, SIZE_WH[0], cell):
            square = np.s_[top : top + cell, left : left + cell]
            assert len(np.unique(covered[square][mask[square]], axis=0)) <= 1


def test_a_solid_cover_is_grey() -> None:
    plan = _plan(_rows(5), style="solid")
    assert (plan.apply(2, _noise())[plan.mask(2, SIZE_WH)] == SOLID_GREY).all()


@pytest.mark.parametrize("size_wh", [(160, 120), (106, 80), (640, 480), (16, 12)])
def test_masks_scale_with_the_picture(size_wh: tuple[int, int]) -> None:
    plan = _plan(_rows(5), _seen([0], (0, 1, HEAD)))
    picture = _noise(size_wh)
    covered, mask = plan.apply(2, picture), plan.mask(2, size_wh)
    np.testing.assert_array_equal(covered[~mask], picture[~mask])
    ys, xs = np.mgrid[: size_wh[1], : size_wh[0]]
    x, y = ((grid + 0.5) * 320 / size_wh[0] - 0.5 for grid in (xs, ys))
    assert mask[(abs(x - 160) <= 20) & (abs(y - 67) <= 22)].all()


def test_squares_are_coarse_against_every_head() -> None:
    close = (90.0, 20.0, 230.0, 160.0)
    plan = _plan(_rows(20), _seen([0], (0, 1, close)))
    assert (140 / plan.cell_px <= MOSAIC_CELLS).all()
    unknown = _plan(_rows(1))
    assert SIZE_WH[0] / unknown.cell_px[0] <= MOSAIC_CELLS
