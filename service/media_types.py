"""What kind of video an upload is, by its first bytes: names and headers may say anything."""

import re
from typing import Final

JUDGED_BYTES: Final = 4096
"""So many bytes, or the whole file where it is shorter, say what it is."""

_MP4_BOXES: Final = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}
_EBML: Final = b"\x1a\x45\xdf\xa3"
_TS_SYNC: Final = 0x47
_TS_PACKETS: Final = ((188, 0), (192, 4), (204, 0))
"""Length of a packet and the place of its first byte: plain, with time codes, with parity."""
_BEGINNINGS: Final = (
    (re.compile(rb"RIFF[\x00-\xff]{4}AVI "), "video/x-msvideo"),
    (re.compile(rb"\x00\x00\x01\xba[\x20-\x2f\x40-\x7f]"), "video/mpeg"),
    (re.compile(rb"\x1f\x07\x00[\x3f\xbf]"), "video/dv"),
)
"""AVI, the first pack of a program stream (MPEG-1 or MPEG-2), and a frame of DV (NTSC or PAL)."""


def media_type(start: bytes) -> str | None:
    """The media type of a container that is read, or None.

    Only a first sieve, against mistakes: whether the video can be read is the worker's to say.
    """
    if start[4:8] in _MP4_BOXES:
        quicktime = start[4:8] != b"ftyp" or start[8:12] == b"qt  "
        return "video/quicktime" if quicktime else "video/mp4"
    if start.startswith(_EBML):
        if b"webm" in start[:64]:
            return "video/webm"
        return "video/x-matroska" if b"matroska" in start[:64] else None
    if any(_in_packets(start, *form) for form in _TS_PACKETS):
        return "video/mp2t"
    return next((kind for pattern, kind in _BEGINNINGS if pattern.match(start)), None)


def _in_packets(start: bytes, length: int, first: int) -> bool:
    """Whether the bytes are those of an MPEG transport stream: each packet begins alike."""
    syncs = start[first::length]
    return len(syncs) >= 3 and set(syncs) == {_TS_SYNC}
