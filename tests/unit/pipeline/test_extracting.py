"""One infant through a film: each frame a row, true to the pixel, the same in one go or many."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.runtime.pose import PoseEstimator
from model.spec.errors import ConfigurationError
from model.spec.sequence import STATUSES, Rows, Sightings
from tests.drawn_infants import (
    Drawn,
    DrawnDetector,
    DrawnPose,
    TrunkAstray,
    drawn_detector,
    drawn_pose,
    picture_of,
)
from tests.films import ArraySource
from workers.pipeline.errors import CancelledError, StateError
from workers.pipeline.extracting import Extraction, WindowResult
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.quality.taken_up import taken_up_elsewhere
from workers.pipeline.state import ExtractionState
from workers.pipeline.timing import StageClock

Frame = Sequence[Drawn] | None
"""Who is to be seen; None is a damaged frame."""

SETTINGS = ExtractionSettings(window=8, detect_every=8, hold_frames=8, elsewhere_after_s=1.0)


@dataclass
class Run:
    """An extraction of a drawn film with drawn models."""

    film: Sequence[Frame]
    detector: DrawnDetector = field(default_factory=DrawnDetector)
    pose: DrawnPose = field(default_factory=DrawnPose)
    settings: ExtractionSettings = SETTINGS

    def source(self) -> ArraySource:
        pictures = [None if frame is None else picture_of(*frame) for frame in self.film]
        return ArraySource(pictures, window=self.settings.window)

    def extraction(self, state: ExtractionState | None = None) -> Extraction:
        pose, detector = drawn_pose(self.pose), drawn_detector(self.detector)
        return Extraction(self.source(), pose, detector, self.settings, state=state)

    def results(self) -> list[WindowResult]:
        return list(self.extraction())

    def rows(self) -> Rows:
        return Rows.joined([result.rows for result in self.results()])


def _statuses(rows: Rows) -> list[str]:
    return [STATUSES[place] for place in rows.status]


def _off(rows: Rows, truth: Sequence[Drawn]) -> NDArray[np.float64]:
    """Distances to the truth, px: (N, K)."""
    true_xy = np.stack([infant.keypoints_xy for infant in truth])
    return np.asarray(np.linalg.norm(rows.keypoints_xy - true_xy, axis=-1))


def _moving(count: int, *, angle: float = 20.0, who: int = 0) -> list[Drawn]:
    return [Drawn((60 + 0.6 * i, 60), angle + 0.7 * i, who=who) for i in range(count)]


def _same(one: Rows | Sightings, two: Rows | Sightings) -> bool:
    columns = zip(vars(one).values(), vars(two).values(), strict=True)
    return all(a.tobytes() == b.tobytes() for a, b in columns)


def test_every_frame_is_a_row_in_its_place() -> None:
    truth = _moving(43)
    run = Run([[one] for one in truth])
    rows = run.rows()
    assert rows.frame_index.tolist() == list(range(43))
    assert rows.pts.tolist() == [3600 * i for i in range(43)]
    np.testing.assert_allclose(rows.time_s, np.arange(43) / 25)
    assert _statuses(rows) == ["ok"] * 43
    assert _off(rows, truth).max() < 0.2
    np.testing.assert_allclose(rows.box_xyxy, [one.box_xyxy for one in truth], atol=2)
    np.testing.assert_allclose(rows.box_score, 0.9, rtol=1e-6)
    assert run.detector.calls == 7  # frames 0, 8, 16, 24, 32, 40 and the last
    assert run.pose.batches[:3] == [4, 4, 2]  # four turns of two frames, then the best again
    assert run.pose.batches[3:] == [4] * 12 + [3]  # the first window twice


@dataclass
class Shown(DrawnDetector):
    """A session that keeps what it was shown."""

    shown: list[NDArray[np.float32]] = field(default_factory=list)

    def run(self, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        self.shown.append(batch)
        return super().run(batch)


def test_the_detector_is_shown_the_same_however_the_camera_was_held() -> None:
    truth = _moving(30, angle=-10)
    shown = []
    for quarters in range(4):
        pictures = [np.ascontiguousarray(np.rot90(picture_of(one), quarters)) for one in truth]
        detector = Shown()
        source = ArraySource(pictures, window=SETTINGS.window)
        list(Extraction(source, drawn_pose(), drawn_detector(detector), SETTINGS))
        shown.append(detector.shown)
    assert not np.array_equal(shown[0][0], shown[1][0])
    for turned in shown[1:]:  # the first two looks come before anything is known of the infant
        np.testing.assert_array_equal(turned[2:], shown[0][2:])


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 16])
def test_short_films(count: int) -> None:
    truth = _moving(count)
    rows = Run([[one] for one in truth]).rows()
    assert len(rows) == count
    assert _off(rows, truth).max() < 0.2


@settings(max_examples=8)
@given(angle=st.floats(-180, 180))
def test_infants_of_any_direction(angle: float) -> None:
    truth = _moving(18, angle=angle)
    rows = Run([[one] for one in truth]).rows()
    assert _statuses(rows) == ["ok"] * 18
    assert _off(rows, truth).max() < 0.2
    assert rows.scores.min() > 0.8


def test_damaged_frames_are_rows_without_anything() -> None:
    truth, damaged = _moving(30), [0, 3, 8, 9, 15, 16, 29]
    film: list[Frame] = [None if i in damaged else [one] for i, one in enumerate(truth)]
    rows = Run(film).rows()
    whole = np.setdiff1d(np.arange(30), damaged)
    assert [i for i, status in enumerate(_statuses(rows)) if status == "decode_error"] == damaged
    assert (rows.status[whole] == 0).all()
    assert np.isnan(rows.keypoints_xy[damaged]).all()
    assert np.isnan(rows.box_xyxy[damaged]).all()
    assert np.isnan(rows.scores[damaged]).all()
    assert _off(rows, truth)[whole].max() < 0.2


def test_nobody_is_no_detection_and_never_a_guess() -> None:
    run = Run([[] for _ in range(20)])
    rows = run.rows()
    assert _statuses(rows) == ["no_detection"] * 20
    assert np.isnan(rows.keypoints_xy).all()
    assert np.isnan(rows.box_xyxy).all()
    assert run.pose.crops == 0


def test_the_infant_goes_and_comes_back_turned_around() -> None:
    truth = [Drawn((60, 60), 0.0)] * 20 + [Drawn((62, 60), 170.0)] * 20
    film: list[Frame] = [[one] for one in truth]
    film[13:24] = [[] for _ in range(11)]
    rows = Run(film).rows()
    assert _statuses(rows) == ["ok"] * 13 + ["no_detection"] * 11 + ["ok"] * 16
    assert np.isnan(rows.keypoints_xy[13:24]).all()
    there = np.r_[0:13, 24:40]
    assert _off(rows, truth)[there].max() < 0.3


def test_a_missed_look_does_not_lose_an_infant_that_is_there() -> None:
    truth = _moving(32)
    run = Run([[one] for one in truth], detector=DrawnDetector(blind=(1, 2, 3, 4)))
    rows = run.rows()
    assert _statuses(rows) == ["ok"] * 32
    assert _off(rows, truth).max() < 0.3


def test_another_infant_never_takes_over() -> None:
    mine = [Drawn((45, 60), 0.0, (40, 70), who=0)] * 60
    beside = [Drawn((110, 60), 90.0, (30, 55), who=1)] * 60
    film: list[list[Drawn]] = [[one, two] for one, two in zip(mine, beside, strict=True)]
    film[20:50] = [[beside[0]] for _ in range(30)]
    run = Run(film, detector=DrawnDetector({0: 0.6, 1: 0.65}))
    results = run.results()
    rows = Rows.joined([result.rows for result in results])
    statuses = _statuses(rows)
    assert statuses[:20] == ["ok"] * 20
    assert statuses[20:50] == ["no_detection"] * 30  # 1.2 s, longer than `elsewhere_after_s`
    assert statuses[50:] == ["ok"] * 10
    there = np.r_[0:20, 50:60]
    assert _off(rows, mine)[there].max() < 0.2
    seen = Sightings.joined([result.sightings for result in results])
    during = (seen.frame_index == 32) & (seen.class_id == 0)
    np.testing.assert_allclose(seen.xyxy[during], [beside[0].box_xyxy], atol=1)


def test_a_stranger_far_away_is_taken_up_only_after_a_while() -> None:
    film = [[Drawn((40, 40), 0.0, (24, 40))]] * 8 + [[Drawn((120, 90), 0.0, (24, 40))]] * 48
    rows = Run(film).rows()
    statuses = _statuses(rows)
    assert statuses[:8] == ["ok"] * 8
    first = statuses.index("ok", 8)
    assert 8 + 16 <= first <= 8 + 32  # a second, and until the next look
    assert statuses[8:first] == ["no_detection"] * (first - 8)
    assert statuses[first:] == ["ok"] * (56 - first)
    assert taken_up_elsewhere(rows).tolist() == [first]


def test_an_infant_that_turns_within_a_window_is_looked_at_again() -> None:
    truth = [Drawn((80, 60), 10.0, (50, 60))] * 11 + [Drawn((80, 60), 100.0, (50, 60))] * 21
    run = Run([[one] for one in truth])
    rows = run.rows()
    assert _statuses(rows) == ["ok"] * 32
    assert _off(rows, truth).max() < 0.3
    assert rows.scores.min() > 0.7
    assert run.detector.calls == 6  # one more look than in a quiet film


def test_a_crop_does_not_turn_after_a_trunk_that_is_not_sure() -> None:
    truth = [Drawn((80, 60), 20.0, (40, 60))] * 48
    pose = TrunkAstray(turned_deg=60, after=10 + 8)  # the first look at two frames, and a window
    results = Run([[one] for one in truth], pose=pose).results()
    assert {status for result in results for status in _statuses(result.rows)} == {"ok"}
    postures = [result.state.posture for result in results]
    assert [round(one.angle_deg, 1) for one in postures if one is not None] == [20.0] * 6
    others = np.setdiff1d(np.arange(21), [19, 14, 5])
    rows = Rows.joined([result.rows for result in results])
    assert _off(rows, truth)[:, others].max() < 0.3


def test_weak_scores_are_low_confidence_with_keypoints() -> None:
    truth = _moving(16)
    rows = Run([[one] for one in truth], pose=DrawnPose(best=0.25)).rows()
    assert _statuses(rows) == ["low_confidence"] * 16
    assert _off(rows, truth).max() < 0.3
    assert np.isfinite(rows.box_xyxy).all()


def test_the_score_of_a_frame_is_the_mean_of_its_keypoints() -> None:
    sure = replace(SETTINGS, min_pose_score=0.89)
    rows = Run([[one] for one in _moving(24)], settings=sure).rows()
    low = np.array([status == "low_confidence" for status in _statuses(rows)])
    np.testing.assert_array_equal(low, rows.scores.mean(axis=1) < 0.89)


def _eventful() -> Run:
    """A film with damage, a loss, a turn and somebody else."""
    mine = [Drawn((50 + 0.3 * i, 60), 3.0 * i, (40, 60)) for i in range(61)]
    film: list[Frame] = [[one, Drawn((125, 60), 90.0, (24, 50), who=1)] for one in mine]
    film[7], film[16], film[30] = None, None, None
    film[33:44] = [[Drawn((125, 60), 90.0, (24, 50), who=1)] for _ in range(11)]
    return Run(film, detector=DrawnDetector({0: 0.6, 1: 0.5}))


def test_stopped_and_resumed_after_every_window_it_gives_the_same_bytes() -> None:
    unbroken = _eventful().results()
    assert {"ok", "no_detection", "decode_error"} <= {
        status for result in unbroken for status in _statuses(result.rows)
    }
    state, resumed = None, list[WindowResult]()
    for _ in unbroken:
        resumed.append(next(iter(_eventful().extraction(state))))
        state = ExtractionState.from_json(resumed[-1].state.to_json())
    assert list(_eventful().extraction(state)) == []
    for one, two in zip(unbroken, resumed, strict=True):
        assert _same(one.rows, two.rows)
        assert _same(one.sightings, two.sightings)
        assert one.state == two.state


def test_two_runs_give_the_same_bytes() -> None:
    assert _same(_eventful().rows(), _eventful().rows())


def test_frames_before_the_state_are_not_touched() -> None:
    first = _eventful().results()[3]
    run = _eventful()
    results = list(run.extraction(first.state))
    assert results[0].rows.frame_index[0] == 32
    assert run.pose.crops < _crops_of(_eventful())


def _crops_of(run: Run) -> int:
    run.results()
    return run.pose.crops


def test_a_state_of_something_else_is_refused() -> None:
    run = Run([[one] for one in _moving(20)])
    state = run.results()[0].state
    with pytest.raises(StateError, match=r"settings.collapse = 0.6, got 0.5"):
        replace(run, settings=replace(SETTINGS, collapse=0.5)).extraction(state)
    with pytest.raises(StateError, match=r"video.duration_s_header = 0.8, got 0.4"):
        replace(run, film=run.film[:10]).extraction(state)
    other: PoseEstimator = drawn_pose(batch_size=8)
    with pytest.raises(StateError, match=r"pose.batch_size = 4, got 8"):
        Extraction(run.source(), other, drawn_detector(), SETTINGS, state=state)
    with pytest.raises(StateError, match="expected a window from frame 5, got 0"):
        list(run.extraction(replace(state, next_frame=5)))


def test_windows_of_another_length_are_refused() -> None:
    source = ArraySource([picture_of()] * 20, window=16)
    with pytest.raises(ConfigurationError, match="windows of 8 frames, got 16 from frame 0"):
        list(Extraction(source, drawn_pose(), drawn_detector(), SETTINGS))
    source = ArraySource([picture_of()] * 20, window=4)
    with pytest.raises(ConfigurationError, match="windows of 8 frames, got 4 from frame 4"):
        list(Extraction(source, drawn_pose(), drawn_detector(), SETTINGS))


def test_cancelling_takes_effect_within_a_window() -> None:
    run, told = Run([[one] for one in _moving(60)]), False
    extraction = Extraction(
        run.source(), drawn_pose(), drawn_detector(), SETTINGS, cancelled=lambda: told
    )
    results = iter(extraction)
    assert next(results).rows.frame_index[0] == 0
    told = True
    with pytest.raises(CancelledError):
        next(results)


def test_windows_are_released_once_and_at_most_two_are_held() -> None:
    run, held, most = Run([[one] for one in _moving(40)]), list[int](), 0

    @dataclass(frozen=True)
    class Window:
        frames: tuple[object, ...]
        number: int

        def release(self) -> None:
            held.remove(self.number)

    class Source(ArraySource):
        def __iter__(self):  # type: ignore[no-untyped-def] # noqa: ANN204 - wraps windows
            nonlocal most
            for number, window in enumerate(super().__iter__()):
                held.append(number)
                most = max(most, len(held))
                yield Window(window.frames, number)

    source = Source(run.source().pictures, window=8)
    for _ in Extraction(source, drawn_pose(), drawn_detector(), SETTINGS):
        assert len(held) <= 1
    assert held == []
    assert most == 2


def test_the_clock_has_every_stage() -> None:
    run, clock = Run([[one] for one in _moving(20)]), StageClock()
    list(Extraction(run.source(), drawn_pose(), drawn_detector(), SETTINGS, clock=clock))
    assert set(clock.stages) == {"decode", "letterbox", "detect", "crop", "pose", "follow"}
    assert clock.stages["follow"].calls == 3
    assert clock.stages["detect"].calls == 4
