"""The line under a preview's picture: time, frame and status on the left, the legend on the right.

It stands below the picture, not on it, so that it hides nothing of the infant.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.sequence import Status
from workers.pipeline.preview.skeleton_drawing import COLOURS, FONT, Colour, mark, write

_GROUND: Final = 28
"""Grey of the line."""
_TEXT: Final = 0.42
"""Height of the text, in the font's own scale."""
_LINE_PX: Final = 22
_LEAST_WIDTH_PX: Final = 200
"""Narrower previews have no room for it."""
_WHITE: Final[Colour] = (235, 235, 235)
_YELLOW: Final[Colour] = (255, 214, 80)
_STATUS: Final[dict[Status, tuple[str, Colour]]] = {
    "ok": ("ok", _WHITE),
    "low_confidence": ("low confidence", _YELLOW),
    "no_detection": ("no infant found", _YELLOW),
    "decode_error": ("frame damaged", _YELLOW),
}


class Caption:
    """The caption of a film.

    Attributes:
        height_px: How many rows it takes, an even number; 0 where there is no room.
    """

    def __init__(self, width_px: int, *, legend: bool) -> None:
        legend_px = _legend_width()
        facts_px = _width(facts(5999.99, 99999, "low_confidence")[0])
        lines = 1 if not legend or facts_px + legend_px + 20 <= width_px else 2
        self.height_px = lines * _LINE_PX if width_px >= _LEAST_WIDTH_PX else 0
        self._blank = np.full((self.height_px, width_px, 3), _GROUND, np.uint8)
        if legend and self.height_px:
            left = width_px - legend_px if lines == 1 else 8
            _draw_legend(self._blank, left, lines * _LINE_PX - 7)

    def draw(self, time_s: float, frame: int, status: Status) -> NDArray[np.uint8]:
        """The caption of one frame, uint8 (height_px, width, 3) RGB."""
        strip = self._blank.copy()
        if self.height_px:
            text, colour = facts(time_s, frame, status)
            write(strip, text, (8, _LINE_PX - 7), colour, _TEXT)
        return strip


def facts(time_s: float, frame: int, status: Status) -> tuple[str, Colour]:
    """What is said of a frame, and in which colour: time, number, status."""
    word, colour = _STATUS[status]
    if not np.isfinite(time_s):
        return f"--:--.---   frame {frame}   {word}", colour
    ms = round(abs(time_s) * 1000)
    sign = "-" if time_s < 0 and ms else ""
    minutes, ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02d}" if hours else f"{minutes:02d}"
    return f"{sign}{clock}:{ms // 1000:02d}.{ms % 1000:03d}   frame {frame}   {word}", colour


_LEGEND: Final[tuple[tuple[str, Colour, bool], ...]] = (
    ("left", COLOURS["left"], True),
    ("right", COLOURS["right"], True),
    ("uncertain", COLOURS["middle"], False),
)


def _width(text: str) -> int:
    return int(cv2.getTextSize(text, FONT, _TEXT, 1)[0][0])


def _legend_width() -> int:
    return sum(_width(word) + 28 for word, _, _ in _LEGEND) + 4


def _draw_legend(strip: NDArray[np.uint8], left: int, base: int) -> None:
    for word, colour, sure in _LEGEND:
        mark(strip, np.array([left + 4.0, base - 4.5]), colour, sure=sure, radius=3.4)
        write(strip, word, (left + 14, base), _WHITE, _TEXT)
        left += _width(word) + 28
