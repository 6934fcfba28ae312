"""A short run of `make fuzz`."""

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).parents[4] / "benchmarks" / "fuzz.py"


def test_mutated_films_end_in_frames_or_errors(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(FUZZ), "--count", "25", "--seed", "7", "--keep", str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "25 files" in done.stdout
    assert "  frames" in done.stdout
    assert "  video." in done.stdout
