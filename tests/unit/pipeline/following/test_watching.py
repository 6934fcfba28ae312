"""When the detector looks, and where the infant is in between."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.films import ArrayPicture
from tests.looks import Scored, made_up_look
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.following.detecting import Look
from workers.pipeline.following.memory import Memory
from workers.pipeline.following.watching import Watch
from workers.pipeline.video import VideoFrame

SETTINGS = ExtractionSettings(window=16, detect_every=16)
PICTURE = ArrayPicture(np.zeros((4, 4, 3), np.uint8))


class Film:
    """An infant whose box goes one px a frame to the right, where it is to be seen."""

    def __init__(self, *, unseen: Sequence[int] = (), damaged: Sequence[int] = ()) -> None:
        self.unseen, self.damaged, self.looked_at = unseen, damaged, list[int]()

    def frames(self, start: int, end: int) -> list[VideoFrame]:
        return [
            VideoFrame(i, 0, i / 25, None if i in self.damaged else PICTURE)
            for i in range(start, end)
        ]

    def box(self, index: float) -> tuple[float, float, float, float]:
        return 100 + index, 100, 199 + index, 199

    def look(self, frame: VideoFrame) -> Look:
        self.looked_at.append(frame.index)
        seen: list[Scored] = [(self.box(frame.index), 0.9)]
        look = made_up_look(frame.index, *([] if frame.index in self.unseen else seen))
        return replace(look, time_s=frame.time_s)

    def watch(
        self,
        start: int = 0,
        end: int = 16,
        memory: Memory | None = None,
        *,
        ahead: int = 16,
        settings: ExtractionSettings = SETTINGS,
    ) -> Watch:
        return Watch(
            self.frames(start, end),
            self.frames(end, end + ahead),
            memory or Memory(),
            look=self.look,
            settings=settings,
        )


def test_boxes_between_two_looks() -> None:
    film = Film()
    watch = film.watch()
    boxes = watch.boxes()
    assert film.looked_at == [0, 16]
    np.testing.assert_allclose(boxes.xyxy, [film.box(i) for i in range(16)])
    assert not boxes.held.any()
    boxes = film.watch(16, 32, watch.memories[-1]).boxes()
    assert film.looked_at == [0, 16, 32]  # the look ahead is not repeated
    np.testing.assert_allclose(boxes.xyxy, [film.box(i) for i in range(16, 32)])


@pytest.mark.parametrize(("end", "last"), [(16, 15), (7, 6), (1, 0)])
def test_the_last_window_is_looked_at_in_its_last_frame(end: int, last: int) -> None:
    film = Film()
    boxes = film.watch(0, end, ahead=0).boxes()
    assert film.looked_at == sorted({0, last})
    np.testing.assert_allclose(boxes.xyxy, [film.box(i) for i in range(end)])


def test_looks_inside_a_window() -> None:
    film = Film()
    film.watch(settings=ExtractionSettings(window=16, detect_every=4))
    assert film.looked_at == [0, 4, 8, 12, 16]


def test_damaged_frames_are_bridged_and_have_no_box() -> None:
    film = Film(damaged=[0, 1, 5, 15, 16])
    boxes = film.watch().boxes()
    assert film.looked_at == [2, 17]
    whole = np.setdiff1d(np.arange(16), film.damaged)
    np.testing.assert_allclose(boxes.xyxy[whole], [film.box(i) for i in whole])
    assert np.isnan(boxes.xyxy[[0, 1, 5, 15]]).all()
    assert not boxes.known[[0, 1, 5, 15]].any()


def test_a_window_of_damaged_frames_is_not_looked_at() -> None:
    film = Film(damaged=range(16))
    watch = film.watch(ahead=0)
    assert film.looked_at == []
    assert not watch.boxes().known.any()
    assert watch.looks == []
    assert watch.memories == [Memory()]


def test_the_next_window_damaged_altogether() -> None:
    film = Film(damaged=range(16, 32))
    film.watch()
    assert film.looked_at == [0, 15]


@pytest.mark.parametrize("gone", [1, 5, 9, 15, 16])
def test_where_the_infant_goes_is_found_and_its_box_held(gone: int) -> None:
    film = Film(unseen=range(gone, 99))
    boxes = film.watch().boxes()
    assert len(film.looked_at) <= 6
    np.testing.assert_allclose(boxes.xyxy[:gone], [film.box(i) for i in range(gone)])
    for box in boxes.xyxy[gone:]:
        np.testing.assert_allclose(box, film.box(gone - 1))
    assert boxes.held.tolist() == [False] * gone + [True] * (16 - gone)


def test_a_box_is_held_for_so_long_and_no_longer() -> None:
    film = Film(unseen=range(10, 99))
    watch = film.watch()
    boxes = film.watch(16, 32, watch.memories[-1]).boxes()
    assert boxes.held.tolist() == [True] * 10 + [False] * 6
    assert boxes.known.tolist() == boxes.held.tolist()


def test_where_the_infant_comes_is_found() -> None:
    film = Film(unseen=range(9))
    boxes = film.watch().boxes()
    assert boxes.known.tolist() == [False] * 9 + [True] * 7
    np.testing.assert_allclose(boxes.xyxy[9:], [film.box(i) for i in range(9, 16)])


def test_one_missed_look_is_bridged() -> None:
    film = Film(unseen=[16])
    watch = film.watch()
    first = watch.boxes()
    second = film.watch(16, 32, watch.memories[-1]).boxes()
    xyxy = np.concatenate([first.xyxy, second.xyxy])
    np.testing.assert_allclose(xyxy, [film.box(i) for i in range(32)])
    assert not second.held.any()


@pytest.mark.parametrize("jump_s", [9, -9])
def test_another_place_behind_a_jump_in_time_is_not_bridged(jump_s: float) -> None:
    """The camera was moved while nothing was recorded: nobody went through the places between."""
    film = Film(unseen=[16])
    first = film.watch()
    frames = film.frames

    def with_a_hole(start: int, end: int) -> list[VideoFrame]:
        return [replace(f, time_s=f.time_s + jump_s * (f.index > 16)) for f in frames(start, end)]

    film.frames = with_a_hole  # type: ignore[method-assign]
    film.box = lambda index: (500 + index, 100, 599 + index, 199)  # type: ignore[method-assign]
    watch = film.watch(16, 32, first.memories[-1])
    assert watch.memories[-1].in_sight is not None
    boxes = watch.boxes()
    held = boxes.xyxy[boxes.held]
    assert len(held) > 0
    np.testing.assert_allclose(held, [Film().box(15)] * len(held))
    assert (boxes.xyxy[~boxes.held & boxes.known][:, 0] > 500).all()


def test_extra_looks_are_bounded() -> None:
    film = Film(unseen=range(0, 99, 2))
    film.watch(settings=ExtractionSettings(window=16, detect_every=2, extra_looks=3))
    assert len(film.looked_at) <= 9 + 3
    nervous = Film(unseen=range(7, 99))
    nervous.watch(settings=ExtractionSettings(extra_looks=0))
    assert nervous.looked_at == [0, 16]


def test_a_fast_infant_is_followed_by_looking_in_between() -> None:
    film = Film()
    film.box = lambda index: (10 * index, 100, 99 + 10 * index, 199)  # type: ignore[method-assign]
    boxes = film.watch().boxes()
    np.testing.assert_allclose(boxes.xyxy, [film.box(i) for i in range(16)])
    assert len(film.looked_at) > 2


def test_one_more_look() -> None:
    film = Film()
    watch = film.watch()
    watch.look_again(5)
    watch.look_again(5)
    assert film.looked_at == [0, 16, 5]
    assert [look.frame_index for look in watch.looks] == [0, 5, 16]
