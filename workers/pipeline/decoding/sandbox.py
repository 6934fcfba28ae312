"""What the decoding process may take, and that it dies with its parent."""

import ctypes
import mmap
import os
import resource
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_OPEN_FILES = 64
_BYTES_A_PIXEL = 32
"""Of a few pictures together."""
_CPU_GRACE_S = 5
"""From the signal that names the reason to the one that cannot be refused."""


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel end this process when the thread that started it ends.

    Raises:
        SystemExit: The parent is dead already.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_PDEATHSIG, signal.SIGKILL), (_PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, value, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent_pid:
        raise SystemExit(1)


def restrict(*, memory_bytes: int, later_bytes: int, cpu_s: int) -> None:
    """Bound this process: call it when everything is imported.

    Args:
        memory_bytes: Address space beside what is mapped now.
        later_bytes: What `allow_memory` may add to it.
        cpu_s: Processor time.
    """
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    mapped = pages * resource.getpagesize()
    _limit(resource.RLIMIT_AS, mapped + memory_bytes, grace=later_bytes)
    _limit(resource.RLIMIT_CPU, cpu_s, grace=_CPU_GRACE_S)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)


def allow_memory(more_bytes: int) -> None:
    """Raise the bound on address space by memory that is shared with the parent."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (min(soft + more_bytes, hard), hard))


def check_room(size_wh: tuple[int, int]) -> None:
    """See whether a few pictures of this size still fit: FFmpeg calls a lack of memory bad data.

    Raises:
        MemoryError: They do not.
    """
    try:
        mmap.mmap(-1, (1 + size_wh[0] * size_wh[1]) * _BYTES_A_PIXEL).close()
    except OSError as error:
        raise MemoryError from error


def _limit(kind: int, most: int, *, grace: int = 0) -> None:
    """Set a limit, and one that is final behind it; never above what is set already."""
    _, final = resource.getrlimit(kind)
    unlimited = final == resource.RLIM_INFINITY
    hard = most + grace if unlimited else min(most + grace, final)
    resource.setrlimit(kind, (min(most, hard), hard))
