"""How fast a model runs here: frames per second by the clock and per second of CPU time."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from model.runtime.engines import EngineName, EngineOptions, Precision
from model.runtime.pose import PoseEstimator
from model.spec.arrays import CropBatch


@dataclass(frozen=True)
class Timing:
    """One row of the table.

    Attributes:
        engine: What ran the model.
        precision: In what arithmetic.
        batch_size: Crops at a time.
        threads: CPU threads; 0 means the engine's own choice.
        frames_per_s: By the clock, median over rounds.
        frames_per_cpu_s: Per second of processor time of this process, median over rounds.
        rounds: How many were timed.
    """

    engine: EngineName
    precision: Precision
    batch_size: int
    threads: int
    frames_per_s: float
    frames_per_cpu_s: float
    rounds: int

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def time_model(path: Path, choices: list[EngineOptions], *, seconds: float) -> list[Timing]:
    """Time a pose model under several options, round by round in turn.

    Taking turns makes the rows comparable on a machine that is not quite idle.

    Args:
        path: A pose model.
        choices: What to time.
        seconds: About how long each row is timed.
    """
    generator = np.random.default_rng(0)
    runs = []
    for options in choices:
        estimator = PoseEstimator.open(path, options)
        shape = (options.batch_size, *estimator.manifest.input_hw, 3)
        crops = CropBatch(generator.integers(0, 256, shape, dtype=np.uint8))
        estimator.estimate(crops)
        estimator.estimate(crops)
        runs.append((options, estimator, crops))
    wall: list[list[float]] = [[] for _ in runs]
    cpu: list[list[float]] = [[] for _ in runs]
    start = time.perf_counter()
    while not wall[-1] or time.perf_counter() - start < seconds * len(runs):
        for i, (_, estimator, crops) in enumerate(runs):
            wall_start, cpu_start = time.perf_counter(), time.process_time()
            estimator.estimate(crops)
            wall[i].append((time.perf_counter() - wall_start) / len(crops))
            cpu[i].append((time.process_time() - cpu_start) / len(crops))
    return [
        Timing(
            options.engine,
            options.precision,
            options.batch_size,
            options.threads,
            1 / median(wall[i]),
            1 / median(cpu[i]),
            len(wall[i]),
        )
        for i, (options, _, _) in enumerate(runs)
    ]
