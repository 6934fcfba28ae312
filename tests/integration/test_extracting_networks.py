"""With exported models on a real engine: two runs and many goes give the same bytes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.export.parity import ParityReport
from model.runtime.detector import Detector
from model.runtime.engines import EngineOptions
from model.runtime.pose import PoseEstimator
from model.spec.sequence import Rows
from tests.films import ArraySource
from workers.pipeline.extracting import Extraction, WindowResult
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.state import ExtractionState

SETTINGS = ExtractionSettings(window=4, detect_every=4, min_pose_score=0.0)


def _film() -> list[NDArray[np.uint8] | None]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (40, 12, 16, 3), dtype=np.uint8)
    pictures: list[NDArray[np.uint8] | None] = [
        one.repeat(10, axis=0).repeat(10, axis=1) for one in coarse[:10]
    ]
    pictures[5] = None
    return pictures


def test_resumed_after_every_window(
    exported: tuple[Path, list[ParityReport]],
    write_detector: Callable[..., Path],
    tmp_path: Path,
) -> None:
    rows = [[8, 16, 56, 52, 0.4, 0], [20, 18, 40, 30, 0.3, 1]]
    pose = PoseEstimator.open(exported[0], EngineOptions(batch_size=4))
    detector = Detector.open(write_detector(tmp_path / "d.onnx", rows), EngineOptions(batch_size=1))
    film = ArraySource(_film(), window=4)

    def extraction(state: ExtractionState | None = None) -> Extraction:
        return Extraction(film, pose, detector, SETTINGS, state=state)

    unbroken = list(extraction())
    assert Rows.joined([one.rows for one in unbroken]).status.tolist() == [0] * 5 + [3] + [0] * 4
    state, resumed = None, list[WindowResult]()
    for _ in unbroken:
        resumed.append(next(iter(extraction(state))))
        state = ExtractionState.from_json(resumed[-1].state.to_json())
    for again in (list(extraction()), resumed):
        for one, two in zip(unbroken, again, strict=True):
            for name, column in vars(one.rows).items():
                assert column.tobytes() == getattr(two.rows, name).tobytes(), name
            assert one.state == two.state
