"""Opening a file: the demuxer is chosen by the first bytes, and no other file is opened."""

import os
import re
from collections.abc import Iterator
from typing import IO, cast

import av
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from workers.pipeline.errors import (
    NoVideoStreamError,
    UnsupportedCodecError,
    UnsupportedContainerError,
    VideoMemoryError,
    VideoTruncatedError,
)

CODECS = (
    "h264", "hevc", "vp9", "av1", "mpeg4", "mpeg2video", "mpeg1video", "dvvideo", "mjpeg",
)  # fmt: skip
_FIRST_BYTES = 1024
_MOV_ATOMS = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
_TS_SYNC, _TS_PACKETS = 0x47, ((0, 188), (4, 192))
_MPEG_PACK = re.compile(rb"\x00\x00\x01\xba[\x20-\x2f\x40-\x7f]")
"""A program stream's first pack, of MPEG-1 or MPEG-2."""
_DV_FRAME = re.compile(rb"\x1f\x07\x00[\x3f\xbf]")
"""The header of a frame of DV, NTSC or PAL."""
_READ_FAULTS = 64
"""Faults on end after which a file is read no further."""


class Recording:
    """The open file, as PyAV reads it: as long as it was when it was opened, and never written.

    It reads by position, so that several may share one descriptor.

    Attributes:
        size_bytes: Of the file.
        ended_in_faults: Whether the last packets that were read in full had faults behind them.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size_bytes = os.fstat(descriptor).st_size
        self.ended_in_faults = False
        self._at = 0

    def read(self, count: int) -> bytes:
        """Up to `count` bytes from where it stands."""
        count = min(count, self.size_bytes - self._at)
        data = os.pread(self._descriptor, count, self._at) if count > 0 else b""
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place and give it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size_bytes}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        """Where it stands."""
        return self._at


def demuxer_of(head: bytes) -> str:
    """The demuxer for a file that begins like this.

    Returns:
        `mov`, `matroska`, `avi`, `mpegts`, `mpeg` (a program stream) or `dv` (its bare frames).

    Raises:
        UnsupportedContainerError: None of them.
    """
    if head[4:8] in _MOV_ATOMS:
        return "mov"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    for first, step in _TS_PACKETS:
        if list(head[first : first + 3 * step : step]) == [_TS_SYNC] * 3:
            return "mpegts"
    if _MPEG_PACK.match(head):
        return "mpeg"
    if _DV_FRAME.match(head):
        return "dv"
    raise UnsupportedContainerError(
        "expected a video in mov/mp4, matroska/webm, avi, mpegts, mpeg (program stream) or raw dv"
    )


def open_container(recording: Recording) -> tuple[InputContainer, VideoStream]:
    """Open the file and choose its video; sound and all else is passed over.

    Raises:
        UnsupportedContainerError, NoVideoStreamError, UnsupportedCodecError: As they say.
        VideoTruncatedError: The container cannot be read.
        VideoMemoryError: Reading its header takes more memory than is allowed.
    """
    recording.seek(0)
    demuxer = demuxer_of(recording.read(_FIRST_BYTES))
    recording.seek(0)
    try:
        container = av.open(
            recording,
            "r",
            format=demuxer,
            container_options={
                "codec_whitelist": ",".join((*CODECS, "libdav1d")),
                # Where program streams are joined, the clock is set back; that is no overflow.
                "correct_ts_overflow": str(int(demuxer != "mpeg")),
            },
            metadata_errors="replace",
            io_open=_open_nothing,
        )
    except MemoryError as error:
        raise VideoMemoryError("the header needs more memory than is allowed") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoTruncatedError("the container is cut short or damaged") from error
    return container, _video_of(recording, container)


def packets(
    recording: Recording, container: InputContainer, stream: VideoStream
) -> Iterator["av.Packet[VideoStream]"]:
    """The stream's packets in the file's order; `opaque` is their number.

    What cannot be read is passed over: the file may go on behind it. If it does not, the recording
    ended in faults.
    """
    number = faults = 0
    while faults < _READ_FAULTS:
        try:
            for packet in container.demux(stream):
                if packet.size:  # an empty one would tell the decoder that the film ends
                    faults = 0
                    if container.format.name == "dv" and not _is_whole(recording, packet):
                        packet.is_corrupt = True
                    packet.opaque = number
                    number += 1
                    yield packet
        except (av.FFmpegError, MemoryError):
            faults += 1
        else:
            break
    recording.ended_in_faults = faults > 0


def _is_whole(recording: Recording, packet: "av.Packet[VideoStream]") -> bool:
    """Whether a packet is a frame of bare DV: its demuxer counts bytes, whatever they are.

    It fills up the last frame of a file that is cut off with the one before.
    """
    end = (packet.pos or 0) + packet.size
    return end <= recording.size_bytes and _DV_FRAME.match(memoryview(packet)) is not None


def _video_of(recording: Recording, container: InputContainer) -> VideoStream:
    stills = Disposition.attached_pic | Disposition.timed_thumbnails
    videos = [s for s in container.streams.video if not s.disposition & stills]
    if not videos:
        raise NoVideoStreamError("expected a moving picture, got none in the file")
    chosen = videos[0]
    for stream in container.streams:
        if stream is not chosen:
            stream.discard = Discard.all
    coder = cast("VideoCodecContext | None", chosen.codec_context)  # None: no decoder for it
    if coder is None and next(packets(recording, container, chosen), None) is None:
        raise VideoTruncatedError("the part of the container that names the codec is missing")
    name = "an unknown one" if coder is None else coder.codec.canonical_name
    if name not in CODECS:
        raise UnsupportedCodecError(f"expected a codec of {', '.join(CODECS)}, got {name}")
    return chosen


def _open_nothing(*_: object) -> IO[bytes]:
    """Some containers point at other files."""
    raise PermissionError("a video may not open other files")
