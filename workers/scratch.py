"""Folders for what is being made: nobody else can read them, and none outlives its maker long."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "making-"
_YOUNG_S: Final = 60.0
"""So long after it was made a folder may still be without its lock."""


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
    """Remove the folders that killed processes left below `parent`; how many.

    Raises:
        OSError: One of them cannot be removed.
    """
    swept = 0
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError):  # its maker, or another sweeper, was faster
            if time.time() - folder.stat().st_mtime > _YOUNG_S and not _locked(folder):
                shutil.rmtree(folder)
                swept += 1
    return swept


def _locked(folder: Path) -> bool:
    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
