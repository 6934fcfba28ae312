"""Where the time goes: seconds by the clock and seconds of processor time, stage by stage."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class StageTime:
    """What a stage has taken so far.

    Attributes:
        wall_s: By the clock.
        cpu_s: Of processor time, all threads of this process together; children do not count.
        calls: How often the stage was run.
    """

    wall_s: float
    cpu_s: float
    calls: int


class StageClock:
    """Adds up the time of stages that run one after another.

    Processor time is the whole process', so that it holds an engine's threads; what other threads
    do meanwhile counts too, and stages must not lie inside each other.
    """

    def __init__(self) -> None:
        self._stages: dict[str, StageTime] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what the block takes as this stage's, also when it raises."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            before = self._stages.get(name, StageTime(0.0, 0.0, 0))
            self._stages[name] = StageTime(
                before.wall_s + time.perf_counter() - wall,
                before.cpu_s + time.process_time() - cpu,
                before.calls + 1,
            )

    @property
    def stages(self) -> dict[str, StageTime]:
        """The stages so far, in the order in which they were first run."""
        return dict(self._stages)

    def seconds(self, before: Mapping[str, float]) -> dict[str, float]:
        """Seconds by the clock that each stage has taken, those of earlier clocks with them."""
        now = {name: stage.wall_s for name, stage in self._stages.items()}
        return {name: before.get(name, 0.0) + now.get(name, 0.0) for name in {**before, **now}}
