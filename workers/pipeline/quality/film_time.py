"""A film's time as its frames' time stamps tell it: rate, holes, and how long each frame lasts."""

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from model.spec.sequence import NO_PTS, Rows

HOLE_STEPS: Final = 1.5
"""A step longer than so many usual ones is a hole: frames were dropped."""


@dataclass(frozen=True, kw_only=True)
class FilmTime:
    """What N frames' time stamps say; lengths in seconds, None where nothing can be said.

    A step that does not go forward (repeated, running back or no number) counts as a usual one.

    Attributes:
        duration_s: From the first frame to the end of the last, which lasts a usual step.
        frames_per_s: Mean rate: forward steps by their time, holes with them.
        usual_step_s: Median of the forward steps.
        step_jitter_s: Standard deviation of the forward steps that are no holes.
        steps_not_forward: How many steps do not go forward.
        frames_without_pts: How many frames have no time stamp of their own.
        dropped_frames: How many usual steps would fit into the holes beside the one that is there.
        longest_hole_s: The longest step, if it is a hole; else 0.
    """

    duration_s: float | None = None
    frames_per_s: float | None = None
    usual_step_s: float | None = None
    step_jitter_s: float | None = None
    steps_not_forward: int
    frames_without_pts: int
    dropped_frames: int | None = None
    longest_hole_s: float | None = None

    @classmethod
    def of(cls, rows: Rows) -> Self:
        """Measure the time of a film's rows."""
        steps = _steps(rows)
        usual, forward = _usual_s(steps), steps[steps > 0]
        others = len(steps) - len(forward)
        without = int((rows.pts == NO_PTS).sum())
        if not len(forward):
            return cls(steps_not_forward=others, frames_without_pts=without)
        is_hole = forward > HOLE_STEPS * usual
        return cls(
            duration_s=float(lasts_s(rows).sum()),
            frames_per_s=len(forward) / float(forward.sum()),
            usual_step_s=usual,
            step_jitter_s=float(forward[~is_hole].std()),
            steps_not_forward=others,
            frames_without_pts=without,
            dropped_frames=int((np.round(forward[is_hole] / usual) - 1).sum()),
            longest_hole_s=float(forward[is_hole].max(initial=0)),
        )


def lasts_s(rows: Rows) -> NDArray[np.float64]:
    """How long each frame stands until the next, float64 (N,); NaN where no step goes forward."""
    steps = np.append(_steps(rows), 0.0)[: len(rows)]
    return np.where(steps > 0, steps, _usual_s(steps))


def holds_s(rows: Rows) -> NDArray[np.float64]:
    """How long each frame speaks for the film, float64 (N,): beyond, there is a hole."""
    return np.minimum(lasts_s(rows), HOLE_STEPS * _usual_s(_steps(rows)))


def _steps(rows: Rows) -> NDArray[np.float64]:
    """Steps between frames, (N - 1,); 0 where one is no number."""
    with np.errstate(invalid="ignore", over="ignore"):  # what is no number is no step
        steps = np.diff(rows.time_s)
    return np.where(np.isfinite(steps), steps, 0.0)


def _usual_s(steps: NDArray[np.float64]) -> float:
    """The median step forward; NaN where there is none."""
    forward = steps[steps > 0]
    return float(np.median(forward)) if len(forward) else math.nan
