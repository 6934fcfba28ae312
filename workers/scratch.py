"""Where files are made and fetched to: for nobody else to read, and not to outlive their makers."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from service.blobs.parts import SUFFIX
from service.settings import Settings

_PREFIX: Final = "making-"
_YOUNG_S: Final = 5.0
"""So long after it was made something may still be without its lock."""


def scratch_dir(settings: Settings) -> Path:
    """Where workers of this machine make files."""
    return settings.data_dir / "scratch"


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """An empty folder below `parent`, removed at the end; `sweep_scratch` spares it by its lock.

    Raises:
        OSError: There is no room, or no permission.
    """
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent) as name:
        lock = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(lock)


def sweep_scratch(parent: Path) -> int:
    """Remove the folders and fetched videos that killed processes left in `parent`; how many.

    Raises:
        OSError: One of them cannot be removed.
    """
    swept = 0
    for path in (*parent.glob(f"{_PREFIX}*"), *parent.glob(f"*{SUFFIX}")):
        with suppress(FileNotFoundError):  # its maker, or another sweeper, was faster
            if time.time() - path.stat().st_mtime > _YOUNG_S and not _locked(path):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                swept += 1
    return swept


def _locked(path: Path) -> bool:
    lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
