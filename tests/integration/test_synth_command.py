"""The real command, in a process of its own, without torch."""

import json
import subprocess
import sys
import time
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


def _children(pid: int) -> list[int]:
    """Processes that `pid` has started, from Linux's own table."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def test_a_run_that_is_killed_leaves_no_process_and_can_be_continued(tmp_path: Path) -> None:
    out = tmp_path / "set"
    words = ["synth", "images", "--seed", "3", "--split", "val", "--size", "96x64"]
    code = BLOCKED.format(words=[*words, "--count", "4000", "--workers", "2", "--out", str(out)])
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as running:
        until = time.monotonic() + 60
        while time.monotonic() < until and not (
            (out / "records.jsonl").is_file() and (out / "records.jsonl").stat().st_size
        ):
            time.sleep(0.1)
        workers = _children(running.pid)
        running.kill()
    assert len(workers) >= 2
    until = time.monotonic() + 20
    while time.monotonic() < until and any(Path(f"/proc/{pid}").exists() for pid in workers):
        time.sleep(0.1)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    there = len((out / "records.jsonl").read_text().splitlines())
    assert 0 < there < 4000
    done = _aggpose(*words, "--count", str(there + 3), "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert len(json.loads((out / "annotations.json").read_text())["images"]) >= there + 3
