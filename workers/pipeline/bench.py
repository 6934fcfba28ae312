"""What a whole extraction costs, stage by stage, beside its networks and the bare decoding."""

import resource
import time
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, get_args

import av
import numpy as np

from model.runtime.detector import Detector
from model.runtime.engines import EngineOptions
from model.runtime.pose import PoseEstimator
from model.spec.progress import Progress
from model.spec.sequence import Rows, Series
from model.spec.sequence_csv import read_csv
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.smoothing.series import SmoothingSettings
from workers.pipeline.timing import StageClock, StageTime
from workers.pipeline.video_folder import Request, VideoFolder

NETWORKS: Final = ("detect", "pose")
"""The stages in which the networks run."""


@dataclass(frozen=True, eq=False)
class Cost:
    """One video's whole extraction without preview, from opening it to the finished folder.

    Attributes:
        options: What ran the pose model.
        rows: What was found.
        wall_s: By the clock.
        own_cpu_s: Processor time of this process, all threads.
        decoder_cpu_s: Of the decoding process, its start with it.
        stages: Of this process, by name.
    """

    options: EngineOptions
    rows: Rows
    wall_s: float
    own_cpu_s: float
    decoder_cpu_s: float
    stages: dict[str, StageTime]

    @property
    def frames_per_s(self) -> float:
        """By the clock."""
        return len(self.rows) / self.wall_s

    @property
    def cpu_s(self) -> float:
        """Processor time of both processes."""
        return self.own_cpu_s + self.decoder_cpu_s

    @property
    def parts_cpu_s(self) -> dict[str, float]:
        """All of that by part: the decoding process, each stage, and what is between stages."""
        stages = {name: time.cpu_s for name, time in self.stages.items()}
        between = self.own_cpu_s - sum(stages.values())
        return {"decoder": self.decoder_cpu_s, **stages, "between": between}

    @property
    def networks_cpu_s(self) -> float:
        """Processor time of the two networks."""
        return sum(self.stages[name].cpu_s for name in NETWORKS if name in self.stages)

    def beside_networks_ms(self, decoding_cpu_s: float) -> float:
        """Processor time a frame, in ms, that is neither networks' nor bare decoding's."""
        rest = self.cpu_s - self.networks_cpu_s - decoding_cpu_s
        return 1000 * rest / len(self.rows)

    def overhead(self, decoding_cpu_s: float, *, once_cpu_s: float = 0.0) -> float:
        """Processor time of all, and of what is done once, over networks and bare decoding."""
        return (self.cpu_s + once_cpu_s) / (self.networks_cpu_s + decoding_cpu_s)


def cost_of(
    video: Path, pose: PoseEstimator, detector: Detector, *, frames: int | None = None
) -> Cost:
    """Do what `aggpose extract --no-preview` does, in a folder that is removed, and count.

    Args:
        video: The film.
        pose: The pose model.
        detector: The detector.
        frames: About so many from the beginning, in whole windows; None for all. What the decoder
            had done ahead by then counts.

    Raises:
        VideoError: The video cannot be used.
        OutputError: There is no room for temporary files.
    """
    extraction = ExtractionSettings()
    request = Request(
        extraction=extraction, smoothing=SmoothingSettings(), series=get_args(Series),
        preview=None, limits=Limits(),
        windows=None if frames is None else max(1, frames // extraction.window),
    )  # fmt: skip
    work = VideoFolder(
        pose, detector, request, program="bench",
        progress=lambda unit, total, _: Progress(total, unit, stream=StringIO()),  # unseen
        warn=lambda _: None,
    )  # fmt: skip
    with TemporaryDirectory(prefix="aggpose-bench-") as folder:
        clock = StageClock()
        wall, own, decoder = time.perf_counter(), time.process_time(), _children_cpu_s()
        work.fill(video, Path(folder), clock=clock)
        wall_s, own_s = time.perf_counter() - wall, time.process_time() - own
        decoder_s = _children_cpu_s() - decoder
        _, rows = read_csv(Path(folder) / "keypoints.csv")
    assert isinstance(rows, Rows)  # noqa: S101 - as a raw series is read
    return Cost(pose.options, rows, wall_s, own_s, decoder_s, clock.stages)


def _children_cpu_s() -> float:
    """Processor seconds of this process' ended children: each decoding process is one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
