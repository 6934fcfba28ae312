"""`aggpose extract` by the installed command: what it leaves, goes on with, and refuses."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest

from model.spec.sequence import STATUSES, FilteredRows, Rows
from model.spec.sequence_csv import read_csv
from model.spec.sequence_json import read_json
from tests.hand_made_models import write_detector, write_pose
from tests.worker_room import write_film

FRAMES = 70
WITHOUT_TORCH = """
import importlib.abc, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in {"torch", "onnx", "ultralytics"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())

from workers.cli import main
main()
"""

Command = Callable[..., list[str]]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short film of moving noise with uneven time between its frames."""
    return write_film(tmp_path_factory.mktemp("films") / "ward 7.mp4", FRAMES)


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Makes the words of a call with hand-made models."""
    folder = tmp_path_factory.mktemp("models")
    pose, detector = (
        write_pose(folder / "pose.onnx", "hand-made"),
        write_detector(folder / "detector.onnx"),
    )
    models = ["--model", str(pose), "--detector", str(detector), "--engine", "cpu"]

    def words(*arguments: object) -> list[str]:
        chosen = [str(one) for one in arguments]
        return [sys.executable, "-c", WITHOUT_TORCH, "extract", *models, *chosen]

    return words


def run(words: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, capture_output=True, text=True, check=False)


def packet_times(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)


@pytest.fixture(scope="module")
def done(command: Command, film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undisturbed extraction."""
    out = tmp_path_factory.mktemp("out")
    result = run(command(film, "--out", out))
    assert result.returncode == 0, result.stderr
    assert f"{FRAMES} frames" in result.stdout
    return out / "ward 7"


def test_every_frame_is_a_row_with_its_time(done: Path, film: Path) -> None:
    names, rows = read_csv(done / "keypoints.csv")
    assert isinstance(rows, Rows)
    assert len(names) == 21
    assert rows.frame_index.tolist() == list(range(FRAMES))
    assert rows.pts.tolist() == packet_times(film)
    assert set(rows.status.tolist()) <= {STATUSES.index("ok"), STATUSES.index("low_confidence")}
    assert np.isfinite(rows.keypoints_xy).all()


def test_json_says_the_same_and_where_it_comes_from(done: Path) -> None:
    header, rows = read_json(done / "keypoints.json")
    _, same = read_csv(done / "keypoints.csv")
    assert isinstance(rows, Rows)
    assert isinstance(same, Rows)
    assert np.array_equal(rows.keypoints_xy, same.keypoints_xy)
    assert (header.series, header.engine, header.pose_model.name) == ("raw", "cpu", "hand-made")
    assert header.video.cut_short is False
    assert header.parameters["window"] == 16
    assert "ward" not in (done / "keypoints.json").read_text()
    header, filtered = read_json(done / "keypoints-filtered.json")
    assert isinstance(filtered, FilteredRows)
    assert "smoothing_cutoff_hz" in header.parameters


