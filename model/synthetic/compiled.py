"""How the numeric kernels of the generator are compiled: one decorator, typed."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(function: Kernel) -> Kernel:
    """Compile a function with numba and keep the machine code between runs.

    Kernels take and return NumPy arrays and numbers only. They run on one thread, so that a
    picture does not depend on how many processes make pictures.
    """
    return cast(Kernel, numba.njit(cache=True, fastmath=True, nogil=True)(function))
