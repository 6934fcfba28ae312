"""From a stream of frames to keypoints: detect, follow and pose, window by window."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from model.runtime.detector import Detector
from model.runtime.pose import PoseEstimator
from model.spec.errors import ConfigurationError
from model.spec.sequence import Rows, Sightings
from workers.pipeline.errors import CancelledError, StateError
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.following.detecting import Look, look_at, sightings
from workers.pipeline.following.watching import Watch
from workers.pipeline.posing.poser import Poser
from workers.pipeline.posing.window_pose import WindowPose
from workers.pipeline.state import ExtractionState, model_facts, plain_facts
from workers.pipeline.timing import StageClock
from workers.pipeline.video import FrameSource, FrameWindow, VideoFrame


@dataclass(frozen=True, eq=False)
class WindowResult:
    """What one window gives.

    Attributes:
        rows: One for each of its frames.
        sightings: What the detector saw, in this window and in the first frame of the next.
        state: An extraction that is given this goes on behind the window.
    """

    rows: Rows
    sightings: Sightings
    state: ExtractionState


class Extraction:
    """Follows one infant through a video and finds its keypoints; iterate once.

    A window is given out when the next one has been decoded, because the detector looks at that
    one's first frame; at most two windows of the source are held. What comes out depends on the
    frames and on what is given here, never on when or in how many goes it is run.

    Args:
        source: Gives windows of `settings.window` frames, from the video's beginning.
        pose: The pose model; batches are full where its batch divides the window.
        detector: Best opened with a batch of 1: it is run on one frame at a time.
        settings: The numbers to go by.
        state: Where to go on; None starts at the first frame.
        cancelled: Asked once a window.
        clock: Counts the time of `decode` (waiting for it), `letterbox`, `detect`, `crop`, `pose`
            and `follow`.

    Raises:
        StateError: The state belongs to another video, other settings or other models.
    """

    def __init__(  # noqa: PLR0913 - what an extraction is made of
        self,
        source: FrameSource,
        pose: PoseEstimator,
        detector: Detector,
        settings: ExtractionSettings,
        *,
        state: ExtractionState | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        clock: StageClock | None = None,
    ) -> None:
        made_of = {
            "video": plain_facts(source.facts),
            "settings": plain_facts(settings),
            "pose": model_facts(pose.model_file, pose.options),
            "detector": model_facts(detector.model_file, detector.options),
        }
        if state is None:
            state = ExtractionState.at_start(made_of)
        state.check_made_of(made_of)
        self._state, self._settings = state, settings
        self._source, self._detector = source, detector
        self._cancelled = cancelled
        self._clock = StageClock() if clock is None else clock
        self._poser = Poser(pose, self._clock)

    def __iter__(self) -> Iterator[WindowResult]:
        """The windows' results, in order.

        Raises:
            CancelledError: `cancelled` said so.
            ConfigurationError: The source gives windows of another length.
            StateError: The state is no end of a window.
        """
        for window, ahead in _with_next(self._windows()):
            result = self._extract(window.frames, () if ahead is None else ahead.frames)
            self._state = result.state
            window.release()
            yield result

    def _windows(self) -> Iterator[FrameWindow]:
        """The source's windows that were not extracted yet."""
        windows, following = iter(self._source), self._state.next_frame
        while True:
            if self._cancelled():
                raise CancelledError("the extraction was told to stop")
            with self._clock.stage("decode"):
                window = next(windows, None)
            if window is None:
                return
            if window.frames[-1].index < self._state.next_frame:
                window.release()
                continue
            self._check_place(window.frames, following)
            following = window.frames[-1].index + 1
            yield window

    def _check_place(self, frames: Sequence[VideoFrame], following: int) -> None:
        """That a window lies where it must: behind the last one, at a multiple of the length."""
        first, length = frames[0].index, self._settings.window
        if first != following:
            raise StateError(f"cannot go on: expected a window from frame {following}, got {first}")
        if first % length or len(frames) > length:
            raise ConfigurationError(
                f"expected windows of {length} frames, got {len(frames)} from frame {first} on"
            )

    def _look(self, frame: VideoFrame) -> Look:
        """Show the detector a frame, with the infant's trunk down as far as quarter turns go."""
        posture = self._state.posture
        return look_at(
            frame,
            self._detector,
            min_score=self._settings.sighting_score,
            clock=self._clock,
            quarters=0 if posture is None else round(posture.angle_deg / 90),
        )

    def _extract(self, frames: Sequence[VideoFrame], ahead: Sequence[VideoFrame]) -> WindowResult:
        state, settings = self._state, self._settings
        watch = Watch(frames, ahead, state.memory, look=self._look, settings=settings)
        pose = WindowPose(frames, watch.boxes(), poser=self._poser, settings=settings)
        pose.find(state.posture)
        if (poor := pose.middle_of_collapse()) is not None:
            watch.look_again(frames[poor].index)
            pose.find_again(watch.boxes(), poor)
        with self._clock.stage("follow"):
            rows = pose.rows()
            following = ExtractionState(
                schema_version=1,
                next_frame=frames[-1].index + 1,
                memory=watch.memories[-1],
                posture=pose.next_posture(state.posture),
                made_of=state.made_of,
            )
        return WindowResult(rows, sightings(watch.looks), following)


def _with_next(windows: Iterable[FrameWindow]) -> Iterator[tuple[FrameWindow, FrameWindow | None]]:
    """Each window with the one behind it; None behind the last."""
    before = None
    for window in windows:
        if before is not None:
            yield before, window
        before = window
    if before is not None:
        yield before, None
