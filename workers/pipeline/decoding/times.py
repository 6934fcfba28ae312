"""When frames are displayed that carry no time stamp."""

from collections.abc import Sequence
from fractions import Fraction


def times_of(
    pts: Sequence[int | None], time_base: Fraction, *, step_s: float, before_s: float | None
) -> list[float]:
    """Seconds of consecutive frames: pts times the time base.

    A frame without pts lies evenly between its neighbours; where one of them is missing or they
    are out of order, one usual step from frame to frame is taken.

    Args:
        pts: In units of the time base; None where there is none.
        time_base: Seconds per unit.
        step_s: The usual step.
        before_s: When the frame before these is displayed; None where there is none.
    """
    times = [None if stamp is None else float(stamp * time_base) for stamp in pts]
    known = [index for index, time_s in enumerate(times) if time_s is not None]
    filled: list[float] = []
    for index, time_s in enumerate(times):
        following = next((place for place in known if place > index), None)
        after_s = None if following is None else times[following]
        last_s = filled[-1] if filled else before_s
        if time_s is not None:
            filled.append(time_s)
        elif last_s is not None and following is not None and after_s is not None:
            even_s = (after_s - last_s) / (following - index + 1)
            filled.append(last_s + (even_s if even_s > 0 else step_s))
        elif last_s is not None:
            filled.append(last_s + step_s)
        elif following is not None and after_s is not None:
            filled.append(after_s - (following - index) * step_s)
        else:
            filled.append(index * step_s)
    return filled
