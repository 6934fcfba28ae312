"""A short run of `make fuzz`."""

import subprocess
import sys
from pathlib import Path

from workers.pipeline.errors import VideoError

FUZZ = Path(__file__).parents[4] / "benchmarks" / "fuzz.py"


def test_mutated_films_end_in_frames_or_errors(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(FUZZ), "--count", "25", "--seed", "7", "--keep", str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    summary, counted = done.stdout.splitlines()[-1].split(": ")
    assert summary.startswith("25 files, 0 failed, slowest ")
    outcomes = {name: int(times) for times, name in map(str.split, counted.split(", "))}
    assert sum(outcomes.values()) == 25
    assert outcomes.pop("frames") > 0
    assert outcomes
    assert outcomes.keys() <= {error.code for error in VideoError.__subclasses__()}