def test_preview_and_quality_are_of_all_frames(done: Path) -> None:
    with av.open(str(done / "preview.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES
        assert [stream.type for stream in container.streams] == ["video"]
    assert json.loads((done / "quality.json").read_text())["frames"] == FRAMES
    assert (done / "quality.png").read_bytes()[:4] == b"\x89PNG"
    stills = sorted(path.name for path in (done / "stills").iterdir())
    assert stills[0] == "0000000.jpg"
    assert len(stills) == 3
    assert not list(done.glob(".journal*"))


def test_what_is_done_is_left_as_it_is(done: Path, command: Command, film: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*")}
    result = run(command(film, "--out", done.parent, "--json"))
    assert result.returncode == 0
    assert json.loads(result.stdout)["was_done"] is True
    assert {path: path.stat().st_mtime_ns for path in done.rglob("*")} == before


def test_stopped_and_called_again_gives_the_same_bytes(command: Command, tmp_path: Path) -> None:
    film = write_film(tmp_path / "night.mp4", 1200)
    assert run(command(film, "--out", tmp_path / "whole", "--no-preview")).returncode == 0
    words = command(film, "--out", tmp_path, "--no-preview")
    folder, done = tmp_path / "night", tmp_path / "whole" / "night"

    def written() -> int:
        sizes = []
        for path in folder.glob(".journal*"):
            with suppress(FileNotFoundError):  # at the end it goes
                sizes.append(path.stat().st_size)
        return sum(sizes)

    for _ in range(3):  # each call is stopped as soon as it has written something new
        before = written()
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            while process.poll() is None:
                if written() > max(before, 100):
                    process.send_signal(signal.SIGINT)
                    break
                time.sleep(0.002)
            assert process.wait(60) == 130
        assert written() > before  # there is something to go on from, and no result
        assert not (folder / "keypoints.csv").exists()
    assert run(words).returncode == 0
    for name in ("keypoints.csv", "keypoints.json", "keypoints-filtered.csv"):
        assert (folder / name).read_bytes() == (done / name).read_bytes(), name


def test_a_bad_video_does_not_stop_the_others(command: Command, film: Path, tmp_path: Path) -> None:
    bad = tmp_path / "letter.mp4"
    bad.write_text("Dear colleague, " * 99)
    result = run(command(bad, film, "--out", tmp_path / "out", "--no-preview", "--json"))
    assert result.returncode == 1
    failed, succeeded = (json.loads(line) for line in result.stdout.splitlines())
    assert failed["state"] == "failed"
    assert failed["code"].startswith("video.")
    assert failed["code"] in result.stderr
    assert (succeeded["state"], succeeded["frames"]) == ("succeeded", FRAMES)


def test_a_file_that_was_broken_off_is_extracted_with_a_warning(
    command: Command, film: Path, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "index-first.mp4", tmp_path / "cut.mp4"
    with (
        av.open(str(film)) as source,
        av.open(str(whole), "w", options={"movflags": "+faststart"}) as copy,
    ):
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                copy.mux(packet)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 7 // 10])
    words = command(cut, "--out", tmp_path / "out", "--no-preview", "--json")
    for was_done in (False, True):  # the second call finds it done, and warns again
        result = run(words)
        assert result.returncode == 0, result.stderr
        assert "warning" in result.stderr
        assert "the file ends before the video does" in result.stderr
        said = json.loads(result.stdout)
        assert (said["cut_short"], said["was_done"]) == (True, was_done)
    folder = tmp_path / "out" / "cut"
    quality = json.loads((folder / "quality.json").read_text())
    assert 0 < quality["frames"] < FRAMES
    assert quality["cut_short"] is True
    assert read_json(folder / "keypoints.json")[0].video.cut_short is True
    assert read_json(folder / "keypoints-filtered.json")[0].video.cut_short is True


def test_videos_of_one_name_are_refused(command: Command, film: Path, tmp_path: Path) -> None:
    other = tmp_path / film.name
    other.write_bytes(film.read_bytes())
    result = run(command(film, other, "--out", tmp_path / "out"))
    assert result.returncode == 2
    assert "different names" in result.stderr
    assert not (tmp_path / "out").exists()


def test_other_settings_replace_the_results(command: Command, film: Path, tmp_path: Path) -> None:
    for window in (16, 32):
        words = command(film, "--out", tmp_path, "--no-preview", "--series", "raw")
        assert run([*words, "--window", str(window)]).returncode == 0
        header, _ = read_json(tmp_path / "ward 7" / "keypoints.json")
        assert header.parameters["window"] == window
    assert not (tmp_path / "ward 7" / "keypoints-filtered.csv").exists()


def test_probe_says_what_the_file_says(film: Path) -> None:
    words = [sys.executable, "-c", WITHOUT_TORCH, "probe", "--json", str(film)]
    facts = json.loads(run(words).stdout)
    assert facts["displayed_wh"] == [160, 120]
    assert facts["variable_frame_rate"] is True
    assert run([*words[:3], "probe", str(film.parent)]).stderr.endswith("[video.not_a_file]\n")


def test_bench_counts_the_stages(command: Command, film: Path) -> None:
    words = command(film, "--frames", "32", "--json")
    words[3] = "bench"
    result = run(words)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["frames"] == 32
    (row,) = report["runs"]
    parts = {"decoder", "pose", "detect", "crop", "journal", "smooth", "quality", "write"}
    assert parts <= row["cpu_ms"].keys()
    assert row["over_networks_and_bare_decoding"] > 0
    assert row["keypoints_apart_from_first_px"] == {"median": 0.0, "95 %": 0.0}
