"""Who else is seen: twins and parents, not the infant twice."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from model.spec.sequence import Rows, Sightings
from tests.tracks import rows_of
from workers.pipeline.quality.second_person import judged_frames, second_person_frames

INFANT = (100.0, 100.0, 300.0, 400.0)
HEAD = (170.0, 100.0, 230.0, 170.0)
Seen = tuple[int, int, tuple[float, float, float, float], float]


def _rows(box: tuple[float, ...] = INFANT, num_frames: int = 40) -> Rows:
    return rows_of(np.full((num_frames, 21, 2), 200.0), boxes_xyxy=np.tile(box, (num_frames, 1)))


def _sightings(seen: list[Seen], looked_at: NDArray[np.int64] | None = None) -> Sightings:
    """Of (frame, class, box, score); each frame of ten was looked at."""
    return Sightings(
        looked_at=np.arange(0, 40, 10) if looked_at is None else looked_at,
        frame_index=np.array([one[0] for one in seen], np.int64),
        class_id=np.array([one[1] for one in seen], np.uint8),
        xyxy=np.array([one[2] for one in seen], np.float32).reshape(-1, 4),
        score=np.array([one[3] for one in seen], np.float32),
    )


ALONE: list[Seen] = [(10, 0, INFANT, 0.9), (10, 1, HEAD, 0.8)]


@pytest.mark.parametrize(
    "more",
    [
        [],
        [(10, 0, (105, 90, 310, 390), 0.5)],  # the same infant, a little off
        [(10, 0, (120, 110, 280, 240), 0.6)],  # its upper half
        [(10, 0, (60, 60, 400, 460), 0.4)],  # a generous box around it
        [(10, 1, (165, 105, 235, 175), 0.5)],  # the same head again
        [(10, 0, (500, 100, 600, 300), 0.2)],  # too weak to be believed
        [(15, 0, (500, 100, 600, 300), 0.9)],  # in a frame that is not among the looked-at
    ],
)
def test_the_infant_alone(more: list[Seen]) -> None:
    assert not len(second_person_frames(_rows(), _sightings(ALONE + more)))


@pytest.mark.parametrize(
    "other",
    [
        (10, 0, (320, 100, 520, 400), 0.6),  # a twin beside it
        (10, 0, (250, 100, 450, 400), 0.6),  # and half behind it
        (10, 1, (400, 20, 480, 110), 0.5),  # a parent's head
        (10, 1, (120, 330, 190, 400), 0.5),  # a second head in the infant's own box
    ],
)
def test_somebody_else(other: Seen) -> None:
    found = second_person_frames(_rows(), _sightings([*ALONE, other]))
    np.testing.assert_array_equal(found, [10])


def test_a_head_far_from_the_infant_is_somebody_s_though_the_infant_s_is_not_seen() -> None:
    far, near = (10, 1, (400, 20, 480, 110), 0.5), (10, 1, (180, 60, 240, 110), 0.5)
    assert len(second_person_frames(_rows(), _sightings([ALONE[0], far]))) == 1
    assert not len(second_person_frames(_rows(), _sightings([ALONE[0], near])))


def test_where_nobody_is_followed_the_best_sighting_stands_for_the_infant() -> None:
    lost = _rows((np.nan,) * 4)
    assert not len(second_person_frames(lost, _sightings(ALONE)))
    twin = (10, 0, (400.0, 100.0, 600.0, 400.0), 0.95)
    assert len(second_person_frames(lost, _sightings([*ALONE, twin]))) == 1
    one_head, other_head = (20, 1, HEAD, 0.9), (20, 1, (400.0, 20.0, 480.0, 110.0), 0.5)
    assert not len(second_person_frames(lost, _sightings([one_head])))
    assert len(second_person_frames(lost, _sightings([one_head, other_head]))) == 1


def test_frames_are_matched_by_their_index_whatever_the_order() -> None:
    twin = (0, (400.0, 100.0, 600.0, 400.0), 0.9)
    seen: list[Seen] = [(30, *twin), (30, 0, INFANT, 0.9), (0, *twin), (20, 0, INFANT, 0.9)]
    np.testing.assert_array_equal(second_person_frames(_rows(), _sightings(seen)), [0, 30])
    late = _rows()[15:]
    np.testing.assert_array_equal(second_person_frames(late, _sightings(seen)), [30])
    assert judged_frames(late, _sightings(seen)) == 2
    moved = replace(late, box_xyxy=np.full_like(late.box_xyxy, 1000.0))
    np.testing.assert_array_equal(second_person_frames(moved, _sightings(seen)), [20, 30])


def test_nothing_seen_and_nothing_looked_at() -> None:
    nothing = _sightings([], np.zeros(0, np.int64))
    assert not len(second_person_frames(_rows(), nothing))
    assert judged_frames(_rows(), nothing) == 0
    assert not len(second_person_frames(_rows()[:0], _sightings(ALONE)))
