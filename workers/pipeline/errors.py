"""Every error of the pipeline, in one glance; each has a code that never changes once released."""

from typing import ClassVar


class PipelineError(Exception):
    """Anything that went wrong on the way from a video to keypoints."""

    code: ClassVar[str] = "pipeline.error"


class VideoError(PipelineError):
    """A video cannot be used: the message says why, the subclass' code says it to machines."""

    code = "video.error"


class VideoMissingError(VideoError):
    """There is no such file, or it may not be read."""

    code = "video.missing"


class VideoNotAFileError(VideoError):
    """A folder, a pipe or a device: only ordinary files have an end."""

    code = "video.not_a_file"


class VideoEmptyError(VideoError):
    """The file holds no bytes."""

    code = "video.empty"


class VideoTooLargeError(VideoError):
    """The file holds more bytes than are allowed."""

    code = "video.too_large"


class UnsupportedContainerError(VideoError):
    """Not one of the containers that are read: mov/mp4, matroska/webm, avi, mpegts, mpeg, dv."""

    code = "video.unsupported_container"


class NoVideoStreamError(VideoError):
    """The file holds sound or data, but no moving picture."""

    code = "video.no_video_stream"


class UnsupportedCodecError(VideoError):
    """The picture is coded in a way that is not read."""

    code = "video.unsupported_codec"


class VideoTruncatedError(VideoError):
    """The file is cut short or damaged, so that nothing in it can be decoded."""

    code = "video.truncated"


class NoFramesError(VideoError):
    """The file is in order, and its video stream is empty."""

    code = "video.no_frames"


class DimensionsError(VideoError):
    """The picture is too large, or not a picture at all, or its pixels have no likely shape."""

    code = "video.dimensions"


class VideoTooLongError(VideoError):
    """The video lasts longer than is allowed."""

    code = "video.too_long"


class TooManyFramesError(VideoError):
    """The video has, or claims, more frames than are allowed."""

    code = "video.too_many_frames"


class FrameRateError(VideoError):
    """The video has more frames a second than are allowed."""

    code = "video.frame_rate"


class SizeChangedError(VideoError):
    """The picture's size, orientation or shape of pixels changes inside the video."""

    code = "video.size_changed"


class VideoMemoryError(VideoError):
    """Decoding takes more memory than is allowed."""

    code = "video.memory"


class DecoderCrashedError(VideoError):
    """The decoding process died: a fault in a codec, or somebody ended it."""

    code = "video.decoder_crashed"


class DecoderStalledError(VideoError):
    """The decoding process made no progress and was ended."""

    code = "video.decoder_stalled"


class DecoderCostError(VideoError):
    """Decoding took more processor time than is allowed."""

    code = "video.too_costly"


class WindowError(PipelineError):
    """Windows of frames are not handed back, or used after they were: a fault of the caller."""

    code = "pipeline.window"


class CancelledError(PipelineError):
    """The extraction was told to stop."""

    code = "pipeline.cancelled"


class StateError(PipelineError):
    """An extraction cannot go on from the state that was given: another video or other settings."""

    code = "pipeline.state"


class SmoothingError(PipelineError):
    """Settings of the smoothing that cannot be."""

    code = "pipeline.smoothing"


class CutoffError(PipelineError):
    """The cut-off that was asked for is too high for the film's frame rate; rows are not lost."""

    code = "pipeline.cutoff"


class RowsError(PipelineError):
    """A video's second pass gives other frames than the rows that its first pass left."""

    code = "pipeline.rows"
