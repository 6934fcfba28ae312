"""Settings that cannot be are refused by name."""

import pytest

from model.spec.errors import ConfigurationError
from workers.pipeline.extraction_settings import ExtractionSettings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window": 0}, "a window of 1 to 1024 frames, got 0"),
        ({"window": 4096}, "got 4096"),
        ({"detect_every": 5}, "divide the window of 16, got 5"),
        ({"detect_every": 0}, "got 0"),
        ({"detect_every": 32}, "got 32"),
        ({"extra_looks": -1}, "extra_looks: expected 0 or more, got -1"),
        ({"hold_frames": -1}, "hold_frames"),
        ({"elsewhere_after_s": float("nan")}, "elsewhere_after_s"),
        ({"min_overlap": 1.5}, "min_overlap: expected 0 to 1, got 1.5"),
        ({"collapse": float("nan")}, "collapse"),
        ({"keep_score": 0.5}, "sighting_score <= keep_score <= start_score, got 0.1, 0.5, 0.3"),
    ],
)
def test_numbers_out_of_range(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ExtractionSettings(**wrong)  # type: ignore[arg-type]


def test_a_long_window_may_be_looked_at_often() -> None:
    assert ExtractionSettings(window=64, detect_every=16).window == 64
