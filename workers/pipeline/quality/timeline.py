"""The time axis of the quality figure: where frames stand on the page, and lines that break."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MultipleLocator
from numpy.typing import NDArray

from model.spec.sequence import STATUSES, Rows
from workers.pipeline.quality.film_time import holds_s, lasts_s

COLUMNS: Final = 900
"""The page's pixels along time, about: where more frames share one, they are drawn as one."""
_TICKS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)
_MOST_TICKS: Final = 12


class Timeline:
    """Where N frames stand: seconds from the first one, or their count if there is no time.

    Attributes:
        starts: float64 (N,), where each frame begins.
        stops: float64 (N,), where each frame ends; before the next one's start, there is a hole.
        length: Where the film ends.
        groups: int64 (G,), the first frames of groups that share a pixel; all in short films.
    """

    def __init__(self, rows: Rows) -> None:
        lasts, holds = lasts_s(rows), holds_s(rows)
        self._timed = not np.isnan(lasts).any()
        if not self._timed:
            lasts = holds = np.ones(len(rows))
        self._status = rows.status
        ends = np.cumsum(lasts)
        self.starts, self.length = ends - lasts, float(ends[-1]) if len(ends) else 1.0
        self.stops = self.starts + holds
        self._step = float(np.median(lasts)) if len(lasts) else 1.0
        pixels = np.floor(self.starts / self.length * COLUMNS)
        self.groups = np.flatnonzero(np.diff(pixels, prepend=-1.0) > 0)

    def spans(self, chosen: NDArray[np.bool_], least: float = 0.0) -> list[tuple[float, float]]:
        """Where chosen frames (N,) stand: (start, length), at least `least` pixels long."""
        if not chosen.any():
            return []
        parted = np.append(True, self.starts[1:] > self.stops[:-1] + self._step / 1000)
        begins = chosen & (parted | ~np.append(False, chosen[:-1]))
        ends = chosen & np.append(begins[1:] | ~chosen[1:], True)
        starts, stops = self.starts[begins], self.stops[ends]
        widths = np.maximum(stops - starts, least * self.length / COLUMNS)
        return list(zip(starts.tolist(), widths.tolist(), strict=True))

    def holes(self) -> list[tuple[float, float]]:
        """Where there is no frame: (start, length)."""
        lengths = self.starts[1:] - self.stops[:-1]
        real = lengths > self._step / 1000
        return list(zip(self.stops[:-1][real].tolist(), lengths[real].tolist(), strict=True))

    def shade(self, axes: Axes) -> None:
        """Grey behind what is not ok and where there is no frame."""
        spans = self.spans(self._status != STATUSES.index("ok"), least=1) + self.holes()
        axes.broken_barh(
            spans, (0, 1), transform=axes.get_xaxis_transform(), color="#e9e9e9", linewidth=0,
            zorder=0,
        )  # fmt: skip

    def label(self, axes: Axes) -> None:
        """Name the time axis, which other axes may share."""
        axes.set_xlim(-0.003 * self.length, 1.003 * self.length)
        axes.tick_params(axis="x", labelbottom=True)
        words = "time, s" if self._timed else "frame (the film has no time stamps)"
        if self._timed and self.length > 120:
            words = "time, min:s"
            step = next((s for s in _TICKS_S if self.length / s <= _MOST_TICKS), None)
            axes.xaxis.set_major_locator(MultipleLocator(step or self.length / _MOST_TICKS))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: minutes(at)))
        axes.set_xlabel(words, fontsize=9)

    def broken(self, *lines: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Values (G,) of groups, with NaN put in where there is a hole: places and lines."""
        at = self.starts[self.groups]
        far = max(1.5 * self._step, 2 * self.length / COLUMNS)
        holes = np.flatnonzero(np.diff(at) > far * 1.001) + 1
        return tuple(np.insert(line, holes, np.nan) for line in (at, *lines))

    def draw(
        self,
        axes: Axes,
        values: NDArray[np.float64],
        colour: str,
        *,
        alpha: float = 1.0,
        label: str = "_",
    ) -> None:
        """Draw values (N,) as a line that breaks where they are missing.

        A value alone is a dot. Where several share a pixel, the line goes through their lowest
        and highest.
        """
        low, high = values, values
        if len(values):
            low = np.fmin.reduceat(values, self.groups)
            high = np.fmax.reduceat(values, self.groups)
        at, low, high = self.broken(low, high)
        if len(self.groups) < len(values):
            at, low = np.repeat(at, 2), np.stack([low, high], axis=1).ravel()
        axes.plot(at, low, color=colour, alpha=alpha, linewidth=0.9, label=label)
        beside = np.isnan(np.concatenate([[np.nan], low, [np.nan]]))
        alone = ~beside[1:-1] & beside[:-2] & beside[2:]
        axes.plot(at[alone], low[alone], ".", color=colour, alpha=alpha, markersize=3)


def minutes(at_s: float) -> str:
    """A time as minutes and seconds, 83.4 as 1:23."""
    return f"{round(at_s) // 60}:{round(at_s) % 60:02d}"
