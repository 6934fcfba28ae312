"""`aggpose extract`: how it ends, and that one video's misfortune is not the next one's."""

import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from model.spec.errors import OutputError
from tests.hand_made_models import write_detector, write_pose
from tests.unit.pipeline.decoding.coded import encode
from workers.cli import app
from workers.pipeline import commands, video_folder
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.source import VideoSource, open_video, probe
from workers.pipeline.outputs.result_folder import Outcome
from workers.pipeline.preview.picture import PreviewSettings
from workers.pipeline.video_folder import Request, VideoFolder

LONG, SHORT = 60, 8


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The words that choose quick models."""
    folder = tmp_path_factory.mktemp("models")
    pose, detector = write_pose(folder / "p.onnx", "p"), write_detector(folder / "d.onnx")
    return ["--model", str(pose), "--detector", str(detector), "--engine", "cpu", "--threads", "1"]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("films")
    return (
        encode(folder / "long.mp4", frames=LONG),
        encode(folder / "short.mp4", frames=SHORT),
    )


def _called(*words: object) -> Result:
    return CliRunner().invoke(app, ["extract", "--no-preview", *map(str, words)])


def _said(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_full_disk_fails_its_video_alone(
    models: list[str], films: tuple[Path, Path], tmp_path: Path
) -> None:
    words = [*models, *films, "--out", tmp_path, "--json", "--window", 1, "--series", "raw"]
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, usual[1]))
    try:
        result = _called(*words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert result.exit_code == 1, result.output
    first, second = _said(result)
    assert (first["state"], first["code"]) == ("failed", "model.output")
    assert "cannot be written" in result.stderr
    assert (second["state"], second["frames"]) == ("succeeded", SHORT)
    again = _called(*words)  # now that there is room
    assert again.exit_code == 0, again.output
    assert [one["was_done"] for one in _said(again)] == [False, True]


def test_a_video_that_vanishes_fails_alone(
    models: list[str], films: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone.mp4"
    gone.write_bytes(films[1].read_bytes())

    def opened(path: Path, *, window: int, limits: Limits) -> VideoSource:
        source = open_video(path, window=window, limits=limits)
        gone.unlink(missing_ok=True)
        return source

    monkeypatch.setattr(video_folder, "open_video", opened)
    result = _called(*models, gone, films[1], "--out", tmp_path / "out", "--json")
    assert result.exit_code == 1, result.output
    first, second = _said(result)
    assert (first["state"], first["code"]) == ("failed", "video.missing")
    assert second["state"] == "succeeded"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--window", "10", "--detect-every", "16"], "divide the window"),
        (["--engine", "cpu", "--precision", "bfloat16"], "expected float32 on cpu"),
        (["--cutoff-hz", "nan"], "cutoff_hz: expected a finite number"),
    ],
)
def test_options_that_do_not_fit_are_wrong_options(
    models: list[str], films: tuple[Path, Path], tmp_path: Path, words: list[str], message: str
) -> None:
    result = _called(*models, films[1], "--out", tmp_path / "out", *words)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()


def test_a_cut_off_that_does_not_fit_a_film_fails_that_film(
    models: list[str], films: tuple[Path, Path], tmp_path: Path
) -> None:
    fast = encode(tmp_path / "fast.mp4", frames=SHORT, pts=[20 * i for i in range(SHORT)])
    words = [*models, films[1], fast, "--out", tmp_path / "out", "--json", "--cutoff-hz", 12]
    result = _called(*words)
    assert result.exit_code == 1, result.output
    first, second = _said(result)
    assert (first["state"], first["code"]) == ("failed", "pipeline.cutoff")
    assert "at most 10 Hz at the film's 25 frames/s, got 12 Hz [pipeline.cutoff]" in result.stderr
    assert second["state"] == "succeeded"


def test_a_camera_that_waited_for_movement_is_not_taken_for_a_slow_one(
    models: list[str], tmp_path: Path
) -> None:
    """Its first 300 packets come evenly; that it then waits lowers the mean that it claims."""
    stamps = [40 * i for i in range(310)] + [120_000 + 40 * i for i in range(10)]
    film = encode(tmp_path / "waits.mp4", frames=len(stamps), size_wh=(32, 32), pts=stamps)
    facts = probe(film)
    assert facts.frame_rate_header is not None
    assert facts.frame_rate_header < 3
    assert not facts.variable_frame_rate
    words = [*models, film, "--out", tmp_path / "out", "--cutoff-hz", 6, "--no-preview"]
    result = _called(*words, "--window", 64)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], PreviewSettings()),
        (["--no-skeleton"], PreviewSettings(skeleton=False)),
        (["--names"], PreviewSettings(names=True)),
        (["--no-skeleton", "--names"], PreviewSettings(skeleton=False, names=True)),
    ],
)
def test_skeleton_and_names_are_switches_of_their_own(
    models: list[str], films: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch,
    words: list[str], expected: PreviewSettings,
) -> None:  # fmt: skip
    wanted: list[Request] = []

    def keep(_pose: object, _detector: object, request: Request, **_: object) -> None:
        wanted.append(request)
        raise OutputError("that is all")

    monkeypatch.setattr(commands, "VideoFolder", keep)
    CliRunner().invoke(app, ["extract", *models, str(films[1]), "--out", "nowhere", *words])
    assert [request.preview for request in wanted] == [expected]


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """Also where these tests run in a shell's background, whose programs are told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_ctrl_c_while_models_are_opened(
    models: list[str], films: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        commands, "open_models", lambda *_, **__: signal.raise_signal(signal.SIGINT)
    )
    assert _called(*models, films[1], "--out", tmp_path / "out").exit_code == 130


@pytest.mark.usefixtures("hears_ctrl_c")
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_once_and_twice(
    models: list[str],
    films: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    times: int,
) -> None:
    fill = VideoFolder.fill

    def disturbed(work: VideoFolder, video: Path, folder: Path) -> Outcome:
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
        return fill(work, video, folder)

    monkeypatch.setattr(VideoFolder, "fill", disturbed)
    result = _called(*models, *films, "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert ("call again to go on" in result.stderr) == (times == 1)
