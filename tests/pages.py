"""Pages of documentation whose shell lines are run against a running system, word for word."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
USUAL = "http://127.0.0.1:8000"
"""Where the pages say that a system is."""
PATIENCE_S = 180


def lines_below(page: str, heading: str) -> list[str]:
    """The indented lines of a page's part, up to its next heading."""
    _, found, rest = (ROOT / page).read_text().partition(f"\n{heading}\n")
    assert found, f"{page} has no part {heading!r}"
    part = re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return [line.strip() for line in part.splitlines() if line.startswith("    ")]


def follow(lines: list[str], *, url: str, key: str, folder: Path) -> None:
    """Run lines in one shell, as a reader would who has the key and a system at this address.

    The line that starts the system, and the one that sets the key, are the reader's own; the one
    that waits is repeated until the job has succeeded, as the pages say.
    """
    assert any(USUAL in line for line in lines)
    own = [line for line in lines if not line.startswith(("aggpose up", "export AGGPOSE_API_KEY="))]
    waits = [line for line in own if "?wait=" in line]
    assert len(waits) == 1
    script = "\n".join(
        f"""until {line} | grep '"state":"succeeded"'; do :; done""" if line in waits else line
        for line in own
    )
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script.replace(USUAL, url)],
        capture_output=True, text=True, check=False, cwd=folder, timeout=PATIENCE_S,
        env=os.environ | {"AGGPOSE_API_KEY": key},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
