"""A folder of results belongs to one extraction of one video, whatever came between."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from model.runtime.detector import Detector
from model.runtime.engines import EngineOptions
from model.runtime.pose import PoseEstimator
from tests.hand_made_models import write_detector, write_pose
from tests.unit.pipeline.decoding.coded import encode
from workers.pipeline import video_folder
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.source import VideoSource, open_video
from workers.pipeline.errors import CancelledError, CutoffError, RowsError, VideoMissingError
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.outputs.journal import Entry, Journal
from workers.pipeline.outputs.result_folder import Outcome
from workers.pipeline.preview.picture import PreviewSettings
from workers.pipeline.smoothing.series import SmoothingSettings
from workers.pipeline.video_folder import Request, Steps, VideoFolder

FRAMES = 20
BARE = Request(
    extraction=ExtractionSettings(window=8, detect_every=8), smoothing=SmoothingSettings(),
    series=("raw",), preview=None, limits=Limits(),
)  # fmt: skip
FULL = replace(BARE, series=("raw", "filtered"), preview=PreviewSettings())
OF_BARE = {"keypoints.csv", "keypoints.json", "quality.json", "quality.png", ".done"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[PoseEstimator, Detector]:
    folder = tmp_path_factory.mktemp("models")
    pose, detector = write_pose(folder / "p.onnx", "p"), write_detector(folder / "d.onnx")
    options = EngineOptions(engine="cpu", batch_size=8, threads=1)
    return PoseEstimator.open(pose, options), Detector.open(
        detector, replace(options, batch_size=1)
    )


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two films of one length and size, with the same time stamps."""
    folder = tmp_path_factory.mktemp("films")
    one, other = folder / "one.mp4", folder / "other.mp4"
    encode(one, frames=FRAMES)
    encode(other, frames=FRAMES, options={"crf": "40"})
    return one, other


def _cut_off(request: Request, cutoff_hz: float) -> Request:
    return replace(request, smoothing=SmoothingSettings(cutoff_hz=cutoff_hz))


class _Counter:
    def step(self, count: int = 1) -> None:
        """Nothing."""


@dataclass
class Call:
    """A call of the command, as far as folders go.

    Attributes:
        stop_after: So many windows it may begin.
        behind: Done when a stage of this name has ended.
        warnings: What was said.
    """

    models: tuple[PoseEstimator, Detector]
    request: Request = BARE
    program: str = "1"
    stop_after: int = 1000
    behind: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def fill(self, video: Path, folder: Path) -> Outcome:
        left = iter([False] * self.stop_after)
        work = VideoFolder(
            *self.models, self.request, program=self.program, progress=self._progress,
            warn=self.warnings.append, cancelled=lambda: next(left, True),
        )  # fmt: skip
        return work.fill(video, folder)

    def stopped(self, video: Path, folder: Path) -> None:
        with pytest.raises(CancelledError):
            replace(self, stop_after=2).fill(video, folder)

    def _progress(self, unit: str, _total: int | None, _done: int) -> AbstractContextManager[Steps]:
        @contextmanager
        def counting() -> Iterator[Steps]:
            yield _Counter()
            self.behind.get(unit, lambda: None)()

        return counting()


@pytest.fixture
def call(models: tuple[PoseEstimator, Detector]) -> Call:
    return Call(models)


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def _journal_changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the state in the last entry of a folder's journal."""
    (path,) = folder.glob(".journal-*")
    journal = Journal(path)
    entries = list(journal.entries)
    state = json.loads(json.dumps(entries[-1].state))
    change(state)
    journal.restart()
    for entry in [*entries[:-1], Entry(entries[-1].rows, entries[-1].sightings, state)]:
        journal.append(entry)
    journal.close()


def test_nothing_of_another_film_of_the_name_stays(
    call: Call, films: tuple[Path, Path], tmp_path: Path
) -> None:
    replace(call, request=FULL).fill(films[0], tmp_path)
    assert {"preview.mp4", "preview.masks.csv", "stills/0000000.jpg"} < _names(tmp_path)
    (tmp_path / "letter.txt").write_text("not ours")
    (tmp_path / ".quality.png.part").write_text("half")
    call.fill(films[1], tmp_path)
    assert _names(tmp_path) == OF_BARE | {"letter.txt"}


def test_an_extraction_that_fails_leaves_nothing_of_the_one_before(
    call: Call, films: tuple[Path, Path], tmp_path: Path
) -> None:
    replace(call, request=FULL).fill(films[0], tmp_path)
    replace(call, request=FULL).stopped(films[1], tmp_path)
    (journal,) = _names(tmp_path)
    assert journal.startswith(".journal-")


def test_it_is_done_only_while_all_results_are_there(
    call: Call, films: tuple[Path, Path], tmp_path: Path
) -> None:
    call = replace(call, request=FULL)
    assert not call.fill(films[0], tmp_path).was_done
    assert call.fill(films[0], tmp_path).was_done
    keypoints, still = tmp_path / "keypoints.csv", tmp_path / "stills" / "0000000.jpg"
    content = keypoints.read_bytes()
    keypoints.write_bytes(content[:-1])
    still.unlink()
    assert not call.fill(films[0], tmp_path).was_done
    assert keypoints.read_bytes() == content
    still.unlink()
    assert not call.fill(films[0], tmp_path).was_done
    assert still.exists()


