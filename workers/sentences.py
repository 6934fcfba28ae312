"""What clinicians read when a job has failed: one sentence a code, with what to do about it."""

from typing import Final

from model.spec.errors import ModelError
from service.errors import ServiceError
from workers.errors import WorkerError
from workers.pipeline.errors import PipelineError

_SENTENCES: Final = {
    "video.missing": "The video's file is no longer there; please upload it again.",
    "video.not_found": "The video was deleted while it was being worked on.",
    "blob.missing": "The video's file is no longer stored; please upload it again.",
    "blob.checksum": "The stored video's file is damaged; please upload it again.",
    "video.not_a_file": "The video is not an ordinary file; please upload it again.",
    "video.empty": "The video's file is empty; please export it from the camera again.",
    "video.too_large": "The video's file is too large for this service.",
    "video.unsupported_container": (
        "This is not a kind of video file that can be read; please export it as MP4, MOV, MKV, "
        "WebM, AVI, MPEG or DV."
    ),
    "video.no_video_stream": "The file holds no moving picture, only sound or other data.",
    "video.unsupported_codec": (
        "The picture is coded in a way that cannot be read; please export it as H.264 in MP4."
    ),
    "video.truncated": (
        "The video's file is damaged or was cut short, so that nothing in it can be read; please "
        "copy it from the camera again."
    ),
    "video.no_frames": "The video holds not a single picture.",
    "video.dimensions": "The video's picture is too large, or has no size or shape that can be.",
    "video.too_long": "The video is too long; please cut out the part that matters.",
    "video.too_many_frames": "The video has too many pictures; please cut out what matters.",
    "video.frame_rate": "The video has too many pictures a second.",
    "video.size_changed": (
        "The picture's size, orientation or shape changes in the middle of the video; please cut "
        "it there and upload the parts."
    ),
    "video.memory": "The video takes more memory than is allowed; please export it smaller.",
    "video.decoder_crashed": (
        "The video's file makes the decoder crash; please export it again as H.264 in MP4."
    ),
    "video.decoder_stalled": (
        "The video's file brings the decoder to a halt; please export it again as H.264 in MP4."
    ),
    "video.too_costly": "The video takes too much time to decode; please export it smaller.",
    "pipeline.state": (
        "The work on this video was begun with another model or on another kind of machine, and "
        "cannot go on; please start a new job."
    ),
    "pipeline.cutoff": (
        "The smoothing's cut-off is too high for the video's frame rate; please start a new job "
        "with a lower one, or without one."
    ),
    "pipeline.rows": (
        "The video's frames are not those that were extracted: its file has changed, or this "
        "version reads it in another way; please start a new job."
    ),
    "job.parameters": "The job's parameters cannot be used.",
    "model.unknown": "The machines that do the work do not have the model that was asked for.",
}
_USUAL: Final = "The work on this video failed; please tell whoever runs this service."

_WITH_REASON: Final = {
    "job.parameters", "model.unknown", "pipeline.cutoff", "pipeline.state", "video.dimensions",
    "video.frame_rate", "video.size_changed", "video.too_large", "video.too_long",
    "video.too_many_frames", "video.unsupported_codec", "video.unsupported_container",
}  # fmt: skip
"""Codes whose errors know a number or a name that helps; none of them knows a file's name."""


def sentence_for(error: ModelError | PipelineError | ServiceError | WorkerError) -> str:
    """What to tell people about an error that ended a job."""
    sentence = _SENTENCES.get(error.code, _USUAL)
    reason = str(error)
    return f"{sentence} ({reason})" if error.code in _WITH_REASON and reason else sentence
