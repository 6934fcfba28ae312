"""A flag that a worker's main process raises and that its pool's processes see."""

import mmap


class StopFlag:
    """One byte of shared memory: make it before the fork, raise it from a signal's handler."""

    def __init__(self) -> None:
        self._byte = mmap.mmap(-1, 1)

    def set(self) -> None:
        """Ask all processes to give back what they work on; it cannot be taken back."""
        self._byte[0] = 1

    def is_set(self) -> bool:
        """Whether they are asked to."""
        return self._byte[0] == 1
