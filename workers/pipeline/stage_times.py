"""How long the stages of a run take, by the clock."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

Thing = TypeVar("Thing")


class StageTimes:
    """Adds up seconds by stage; for one thread."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def measured(self, stage: str) -> Iterator[None]:
        """Count the block's time for a stage."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - begun

    def waited(self, stage: str, things: Iterator[Thing]) -> Iterator[Thing]:
        """The same things; the time until each comes counts for a stage."""
        while True:
            with self.measured(stage):
                thing = next(things, None)
            if thing is None:
                return
            yield thing
