"""Every error of the pipeline, in one glance; each has a code that never changes once released."""

from typing import ClassVar


class PipelineError(Exception):
    """Anything that went wrong on the way from a video to keypoints."""

    code: ClassVar[str] = "pipeline.error"


class VideoError(PipelineError):
    """A video cannot be used: the message says why, the subclass' code says it to machines."""

    code = "video.error"


class CancelledError(PipelineError):
    """The extraction was told to stop."""

    code = "pipeline.cancelled"


class StateError(PipelineError):
    """An extraction cannot go on from the state that was given: another video or other settings."""

    code = "pipeline.state"


class SmoothingError(PipelineError):
    """Settings of the smoothing that cannot be, or a cut-off too high for the film's rate."""

    code = "pipeline.smoothing"
