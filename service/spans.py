"""Some frames out of a finished file of keypoints, without reading it into memory.

Both formats have one line a frame, from frame 0 on, so the frames of a span are lines of the file.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal


@dataclass(frozen=True)
class Span:
    """Which frames are asked for.

    Attributes:
        first: The first.
        behind: The one behind the last; None for all that follow.
    """

    first: int = 0
    behind: int | None = None

    @property
    def is_all(self) -> bool:
        """Whether that is every frame."""
        return self.first == 0 and self.behind is None


def cut(content: Iterable[bytes], form: Literal["csv", "json"], span: Span) -> Iterator[bytes]:
    """The file with the frames of the span alone."""
    lines = _lines(content)
    behind = None if span.behind is None else max(span.first, span.behind)
    if form == "csv":
        yield next(lines)
        yield from islice(lines, span.first, behind)
        return
    for line in lines:
        yield line.rstrip(b"\n")
        if line == b'"frames":[\n':
            break
        yield b"\n"
    # The last frame's line has no comma, and behind it the brackets are closed.
    frames = (line.rstrip(b",\n") for line in lines if line != b"]}\n")
    for number, frame in enumerate(islice(frames, span.first, behind)):
        yield (b",\n" if number else b"\n") + frame
    yield b"\n]}\n"


def _lines(content: Iterable[bytes]) -> Iterator[bytes]:
    """The content's lines, each with its end."""
    begun = b""
    for piece in content:
        *whole, begun = (begun + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if begun:
        yield begun
