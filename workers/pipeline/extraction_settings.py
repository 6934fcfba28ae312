"""The numbers that an extraction goes by; they are stored with every result."""

from dataclasses import dataclass
from typing import ClassVar

from model.spec.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class ExtractionSettings:
    """How an infant is looked for, followed and judged.

    Attributes:
        window: Frames that are worked on together; best a multiple of the pose model's batch.
        detect_every: Frames from one look of the detector to the next; divides the window.
        extra_looks: How many more looks a window may take where the infant is lost or found.
        sighting_score: Detections from this score on are reported as seen.
        keep_score: A detection so sure goes on with the infant that is followed.
        start_score: A detection so sure can be taken up when none is followed. A head in its box
            makes it surer than its score (`Look.sureness`).
        min_overlap: IoU with the followed box from which on a detection can be the same infant.
        hold_frames: So long the last box is looked into when the detector has lost the infant; it
            counts as found there only where the pose model finds it.
        elsewhere_after_s: So long after it was lost the infant is only taken up where it was.
        min_pose_score: Frames whose keypoints' mean score is below are `low_confidence`; so are
            frames in which most keypoints lie beside the infant's box. A crop turns after a trunk
            only where each of its keypoints scores as much.
        collapse: Frames whose mean score is below this share of the usual are looked at again.

    Raises:
        ConfigurationError: A number out of its range.
    """

    MOST_FRAMES: ClassVar = 1024

    window: int = 16
    detect_every: int = 16
    extra_looks: int = 6
    sighting_score: float = 0.1
    keep_score: float = 0.15
    start_score: float = 0.3
    min_overlap: float = 0.25
    hold_frames: int = 16
    elsewhere_after_s: float = 3.0
    min_pose_score: float = 0.3
    collapse: float = 0.6

    def __post_init__(self) -> None:
        if not 1 <= self.window <= self.MOST_FRAMES:
            raise ConfigurationError(
                f"expected a window of 1 to {self.MOST_FRAMES} frames, got {self.window}"
            )
        if self.detect_every < 1 or self.window % self.detect_every:
            raise ConfigurationError(
                f"expected to detect every so many frames that they divide the window of "
                f"{self.window}, got {self.detect_every}"
            )
        for name in ("extra_looks", "hold_frames", "elsewhere_after_s"):
            if not getattr(self, name) >= 0:
                raise ConfigurationError(f"{name}: expected 0 or more, got {getattr(self, name)}")
        scores = ("sighting_score", "keep_score", "start_score", "min_overlap", "min_pose_score")
        for name in (*scores, "collapse"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(f"{name}: expected 0 to 1, got {getattr(self, name)}")
        if not self.sighting_score <= self.keep_score <= self.start_score:
            raise ConfigurationError(
                f"expected sighting_score <= keep_score <= start_score, got "
                f"{self.sighting_score}, {self.keep_score}, {self.start_score}"
            )
