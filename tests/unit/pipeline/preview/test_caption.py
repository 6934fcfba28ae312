"""Captions: what is said of a frame, and where there is room for it."""

import numpy as np
import pytest

from model.spec.sequence import STATUSES
from workers.pipeline.preview.caption import Caption, facts


@pytest.mark.parametrize(
    ("time_s", "expected"),
    [
        (0.0, "00:00.000"), (4.52, "00:04.520"), (59.9996, "01:00.000"), (3725.04, "1:02:05.040"),
        (-0.2, "-00:00.200"), (np.nan, "--:--.---"),
    ],
)  # fmt: skip
def test_times(time_s: float, expected: str) -> None:
    assert facts(time_s, 7, "ok")[0] == f"{expected}   frame 7   ok"


def test_every_status_has_words_and_all_but_ok_stand_out() -> None:
    said = {status: facts(0, 0, status) for status in STATUSES}
    assert len({text for text, _ in said.values()}) == len(STATUSES)
    assert {status for status in STATUSES if said[status][1] == said["ok"][1]} == {"ok"}


@pytest.mark.parametrize(
    ("width", "legend", "height"),
    [(640, True, 22), (640, False, 22), (320, True, 44), (320, False, 22), (120, True, 0)],
)
def test_it_takes_the_lines_that_it_needs(width: int, height: int, *, legend: bool) -> None:
    caption = Caption(width, legend=legend)
    strip = caption.draw(3599.96, 89999, "low_confidence")
    assert caption.height_px == height
    assert strip.shape == (height, width, 3)
    if height:
        assert not np.array_equal(strip, caption.draw(0, 0, "ok"))
        blue = (strip[..., 2].astype(int) - strip[..., 0] > 100).any()
        assert blue == legend
