"""The rules by which one infant is followed, and nobody else is taken for it."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.looks import Scored, made_up_look
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.following.memory import Memory, Sight, iou

SETTINGS = ExtractionSettings()
HERE, THERE = (100.0, 100.0, 199.0, 199.0), (250.0, 100.0, 349.0, 199.0)


def _after(*looks: tuple[int, list[Scored]], memory: Memory | None = None) -> Memory:
    made_up = [made_up_look(frame, *infants) for frame, infants in looks]
    memory = (memory or Memory()).expecting(made_up[:1], SETTINGS)
    for look in made_up:
        memory = memory.after(look, SETTINGS)
    return memory


def _shifted(dx: float, dy: float = 0.0) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = HERE
    return x1 + dx, y1 + dy, x2 + dx, y2 + dy


def test_the_infant_in_front_is_taken_up() -> None:
    small = (0.0, 0.0, 39.0, 39.0)
    memory = _after((0, [(small, 0.9), (HERE, 0.8)]))
    assert memory.in_sight == Sight(0, 0.0, HERE, float(np.float32(0.8)))
    assert [other.xyxy for other in memory.others] == [small]


def test_none_is_taken_up_below_the_starting_score_and_kept_down_to_the_keeping_score() -> None:
    assert _after((0, [(HERE, 0.29)])).followed is None
    memory = _after((0, [(HERE, 0.5)]), (16, [(HERE, 0.16)]))
    assert memory.in_sight is not None
    assert memory.in_sight.frame_index == 16
    assert _after((32, [(HERE, 0.14)]), memory=memory).in_sight is None


def test_a_head_in_its_box_makes_an_infant_surer() -> None:
    """Detectors may be unsure of a body for a whole film, and sure of its face."""
    head, beside = (140.0, 100.0, 169.0, 129.0), (190.0, 100.0, 219.0, 129.0)
    expected = [
        ([], False), ([(head, 0.9)], True), ([(beside, 0.9)], False), ([(head, 0.3)], False),
        ([(beside, 0.9), (head, 0.7)], True),
    ]  # fmt: skip
    for heads, taken_up in expected:
        look = made_up_look(0, (HERE, 0.15), heads=heads)
        memory = Memory().expecting([look], SETTINGS).after(look, SETTINGS)
        assert (memory.in_sight is not None) == taken_up
        if memory.in_sight is not None:  # what is told is the detector's own score
            assert memory.in_sight.score == float(np.float32(0.15))


def test_a_head_makes_no_infant_less_sure() -> None:
    look = made_up_look(0, (HERE, 0.9), (THERE, 0.4), heads=[((140.0, 100.0, 169.0, 129.0), 0.2)])
    np.testing.assert_allclose(look.sureness, [0.9, 0.4], rtol=1e-6)


def test_overlap_decides_not_the_score() -> None:
    memory = _after((0, [(HERE, 0.9)]), (16, [(_shifted(20), 0.3), (_shifted(70), 0.99)]))
    assert memory.in_sight is not None
    assert memory.in_sight.xyxy == _shifted(20)


def test_of_boxes_of_one_infant_the_best_scored() -> None:
    memory = _after((0, [(HERE, 0.9)]), (16, [(_shifted(2), 0.3), (_shifted(4), 0.9)]))
    assert memory.in_sight is not None
    assert memory.in_sight.xyxy == _shifted(4)


def test_a_part_of_an_infant_gives_way_to_all_of_it() -> None:
    part, whole = (100.0, 100.0, 149.0, 179.0), (100.0, 100.0, 229.0, 189.0)
    memory = _after((0, [(part, 0.6)]), (16, [(part, 0.26), (whole, 0.6)]))
    assert memory.in_sight is not None
    assert memory.in_sight.xyxy == whole


def test_a_later_look_decides_for_a_weak_first_one() -> None:
    looks = [(0, [(HERE, 0.2), (THERE, 0.25)]), (16, [(HERE, 0.9), (THERE, 0.3)])]
    first = _after(*looks[:1])
    assert first == Memory(looked_at=0)
    made_up = [made_up_look(frame, *infants) for frame, infants in looks]
    expecting = Memory().expecting(made_up, SETTINGS)
    assert expecting.after(made_up[0], SETTINGS).in_sight == Sight(
        0, 0.0, HERE, float(np.float32(0.2))
    )
    later = _after((16, [(HERE, 0.9)]))
    assert later.expecting(made_up, SETTINGS) is later


def test_a_known_other_never_takes_over_even_if_it_comes_near() -> None:
    memory = _after((0, [(HERE, 0.9), (_shifted(90), 0.95)]))
    assert memory.followed is not None
    assert memory.followed.xyxy == _shifted(90)  # the better of two as large
    memory = _after((16, [(_shifted(10), 0.95)]), memory=memory)
    assert memory.in_sight is None
    assert memory.others[0].xyxy == _shifted(10)  # it is the other, which moved
    memory = _after((400, [(_shifted(12), 0.95)]), memory=memory)
    assert memory.in_sight is None  # however long the followed one is gone
    memory = _after((416, [(_shifted(12), 0.95), (_shifted(95), 0.5)]), memory=memory)
    assert memory.in_sight is not None
    assert memory.in_sight.xyxy == _shifted(95)


def test_after_a_loss_the_same_place_comes_first_and_elsewhere_only_after_a_while() -> None:
    lost = _after((0, [(HERE, 0.9)]), (16, []), (32, []))
    assert lost.followed is not None
    assert _after((48, [(HERE, 0.25)]), memory=lost).in_sight is None  # below the starting score
    assert _after((48, [(_shifted(10), 0.45)]), memory=lost).in_sight is not None
    assert _after((64, [(THERE, 0.9)]), memory=lost).in_sight is None  # 2.56 s after
    late = _after((80, [(THERE, 0.9)]), memory=lost)
    assert late.in_sight is not None
    assert late.in_sight.xyxy == THERE
    both = _after((80, [(THERE, 0.99), (_shifted(10), 0.45)]), memory=lost)
    assert both.in_sight is not None
    assert both.in_sight.xyxy == _shifted(10)


def test_behind_a_jump_back_in_time_it_may_be_elsewhere() -> None:
    lost = _after((0, [(HERE, 0.9)]), (16, []))
    assert lost.followed is not None
    joined = replace(lost, followed=replace(lost.followed, time_s=600.0))
    assert _after((32, [(THERE, 0.9)]), memory=lost).in_sight is None
    found = _after((32, [(THERE, 0.9)]), memory=joined).in_sight
    assert found is not None
    assert found.xyxy == THERE


def test_who_is_only_expected_is_not_behind_a_jump() -> None:
    looks = [made_up_look(0, (THERE, 0.5)), made_up_look(16, (HERE, 0.9), (THERE, 0.5))]
    memory = Memory().expecting(looks, SETTINGS)
    for look in looks:
        memory = memory.after(look, SETTINGS)
    assert memory.in_sight is not None
    assert memory.in_sight.xyxy == HERE


def test_an_infant_that_is_in_sight_does_not_jump_however_rare_the_looks() -> None:
    assert _after((0, [(HERE, 0.9)]), (128, [(THERE, 0.9)])).in_sight is None


def test_who_appears_while_the_followed_one_is_missed_is_not_yet_another() -> None:
    memory = _after((0, [(HERE, 0.9)]), (16, [(THERE, 0.9)]))
    assert memory.others == ()


def test_few_others_are_remembered() -> None:
    crowd = [((400.0 + 50 * i, 0.0, 430.0 + 50 * i, 30.0), 0.9) for i in range(12)]
    memory = _after((0, [(HERE, 0.9), *crowd[:6]]), (16, [(HERE, 0.9), *crowd[6:]]))
    assert len(memory.others) == 8
    assert {other.xyxy for other in memory.others} >= {box for box, _ in crowd[6:]}


@given(
    steps=st.lists(st.tuples(st.floats(-25, 25), st.floats(-25, 25)), min_size=1, max_size=8),
    score=st.floats(0.15, 1),
    other=st.floats(0.3, 1),
)
def test_an_infant_that_moves_by_a_quarter_is_never_lost_to_one_beside_it(
    steps: list[tuple[float, float]], score: float, other: float
) -> None:
    place = np.zeros(2)
    memory = _after((0, [(HERE, 0.9)]))
    for i, step in enumerate(steps, start=1):
        place = place + step
        mine, beside = _shifted(*place), _shifted(place[0] + 101, place[1])
        memory = _after((16 * i, [(mine, score), (beside, other)]), memory=memory)
        assert memory.in_sight is not None
        np.testing.assert_allclose(memory.in_sight.xyxy, mine, atol=1e-3)


def test_overlap_of_boxes_counts_their_pixels() -> None:
    look = made_up_look(0, ((0.0, 0.0, 9.0, 9.0), 0.9), ((5.0, 0.0, 14.0, 9.0), 0.8), (THERE, 0.7))
    one = Sight(0, 0.0, (0.0, 0.0, 9.0, 9.0), 0.9)
    np.testing.assert_allclose(iou([one], look.infants), [[1, 50 / 150, 0]])
    assert iou([], look.infants).shape == (0, 3)
