"""`aggpose train detector` and `aggpose evaluate detector`, as one calls them."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from model.runtime.detector import Detector
from model.runtime.engines import EngineOptions
from model.spec.errors import ConfigurationError
from model.training.detector.checkpoint import load_detector
from model.training.detector.commands import train


def _aggpose(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from workers.cli import main; main()", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def test_training_ends_with_a_model_that_says_where_it_comes_from(
    drawn_set: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = ["--data", drawn_set, "--val", drawn_set, "--out", run]
    done = _aggpose(
        "train", "detector", *words, "--imgsz", 64, "--minutes", 0.001, "--batch", 6
    )  # one epoch: at least one is trained
    assert done.returncode == 0, done.stderr
    assert "agrees: openvino" in done.stdout
    detector = Detector.open(run / "detector.onnx", EngineOptions(engine="cpu"))
    provenance = detector.manifest.provenance
    assert provenance.trained
    assert provenance.data == "set: 12 pictures, 9 infants"
    assert provenance.recipe == "yolo26n-synthetic, 64 px, batch 6"
    assert set(provenance.metrics) == {"val_map50", "val_map50_95"}
    assert (run / "ultralytics" / "Ultralytics" / "settings.json").is_file()
    settings = json.loads((run / "ultralytics" / "Ultralytics" / "settings.json").read_text())
    assert settings["sync"] is False
    again = _aggpose("train", "detector", *words, "--epochs", 1)
    assert again.returncode == 1
    assert "got one with files" in again.stderr
    assert "[model.training]" in again.stderr
    start = load_detector(run / "detector.pt")
    on = ["--from", run / "detector.pt", *words[:-1], tmp_path / "on"]
    done = _aggpose("train", "detector", *on, "--epochs", 1, "--batch", 6, "--learning-rate", 1e-9)
    assert done.returncode == 0, done.stderr
    after = load_detector(tmp_path / "on" / "detector.pt")
    assert (after.architecture, after.imgsz) == ("yolo26n", 64)
    assert after.provenance.summary == (
        f"yolo26n from ({start.provenance.summary}) on 12 labelled pictures"
    )
    for name, tensor in start.state_dict.items():
        if name.endswith("weight"):  # at such a rate nothing is learned: they are the same
            torch.testing.assert_close(after.state_dict[name], tensor, rtol=2e-3, atol=1e-4)
    settings = json.loads((tmp_path / "on" / "run.json").read_text())
    assert (settings["start"], settings["learning_rate"]) == (str(run / "detector.pt"), 1e-9)
    with pytest.raises(ConfigurationError, match=r"expected --size as in .*yolo26n, got yolo26s"):
        train.main(
            [*map(str, on[:-1]), str(tmp_path / "s"), "--epochs", "1", "--size", "s"],
            standalone_mode=False,
        )


def test_options_that_contradict_each_other(drawn_set: Path, tmp_path: Path) -> None:
    data = ["--data", drawn_set, "--val", drawn_set, "--out", tmp_path / "run"]
    for words, message in (
        (["--out", tmp_path / "run", "--epochs", 1], "expected --data and --val, or --resume"),
        ([*data, "--resume"], "expected --resume with the run's own settings, got --data, --val"),
        (data, "expected either --minutes or --epochs"),
        ([*data, "--epochs", 1, "--imgsz", 100], "in steps of 32 px, got 100"),
    ):
        with pytest.raises(ConfigurationError, match=re.escape(message)):
            train.main([str(word) for word in words], standalone_mode=False)
        assert not (tmp_path / "run").exists()


def test_evaluation_writes_its_tables_and_its_sheet(
    write_detector: Callable[..., Path], drawn_set: Path, tmp_path: Path
) -> None:
    model = write_detector(tmp_path / "d.onnx", [[8, 8, 56, 56, 0.1, 0]])
    out = tmp_path / "report"
    done = _aggpose("evaluate", "detector", model, drawn_set, "--out", out, "--json", "--batch", 5)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["pictures"], report["empty"], report["model"]) == (12, 3, "hand-made 1")
    assert report == json.loads((out / "report.json").read_text())
    low = next(row for row in report["sweep"] if row["threshold"] == 0.1)
    assert low["false_infants_on_empty"] == 1.0
    assert "| head | 0.0000 | 0.0000 |" in (out / "report.md").read_text()
    assert (out / "misses.png").is_file()
    nobody = tmp_path / "nobody"
    shutil.copytree(drawn_set / "images", nobody)
    done = _aggpose("evaluate", "detector", model, drawn_set, "--empty", nobody, "--json")
    assert done.returncode == 0, done.stderr
    more = json.loads(done.stdout)
    assert (more["pictures"], more["empty"]) == (12, 3 + 12)
    assert more["map50"] == report["map50"]
    assert [row["missed_infants_per_1000"] for row in more["sweep"]] == [
        row["missed_infants_per_1000"] for row in report["sweep"]
    ]
