"""What a video says of itself, read in the child and checked against the limits."""

import math
import struct
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import cast

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from workers.pipeline.decoding.container import Recording, demuxer_of, open_container, packets
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.pixel_shape import is_plausible, square_wh
from workers.pipeline.decoding.protocol import Facts
from workers.pipeline.decoding.sandbox import check_room
from workers.pipeline.errors import (
    DimensionsError,
    FrameRateError,
    NoFramesError,
    TooManyFramesError,
    VideoError,
    VideoTooLongError,
    VideoTruncatedError,
)

_PACKETS = 300
"""Packets that show whether the frame rate varies."""
_REORDERED = 32
"""So many of them at most may be displayed behind one that comes later: 16 frames of two fields."""
_JITTER = 0.02
"""Of a step between frames; containers round time stamps to their time base beside it."""
_LEAST_SIDE_PX = 16
_USUAL_STEP_S = 1 / 25


def read_facts(recording: Recording, limits: Limits) -> Facts:
    """The facts of an open file, with its first frame decoded.

    Raises:
        VideoError: The file cannot be used, or goes beyond a limit; the subclass says why.
    """
    recording.seek(0)
    demuxer = demuxer_of(recording.read(1024))
    av.logging.set_level(av.logging.ERROR)  # so that errors carry what FFmpeg says
    container, stream = open_container(recording)
    with container:
        _check_claims(container, stream, limits)
        first, stamps = _begin(recording, container, stream, limits)
        steps = sorted(b - a for a, b in pairwise(stamps) if b > a)
        time_base = stream.time_base or Fraction(1, 90000)
        rate = _rate(stream, limits)
        step_s = _step_s(steps, time_base, rate)
        turned, mirrored = orientation_of(first)
        ratio = _pixel_aspect_ratio(stream, limits)
        check_size(*square_wh((first.width, first.height), ratio), limits)
        if len(steps) >= 10 and 1 / step_s > limits.frame_rate:
            raise FrameRateError(
                f"expected at most {limits.frame_rate:g} frames/s, got {1 / step_s:.0f}"
            )
        return Facts(
            container=demuxer,
            codec=stream.codec_context.codec.canonical_name,
            pixel_format=first.format.name,
            bit_depth=max(part.bits for part in first.format.components),
            coded_wh=(first.width, first.height),
            pixel_aspect_ratio=(ratio.numerator, ratio.denominator),
            rotation_deg=turned,
            mirrored=mirrored,
            time_base=(time_base.numerator, time_base.denominator),
            frame_rate_header=rate,
            duration_s_header=_duration_s(container, stream),
            num_frames_header=stream.frames if stream.frames > 0 else None,
            variable_frame_rate=_varies(steps),
            interlaced=first.interlaced_frame or stream.codec_context.field_order > 1,
            size_bytes=recording.size_bytes,
            step_s=step_s,
        )


def orientation_of(frame: VideoFrame) -> tuple[int, bool]:
    """How a frame is displayed: turned counter-clockwise by 0, 90, 180 or 270, then mirrored.

    PyAV's own `rotation` takes a mirrored picture for a turned one.
    """
    described = cast("SideDataContainer", frame.side_data)  # as it is; its stub says otherwise
    if (matrix := described.get(SideDataType.DISPLAYMATRIX)) is None:
        return 0, False
    a, b, _, c, d, *_ = struct.unpack("9i", bytes(matrix))
    mirrored = a * d - b * c < 0
    angle_deg = math.degrees(math.atan2(-b, -a if mirrored else a))
    return round(angle_deg / 90) % 4 * 90, mirrored


def _pixel_aspect_ratio(stream: VideoStream, limits: Limits) -> Fraction:
    """What the container says of it, else the codec with the first frame; 1 where neither does.

    A ratio that no camera has is refused: were it passed over, lengths and angles would be wrong
    without a word.
    """
    ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or Fraction(1)
    if not is_plausible(ratio, limits.pixel_aspect):
        raise DimensionsError(
            f"expected pixels of 1:{limits.pixel_aspect:g} to {limits.pixel_aspect:g}:1, "
            f"got {ratio.numerator}:{ratio.denominator}"
        )
    return ratio


def _begin(
    recording: Recording, container: InputContainer, stream: VideoStream, limits: Limits
) -> tuple[VideoFrame, list[int]]:
    """The first frame that can be decoded, and the first packets' time stamps in order.

    They are without gaps: none is among them that a packet behind the first ones may precede.
    """
    stream.codec_context.options = {"max_pixels": str(limits.pixels)}
    stamps: list[int] = []
    faults: set[type[VideoError]] = set()
    first, number = None, 0
    for packet in packets(recording, container, stream):
        number += 1
        if packet.pts is not None and number <= _PACKETS:
            stamps.append(packet.pts)
        if first is None:
            first = _first_of(stream, packet, faults)
        if first is not None and number >= _PACKETS:
            break
    if first is None and number:
        first = _first_of(stream, None, faults)
    if first is not None:
        check_size(first.width, first.height, limits)
        return first, sorted(stamps)[: _PACKETS - _REORDERED]
    if DimensionsError in faults:
        raise DimensionsError(f"expected at most {limits.pixels} px in all, got more")
    if number or stream.frames or _duration_s(container, stream):
        raise VideoTruncatedError("none of its frames can be decoded")
    raise NoFramesError("the video stream holds no frames")


def _first_of(
    stream: VideoStream,
    packet: "av.Packet[VideoStream] | None",
    faults: set[type[VideoError]],
) -> VideoFrame | None:
    try:
        return next(iter(stream.codec_context.decode(packet)), None)
    except av.FFmpegError as error:
        check_room((stream.codec_context.width, stream.codec_context.height))
        # FFmpeg's code says no more than that the data are invalid.
        faults.add(DimensionsError if "Picture size" in str(error) else VideoTruncatedError)
        return None


def _check_claims(container: InputContainer, stream: VideoStream, limits: Limits) -> None:
    width, height = stream.codec_context.width, stream.codec_context.height
    if width or height:
        check_size(width, height, limits)
    if stream.frames > limits.frames:
        raise TooManyFramesError(f"expected at most {limits.frames} frames, got {stream.frames}")
    if container.format.name == "mpeg":  # its duration is a guess
        return
    if (duration_s := _duration_s(container, stream) or 0.0) > limits.duration_s:
        raise VideoTooLongError(f"expected at most {limits.duration_s:g} s, got {duration_s:.0f} s")


def check_size(width: int, height: int, limits: Limits) -> None:
    """Raises DimensionsError for a picture that is too large or too small."""
    if width * height > limits.pixels or min(width, height) < _LEAST_SIDE_PX:
        raise DimensionsError(
            f"expected sides of {_LEAST_SIDE_PX} px or more and at most {limits.pixels} px in all, "
            f"got {width}x{height}"
        )


def _duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.duration > 0 and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration and container.duration > 0:
        return container.duration / av.time_base
    return None


def _rate(stream: VideoStream, limits: Limits) -> float | None:
    """What the container claims. Where it says nothing, FFmpeg gives ticks a second at times."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= limits.frame_rate:
            return float(rate)
    return None


def _step_s(steps: list[int], time_base: Fraction, rate: float | None) -> float:
    if steps:
        return float(median(steps) * time_base)
    return 1 / rate if rate else _USUAL_STEP_S


def _varies(steps: list[int]) -> bool:
    if not steps:
        return False
    usual = median(steps)
    allowed = max(1.0, _JITTER * usual)
    return usual - steps[0] > allowed or steps[-1] - usual > allowed
