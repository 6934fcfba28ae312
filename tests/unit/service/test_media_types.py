"""First bytes and what they are."""

import pytest

from service.media_types import JUDGED_BYTES, media_type


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"\0\0\0\x14ftypqt  ", "video/quicktime"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "video/quicktime"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", "video/x-matroska"),
        (b"RIFF\x10\0\0\0AVI LIST", "video/x-msvideo"),
        ((b"\x47" + bytes(187)) * 3, "video/mp2t"),
        ((bytes(4) + b"\x47" + bytes(187)) * 3, "video/mp2t"),
        (b"\0\0\1\xba\x44\0\4\0", "video/mpeg"),
        (b"\0\0\1\xba\x21\0\1\0", "video/mpeg"),
        (b"\x1f\x07\0\xbf\xf8", "video/dv"),
        (b"\x1f\x07\0\x3f\xf8", "video/dv"),
        (b"\0\0\1\xba", None),
        (b"\0\0\1\xba\x80", None),
        (b"\0\0\1\xb3\x44\0", None),
        (b"\x1f\x07\0\0", None),
        (b"", None),
        (b"ftyp", None),
        (b"RIFF\x10\0\0\0WAVE", None),
        (b"\x1a\x45\xdf\xa3 something else", None),
        (b"\x89PNG\r\n\x1a\n" + bytes(1000), None),
        (b"G" + bytes(187) + b"G" + bytes(187), None),
        (b"#EXTM3U\n#EXT-X-VERSION:3\n", None),
    ],
)
def test_containers_are_known_by_their_first_bytes(start: bytes, kind: str | None) -> None:
    assert media_type(start) == kind
    padded = start + b"\x01" * (JUDGED_BYTES - len(start)) if "mp2t" not in str(kind) else start
    assert media_type(padded) == kind
