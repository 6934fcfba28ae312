"""How the numeric kernels of the generator are compiled: one decorator, typed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import cv2
import numba
from numpy.typing import NDArray

Array = NDArray[Any]
"""An array inside a kernel, which numba types when it compiles; shapes stand with the callers."""

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(function: Kernel) -> Kernel:
    """Compile a function with numba and keep the machine code between runs.

    Kernels take and return NumPy arrays and numbers only. They run on one thread, so that a
    picture does not depend on how many processes make pictures.
    """
    return _compiled(function)


def inlined(function: Kernel) -> Kernel:
    """Compile a function into each kernel that calls it.

    A call that is not inlined counts references of every array it passes, with atomic
    instructions; in a loop over pixels that costs more than the work itself.
    """
    return _compiled(function, inline="always")


def _compiled(function: Kernel, *, inline: Literal["never", "always"] = "never") -> Kernel:
    made: Any = numba.njit(cache=True, fastmath=True, nogil=True, inline=inline)(function)
    # Numba looks only at the file that holds a kernel, but the machine code also holds what the
    # kernel calls and the constants it uses, from other files.
    made._cache._cache_file._source_stamp = _source_digest()  # noqa: SLF001 - no public way
    return cast(Kernel, made)


@cache
def _source_digest() -> str:
    """Digest of every module beside this one, whose change makes kept machine code stale."""
    digest = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()


class _OneThread:
    """How many blocks want OpenCV on one thread, and the setting to go back to after the last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.blocks = 0
        self.before = 0


_one_thread = _OneThread()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let OpenCV work on one thread: sums then run in one order, and processes share the cores.

    OpenCV has one setting for the whole process: it is set back when no thread is left that is in
    such a block.
    """
    with _one_thread.lock:
        if _one_thread.blocks == 0:
            _one_thread.before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _one_thread.blocks += 1
    try:
        yield
    finally:
        with _one_thread.lock:
            _one_thread.blocks -= 1
            if _one_thread.blocks == 0:
                cv2.setNumThreads(_one_thread.before)
