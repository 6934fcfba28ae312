"""Times of frames made to go forward always: recordings are joined, and clocks are set back."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low
from typing import TypeVar

Time = TypeVar("Time", int, float)


def going_forward(times: Sequence[Time | None], *, joined: Time, least: Time) -> list[Time]:
    """Times none of which is before the one before.

    A time that runs back by `joined` or more begins another recording: it comes a usual step behind
    the one before, and what follows keeps its distances. Others that do not go forward, and None,
    wait for the times behind them. Times that go forward by themselves stay exactly as they are.

    Args:
        times: Of frames in their order, in any unit; None where a frame has none.
        joined: A step back from which on recordings were joined.
        least: Between two times at the least, and the usual step where no two frames tell one.
    """
    steps: list[Time] = []
    for before, after in pairwise(times):
        if before is not None and after is not None and after > before:
            steps.append(after - before)
    usual = median_low(steps or [least])
    nothing = least - least
    shown: list[Time] = []
    before, last, shift = None, None, nothing
    for time in times:
        if time is not None and before is not None and last is not None and before - time >= joined:
            shift = last + usual - time
        if last is None:
            last = nothing if time is None else time
        else:
            last += least
            if time is not None:
                last = max(last, time + shift)
        before = before if time is None else time
        shown.append(last)
    return shown
