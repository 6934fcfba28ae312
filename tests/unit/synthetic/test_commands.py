"""The words behind `aggpose synth`: what they write and what they refuse."""

from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner

from model.spec.errors import SyntheticError
from model.spec.progress import Progress
from model.synthetic import commands, sheet
from model.synthetic.commands import app, parse_size


def _run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_images_then_stats(tmp_path: Path) -> None:
    out = tmp_path / "set"
    words = ["--count", "9", "--seed", "2", "--split", "val", "--out", str(out), "--size", "96x64"]
    assert "9 pictures made" in _run("images", *words)
    told = _run("stats", str(out))
    assert "9 pictures" in told
    for word in ("left_toe", "head points up", "outfit: ", "light: ", "place: "):
        assert word in told
    assert cv2.imread(str(out / "stats.png")) is not None


def test_sheet(tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    assert "2 samples" in _run(
        "sheet", "--seed", "0", "--count", "2", "--columns", "2", "--out", str(out)
    )
    picture = cv2.imread(str(out))
    assert picture is not None
    assert picture.shape == (360, 960, 3)


def test_closeups(tmp_path: Path) -> None:
    out = tmp_path / "close.jpg"
    assert "close-ups" in _run("sheet", "--seed", "3", "--closeups", "--out", str(out))
    picture = cv2.imread(str(out))
    assert picture is not None
    assert picture.shape == (600, 1080, 3)
    red = (picture[..., 2] > 200) & (picture[..., 1] < 90) & (picture[..., 0] < 90)
    assert red.sum() > 300, "crosses are drawn"


def test_film(tmp_path: Path) -> None:
    out = tmp_path / "a.mp4"
    words = ["--seconds", "0.2", "--fps", "10", "--seed", "1", "--size", "96x64", "--portrait"]
    assert "2 frames" in _run("film", *words, "--rotate", "90", "--vfr", "--arm", "--out", str(out))
    assert out.is_file()
    assert out.with_suffix(".json").is_file()


@pytest.mark.parametrize("text", ["640", "640x", "x480", "640*480", "-640x480", "640x480x3"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(SyntheticError, match="expected a size such as 640x480"):
        parse_size(text)


@pytest.mark.parametrize("closeups", [[], ["--closeups"]])
def test_unknown_endings_are_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closeups: list[str]
) -> None:
    monkeypatch.setattr(sheet, "make_sheet", lambda *_, **__: pytest.fail("drawn"))
    monkeypatch.setattr(commands, "make_closeups", lambda *_: pytest.fail("drawn"))
    with pytest.raises(SyntheticError, match=r"ends in .png or .jpg"):
        _run("sheet", "--seed", "0", "--out", str(tmp_path / "a.gif"), *closeups)


def test_progress_tells_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(100, "pictures", done=40) as progress:
        progress.step(10)
        line = progress.line()
    assert line.startswith("50/100 pictures, ")
    assert line.endswith(" left")
    assert "50/100 pictures" in capsys.readouterr().err
