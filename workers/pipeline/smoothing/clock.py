"""A film's time as smoothing sees it: always going on, with a pause where the film's does not."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

ROUNDING_S: Final = 1e-6
"""Times that differ by less are one: so much do sums of steps vary with where a film begins."""
_UNLIKE: Final = 4.0
"""How many times finer than the mean step the upper rate's may be: it bounds grids."""


@dataclass(frozen=True, eq=False)
class Clock:
    """Strictly increasing times of N frames.

    Steps of the film's time are taken as they are. Where time does not go on (repeated, running
    back, not a number) nothing is known of how far two frames are apart: there, and where it
    leaps by more, the clock makes a step of `pause_s`, which no window and no gap reaches across.

    Attributes:
        time_s: float64 (N,), from 0.
        pause_s: The longest step.
    """

    time_s: NDArray[np.float64]
    pause_s: float

    @classmethod
    def of(cls, time_s: NDArray[np.float64], *, pause_s: float) -> Self:
        """The clock of frames at these times, float64 (N,)."""
        with np.errstate(invalid="ignore", over="ignore"):  # what is no number is no step
            steps = np.diff(time_s)
        steps[~(steps > 0)] = pause_s
        steps = np.minimum(steps, pause_s)
        return cls(np.concatenate([np.zeros(min(len(time_s), 1)), np.cumsum(steps)]), pause_s)

    @property
    def step_s(self) -> float | None:
        """The step of the film's upper rate: of four steps, one is shorter.

        None where there is no step below the pause. In a film of even rate it is every step; in
        one of uneven rate, fine enough for where frames lie dense.
        """
        steps = np.diff(self.time_s)
        steps = steps[steps < self.pause_s]
        if not len(steps):
            return None
        return max(float(np.quantile(steps, 0.25)), float(steps.mean()) / _UNLIKE)
