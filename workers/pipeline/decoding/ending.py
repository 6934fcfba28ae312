"""Whether a file ends before its container does: an upload or a copy that was broken off.

Demuxers do not say so: to them the file is over, and that is all.
"""

import struct

from workers.pipeline.decoding.container import Recording

_MOST_ATOMS = 1_000_000
"""Of a file in fragments."""
_CONTENT_ATOMS = (b"mdat", b"moof", b"moov")
"""What else lies behind the last one may be anything."""
_SEGMENT = b"\x18\x53\x80\x67"
_DV_PAL, _DV_PAL_BYTES, _DV_NTSC_BYTES = 0x80, 144_000, 120_000
"""A bit of a frame's fourth byte, and lengths of frames; DV of 50 and 100 Mbit/s has multiples."""


def ends_early(recording: Recording, demuxer: str) -> bool:
    """Whether the container claims more bytes than the file has.

    Args:
        recording: The open file; where it stands does not matter, and changes.
        demuxer: As `demuxer_of` names it. Streams of MPEG have no length of their own.
    """
    if demuxer == "mov":
        return _atom_overruns(recording)
    if demuxer == "avi":
        kind, length = struct.unpack("<4sI", _bytes_at(recording, 0, 8))
        return bool(kind == b"RIFF" and 8 + length > recording.size_bytes)
    if demuxer == "dv":
        pal = _bytes_at(recording, 3, 1)[0] & _DV_PAL
        return recording.size_bytes % (_DV_PAL_BYTES if pal else _DV_NTSC_BYTES) > 0
    return demuxer == "matroska" and _segment_overruns(recording)


def _atom_overruns(recording: Recording) -> bool:
    at = 0
    for _ in range(_MOST_ATOMS):
        length, kind, long_length = struct.unpack(">I4sQ", _bytes_at(recording, at, 16))
        if length == 1:
            length = long_length
        if length < 8:  # 0 reaches to the file's end, wherever that is
            return False
        at += length
        if at >= recording.size_bytes:
            return at > recording.size_bytes and kind in _CONTENT_ATOMS
    return False


def _segment_overruns(recording: Recording) -> bool:
    segment_at = _element_end(recording, 4)
    if segment_at is None or _bytes_at(recording, segment_at, 4) != _SEGMENT:
        return False
    end = _element_end(recording, segment_at + 4)
    return end is not None and end > recording.size_bytes


def _element_end(recording: Recording, at: int) -> int | None:
    """Where an element ends whose length lies at `at`; None where it is not said."""
    head = _bytes_at(recording, at, 8)
    size = 9 - head[0].bit_length()
    if size > 8:
        return None
    not_said = (1 << 7 * size) - 1
    length = int.from_bytes(head[:size], "big") & not_said
    return None if length == not_said else at + size + length


def _bytes_at(recording: Recording, at: int, count: int) -> bytes:
    """So many bytes, zeros where the file has none."""
    recording.seek(at)
    return recording.read(count).ljust(count, b"\0")