def test_another_version_does_not_go_on_with_what_was_begun(
    call: Call, films: tuple[Path, Path], tmp_path: Path
) -> None:
    call.stopped(films[0], tmp_path)
    other = replace(call, program="2", warnings=[])
    assert other.fill(films[0], tmp_path).frames == FRAMES
    assert len(other.warnings) == 1
    assert "extracted anew" in other.warnings[0]
    assert _names(tmp_path) == OF_BARE
    assert not call.fill(films[0], tmp_path).was_done  # nor take its results for its own


def test_a_state_that_does_not_fit_is_dropped(
    call: Call, films: tuple[Path, Path], tmp_path: Path
) -> None:
    call.fill(films[0], tmp_path / "whole")

    def other_window(state: dict[str, Any]) -> None:
        state["extraction"]["made_of"]["settings"]["window"] = 9

    call.stopped(films[0], tmp_path / "stopped")
    _journal_changed(tmp_path / "stopped", other_window)
    assert call.fill(films[0], tmp_path / "stopped").frames == FRAMES
    assert len(call.warnings) == 1
    assert "expected settings.window = 9, got 8" in call.warnings[0]
    for name in ("keypoints.csv", "keypoints.json"):
        once = (tmp_path / "whole" / name).read_bytes()
        assert (tmp_path / "stopped" / name).read_bytes() == once


def test_a_cut_off_that_cannot_fit_is_refused_before_anything_is_touched(
    call: Call, films: tuple[Path, Path], tmp_path: Path
) -> None:
    call.fill(films[0], tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with pytest.raises(CutoffError, match="at most 10 Hz at the film's 25 frames/s, got 11 Hz"):
        replace(call, request=_cut_off(FULL, 11.0)).fill(films[0], tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_where_only_the_frames_tell_the_raw_rows_are_kept_and_not_found_again(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uneven = [40 * i + (i % 2) * 10 for i in range(FRAMES)]  # 30 ms, 50 ms: 33 frames/s where dense
    film, out = encode(tmp_path / "uneven.mp4", frames=FRAMES, pts=uneven), tmp_path / "out"
    with pytest.raises(CutoffError, match=r"at most 13\.3 Hz"):
        replace(call, request=_cut_off(FULL, 20.0)).fill(film, out)
    raw = (out / "keypoints.csv").read_bytes()
    assert {name for name in _names(out) if not name.startswith(".")} == {
        "keypoints.csv", "keypoints.json",
    }  # fmt: skip
    monkeypatch.setattr(PoseEstimator, "run", None)  # would fail
    other = replace(call, request=_cut_off(FULL, 13.3))
    assert other.fill(film, out).frames == FRAMES
    assert other.warnings == []
    assert (out / "keypoints.csv").read_bytes() == raw
    said = json.loads((out / "keypoints-filtered.json").read_text())["parameters"]
    assert said["smoothing_cutoff_hz"] == 13.3
    assert json.loads((out / "quality.json").read_text())["smoothing_cutoff_hz"] == 13.3


def test_slow_films_are_filtered_with_what_fits_and_say_so(call: Call, tmp_path: Path) -> None:
    slow = encode(tmp_path / "slow.mp4", frames=FRAMES, pts=[100 * i for i in range(FRAMES)])
    replace(call, request=FULL).fill(slow, tmp_path / "out")
    said = json.loads((tmp_path / "out" / "keypoints-filtered.json").read_text())["parameters"]
    assert said["smoothing_cutoff_hz"] == 4
    quality = json.loads((tmp_path / "out" / "quality.json").read_text())
    assert quality["smoothing_cutoff_hz"] == 4


def test_what_was_begun_goes_on_with_another_preview(
    call: Call, films: tuple[Path, Path], tmp_path: Path
) -> None:
    call.stopped(films[0], tmp_path)
    (before,) = _names(tmp_path)
    other = replace(call, request=FULL, stop_after=2)
    with pytest.raises(CancelledError):
        other.fill(films[0], tmp_path)
    assert other.warnings == []
    assert _names(tmp_path) == {before}


def test_the_seconds_of_earlier_calls_are_counted(
    call: Call, films: tuple[Path, Path], tmp_path: Path
) -> None:
    def add(state: dict[str, Any]) -> None:
        state["seconds"] |= {"pose": 1000.0, "asked": 2000.0}

    call.stopped(films[0], tmp_path)
    _journal_changed(tmp_path, add)
    call.fill(films[0], tmp_path)
    speed = json.loads((tmp_path / "quality.json").read_text())["speed"]
    assert speed["pose"]["seconds"] >= 1000
    assert speed["asked"]["seconds"] == 2000


def test_a_video_that_vanishes_is_missing(
    call: Call, films: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = tmp_path / "film.mp4"
    video.write_bytes(films[0].read_bytes())

    def opened(path: Path, *, window: int, limits: Limits) -> VideoSource:
        source = open_video(path, window=window, limits=limits)
        path.unlink()
        return source

    monkeypatch.setattr(video_folder, "open_video", opened)
    with pytest.raises(VideoMissingError):
        call.fill(video, tmp_path / "out")


def test_a_video_that_was_replaced_meanwhile_gets_no_preview(
    call: Call, films: tuple[Path, Path], tmp_path: Path
) -> None:
    video, out = tmp_path / "film.mp4", tmp_path / "out"
    video.write_bytes(films[0].read_bytes())
    behind = {"frames": lambda: video.write_bytes(films[1].read_bytes())}
    with pytest.raises(RowsError, match="got another of its name"):
        replace(call, request=FULL, behind=behind).fill(video, out)
    assert not {name for name in _names(out) if "preview" in name or "stills" in name}
