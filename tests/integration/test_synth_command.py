"""The real command, in a process of its own, without torch."""

import json
import subprocess
import sys
from pathlib import Path

BLOCKED = """
import sys
for name in ("torch", "anny", "torchvision", "ultralytics", "onnx"):
    sys.modules[name] = None  # import raises ModuleNotFoundError
sys.argv = ["aggpose", *{words!r}]
from workers.cli import main
main()
"""


def _aggpose(*words: str) -> subprocess.CompletedProcess[str]:
    code = BLOCKED.format(words=list(words))
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300
    )


def test_the_whole_generator_runs_without_torch(tmp_path: Path) -> None:
    out = tmp_path / "set"
    words = ["--count", "5", "--seed", "1", "--split", "test", "--size", "96x64"]
    done = _aggpose("synth", "images", *words, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "5/5 pictures" in done.stderr
    assert len(json.loads((out / "annotations.json").read_text())["images"]) == 5
    film = _aggpose(
        "synth", "film", "--seconds", "0.2", "--fps", "10", "--seed", "1", "--size", "96x64",
        "--out", str(tmp_path / "a.mp4"),
    )  # fmt: skip
    assert film.returncode == 0, film.stderr
    sheet = _aggpose(
        "synth", "sheet", "--seed", "1", "--count", "1", "--out", str(tmp_path / "s.png")
    )
    assert sheet.returncode == 0, sheet.stderr
    stats = _aggpose("synth", "stats", str(out))
    assert stats.returncode == 0, stats.stderr


def test_errors_are_one_line_with_a_code(tmp_path: Path) -> None:
    done = _aggpose("synth", "stats", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("aggpose: expected dataset.json of a data set in ")
    assert done.stderr.strip().endswith("[model.dataset]")
    assert len(done.stderr.strip().splitlines()) == 1
    bad = ["--count", "4", "--split", "train", "--out", str(tmp_path / "o")]
    done = _aggpose("synth", "images", "--seed", "70000", *bad)
    assert done.stderr.strip().endswith("got 70000 [model.synthetic]")
    done = _aggpose("synth", "images", "--seed", "1", "--size", "big", *bad)
    assert done.returncode == 1
    assert "expected a size such as 640x480, got 'big'" in done.stderr
    assert not (tmp_path / "o").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = ["--count", "1", "--seed", "1", "--split", "val", "--out", str(tmp_path / "file" / "o")]
    done = _aggpose("synth", "images", *words)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("[model.output]")
