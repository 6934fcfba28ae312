"""Which code trained a model."""

import subprocess
from pathlib import Path


def code_commit() -> str | None:
    """The commit of this code, with `-dirty` where files differ; None outside of a repository."""
    here = Path(__file__)
    if _git("ls-files", "--error-unmatch", here.name) is None:
        return None  # installed somewhere inside of another project's repository
    return _git("describe", "--always", "--abbrev=40", "--dirty", "--exclude=*")


def _git(*words: str) -> str | None:
    """What git says in this file's folder; None where it fails or is not there."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            ["git", *words],  # noqa: S607 - whichever git is there
            cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
        )  # fmt: skip
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
