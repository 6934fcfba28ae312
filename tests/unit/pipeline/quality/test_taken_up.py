"""Who is found again elsewhere is marked; who comes back, moves, or is new is not."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tracks import rows_of
from workers.pipeline.quality.taken_up import taken_up_elsewhere

HERE, BESIDE, THERE = (
    np.array([x, 100.0, x + 99, 199]) for x in (100.0, 150.0, 300.0)
)  # HERE and BESIDE overlap by a third


def _found(*stretches: tuple[int, NDArray[np.float64] | None]) -> list[int]:
    boxes = np.array(
        [np.full(4, np.nan) if box is None else box for count, box in stretches]
    ).repeat([count for count, _ in stretches], axis=0)
    points = np.where(np.isfinite(boxes)[:, :1, None], 120.0, np.nan) * np.ones((1, 21, 2))
    return [int(frame) for frame in taken_up_elsewhere(rows_of(points, boxes_xyxy=boxes))]


@pytest.mark.parametrize("gap", [1, 80])
def test_another_place_behind_a_gap(gap: int) -> None:
    assert _found((10, HERE), (gap, None), (10, THERE)) == [10 + gap]
    assert _found((10, HERE), (gap, None), (10, THERE), (gap, None), (9, HERE)) == [
        10 + gap,
        20 + 2 * gap,
    ]


def test_another_place_behind_a_pause_of_the_recording() -> None:
    boxes = np.array([HERE, THERE]).repeat([10, 10], axis=0)
    rows = rows_of(np.full((20, 21, 2), 120.0), boxes_xyxy=boxes)
    paused = replace(rows, time_s=rows.time_s + np.where(np.arange(20) < 10, 0.0, 10.0))
    assert taken_up_elsewhere(paused).tolist() == [10]
    joined = replace(rows, time_s=rows.time_s - np.where(np.arange(20) < 10, 0.0, 10.0))
    assert taken_up_elsewhere(joined).tolist() == [10]
    assert taken_up_elsewhere(rows).tolist() == []


def test_the_same_place_and_no_gap() -> None:
    assert _found((10, HERE), (80, None), (10, HERE)) == []
    assert _found((10, HERE), (80, None), (10, BESIDE)) == []
    assert _found((10, HERE), (10, BESIDE), (10, THERE)) == []
    assert _found((80, None), (10, THERE)) == []
    assert _found((10, THERE), (80, None)) == []
    assert _found((5, None)) == []
    assert taken_up_elsewhere(rows_of(np.zeros((0, 21, 2)))).tolist() == []
