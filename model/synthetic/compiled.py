"""How the numeric kernels of the generator are compiled: one decorator, typed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

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
    return cast(Kernel, numba.njit(cache=True, fastmath=True, nogil=True)(function))


def inlined(function: Kernel) -> Kernel:
    """Compile a function into each kernel that calls it.

    A call that is not inlined counts references of every array it passes, with atomic
    instructions; in a loop over pixels that costs more than the work itself.
    """
    made = numba.njit(cache=True, fastmath=True, nogil=True, inline="always")(function)
    return cast(Kernel, made)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let OpenCV work on one thread: sums then run in one order, and processes share the cores."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
