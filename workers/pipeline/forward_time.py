"""Times of frames made to go forward always: recordings are joined, and clocks are set back."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low
from typing import TypeVar

Time = TypeVar("Time", int, float)


def going_forward(times: Sequence[Time | None], *, usual: Time) -> list[Time]:
    """Times that each are later than the one before.

    A step that does not go forward is taken for a usual one, and what follows it keeps its
    distances. Times that go forward by themselves stay exactly as they are.

    Args:
        times: Of frames in their order, in any unit; None where a frame has none: it is a usual
            step behind the one before.
        usual: The usual step where no two frames tell it; else it is the median step forward.
    """
    steps: list[Time] = []
    for before, after in pairwise(times):
        if before is not None and after is not None and after > before:
            steps.append(after - before)
    usual = median_low(steps or [usual])
    shown: list[Time] = []
    last: Time | None = None
    shift = usual - usual
    for time in times:
        if time is not None and (last is None or time + shift > last):
            last = time + shift
        else:
            last = usual - usual if last is None else last + usual
            shift = shift if time is None else last - time
        shown.append(last)
    return shown
