"""A line that says how far a long run is, how fast it goes, and how long it still takes."""

import sys
import time
from typing import Self, TextIO


class Progress:
    """Counts finished things on stderr; on a terminal the line renews itself.

    `total` is None where nobody knows how many there will be.
    """

    def __init__(
        self, total: int | None, unit: str, *, done: int = 0, stream: TextIO | None = None
    ) -> None:
        self._total, self._unit, self._first, self._done = total, unit, done, done
        self._stream = sys.stderr if stream is None else stream
        self._every_s = 0.3 if self._stream.isatty() else 20.0
        self._started = self._shown = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._show(last=True)

    def step(self, count: int = 1) -> None:
        """Say that this many more are finished."""
        self._done += count
        if time.monotonic() - self._shown >= self._every_s:
            self._show()

    @property
    def rate(self) -> float:
        """Things per second since the start."""
        return (self._done - self._first) / max(time.monotonic() - self._started, 1e-6)

    def line(self) -> str:
        """The line itself."""
        rate = self.rate
        of = "" if self._total is None else f"/{self._total}"
        text = f"{self._done}{of} {self._unit}, {rate:.1f}/s"
        if rate > 0 and self._total is not None and self._done < self._total:
            left = round((self._total - self._done) / rate)
            text += f", {left // 3600}:{left // 60 % 60:02d}:{left % 60:02d} left"
        return text

    def _show(self, *, last: bool = False) -> None:
        self._shown = time.monotonic()
        if self._stream.isatty():
            self._stream.write("\r\x1b[K" + self.line() + ("\n" if last else ""))
        else:
            self._stream.write(self.line() + "\n")
        self._stream.flush()
