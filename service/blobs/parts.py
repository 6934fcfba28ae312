"""Files that are still being written: nobody else can read them, and none outlives its writer long.

A killed process cannot clear up behind itself, so what it leaves carries a suffix by which it is
found, and lies in a folder where nothing else does.
"""

import os
import time
from pathlib import Path
from uuid import uuid4

SUFFIX = ".part"


def new_part(folder: Path) -> tuple[Path, int]:
    """Make an empty file in `folder`, which is made too, and open it for writing.

    Returns:
        Its path and its file descriptor, which the caller closes.

    Raises:
        OSError: There is no room, or no permission.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{uuid4().hex}{SUFFIX}"
    return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def write_all(descriptor: int, chunk: bytes | bytearray | memoryview) -> None:
    """Write a chunk whole: the system may take it in several bites.

    Raises:
        OSError: There is no room, or the disk failed.
    """
    with memoryview(chunk) as view:
        written = os.write(descriptor, view)
        while written < len(view):
            written += os.write(descriptor, view[written:])


def sweep_parts(folder: Path, older_s: float) -> int:
    """Remove the parts of `folder` that nobody has written to for `older_s` seconds.

    Returns:
        How many there were.

    Raises:
        OSError: One of them cannot be removed.
    """
    if not folder.is_dir():
        return 0
    swept = 0
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            if time.time() - path.stat().st_mtime >= older_s:
                path.unlink()
                swept += 1
        except FileNotFoundError:  # its writer finished, or another sweeper was faster
            continue
    return swept
