"""The benchmark of deaths in short: servers and whole workers are killed while jobs go on."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
DEATHS = ("kill Redis", "kill PostgreSQL", "kill a worker")


def test_jobs_end_as_if_nothing_had_happened() -> None:
    words = [word for name in DEATHS for word in ("--only", name)]
    numbers = ["--rounds", "3", "--frames", "96", "--pause-s", "0.2", "--lease-s", "4"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos", *numbers, *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "3 of 3 jobs succeeded with the same bytes" in done.stdout
