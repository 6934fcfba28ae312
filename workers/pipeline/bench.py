"""What an extraction costs, stage by stage, beside its networks and the bare decoding."""

import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import av
import numpy as np

from model.runtime.detector import Detector
from model.runtime.engines import EngineOptions
from model.runtime.pose import PoseEstimator
from model.spec.sequence import Rows
from workers.pipeline.decoding.source import open_video
from workers.pipeline.extracting import Extraction
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.timing import StageClock, StageTime

NETWORKS: Final = ("detect", "pose")
"""The stages in which the networks run."""


@dataclass(frozen=True, eq=False)
class Cost:
    """One extraction, without preview.

    Attributes:
        options: What ran the pose model.
        rows: What was found.
        wall_s: By the clock.
        cpu_s: Processor time of all threads and of the decoding process.
        decoder_cpu_s: The decoding process' share of it.
        stages: Of this process, by name.
    """

    options: EngineOptions
    rows: Rows
    wall_s: float
    cpu_s: float
    decoder_cpu_s: float
    stages: dict[str, StageTime]

    @property
    def frames_per_s(self) -> float:
        """By the clock."""
        return len(self.rows) / self.wall_s

    @property
    def networks_cpu_s(self) -> float:
        """Processor time of the two networks."""
        return sum(time.cpu_s for name, time in self.stages.items() if name in NETWORKS)

    def beside_networks_ms(self, decoding_cpu_s: float) -> float:
        """Processor time a frame, in ms, that is neither networks' nor bare decoding's."""
        rest = self.cpu_s - self.networks_cpu_s - decoding_cpu_s
        return 1000 * rest / len(self.rows)

    def overhead(self, decoding_cpu_s: float) -> float:
        """Processor time of all, over that of the networks and bare decoding."""
        return self.cpu_s / (self.networks_cpu_s + decoding_cpu_s)


def cost_of(
    video: Path, pose: PoseEstimator, detector: Detector, settings: ExtractionSettings, frames: int
) -> Cost:
    """Extract a video's first frames (a whole number of windows of them) and count.

    Raises:
        VideoError: The video cannot be used.
    """
    clock = StageClock()
    windows = max(1, frames // settings.window)
    wall, cpu = time.perf_counter(), time.process_time()
    with open_video(video, window=settings.window) as source:
        extraction = Extraction(source, pose, detector, settings, clock=clock)
        rows = Rows.joined([result.rows for result in islice(extraction, windows)])
        decoder_cpu_s = source.decoder_cpu_s
    own = time.process_time() - cpu
    return Cost(
        pose.options, rows, time.perf_counter() - wall, own + decoder_cpu_s, decoder_cpu_s,
        clock.stages,
    )  # fmt: skip


def bare_decoding(video: Path, frames: int) -> float:
    """Processor seconds that PyAV needs for a video's first frames, decoded and left lying."""
    cpu = time.process_time()
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for _frame in islice(container.decode(stream), frames):
            pass
    return time.process_time() - cpu


def drift_px(cost: Cost, other: Cost) -> tuple[float, float]:
    """How far two runs' keypoints are apart: median and 95th percentile, px; NaN where none."""
    apart = np.linalg.norm(cost.rows.keypoints_xy - other.rows.keypoints_xy, axis=-1)
    apart = apart[np.isfinite(apart)]
    if not len(apart):
        return float("nan"), float("nan")
    middle, most = np.percentile(apart, (50, 95))
    return float(middle), float(most)
