"""Clinics' archives: MPEG program streams, and DV as it came from the tape, without a container."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from tests.unit.pipeline.decoding.coded import drawing
from tests.unit.pipeline.decoding.test_hostile import check_damage, damaged, outcome
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.source import open_video, probe

PACK = b"\0\0\1\xba"
PICTURES = b"\0\0\1\xe0"
DV_BYTES = 144_000
"""Of a frame of PAL."""
HZ = 48000
FORMS = [
    ("vob", "mpeg2video", None),
    ("vob", "mpeg2video", "ac3"),
    ("svcd", "mpeg2video", "mp2"),
    ("mpeg", "mpeg1video", "mp2"),
    ("mpeg", "mpeg1video", None),
    ("dv", "dvvideo", None),
    ("dv", "dvvideo", "pcm_s16le"),
]


def film(
    path: Path,
    muxer: str,
    codec: str,
    sound: str | None = None,
    *,
    frames: int = 40,
    begin: int = 0,
) -> Path:
    """A film of 25 frames/s, its first frame being number `begin`, with silence beside it."""
    width, height = (720, 576) if codec == "dvvideo" else (192, 144)
    options = {"threads": "1"}  # with more the coder cuts pictures up, and other bytes come of it
    if codec != "dvvideo":
        options |= {"bf": "2", "g": "12", "qmin": "1", "qmax": "2"}
    with av.open(path, "w", format=muxer) as container:
        stream = container.add_stream(codec, 25, options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        silences = silence(container, sound, frames / 25)
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(drawing(index, (width, height)), format="rgb24")
            frame.pts = begin + index
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
            for piece in silences:
                container.mux(piece)
                if piece.pts is not None and piece.pts * piece.time_base >= (index + 1) / 25:
                    break
        container.mux(stream.encode(None))
    return path


def silence(
    container: OutputContainer, codec: str | None, seconds: float
) -> Iterator["av.Packet[AudioStream]"]:
    """Packets of so many seconds, in a stream of their own; none without a codec."""
    stream = None if codec is None else container.add_stream(codec, HZ, layout="stereo")
    return iter(()) if stream is None else silent_packets(cast("AudioStream", stream), seconds)


def silent_packets(stream: AudioStream, seconds: float) -> Iterator["av.Packet[AudioStream]"]:
    """Packets of so many seconds in this stream."""
    samples = stream.codec_context.frame_size or HZ // 25
    for begin in range(0, int(seconds * HZ), samples):
        frame = av.AudioFrame(stream.codec_context.format.name, "stereo", samples)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.rate, frame.pts, frame.time_base = HZ, begin, Fraction(1, HZ)
        yield from stream.encode(frame)


def decoded(path: Path, demuxer: str = "mpeg") -> list[int | None]:
    """The stamps of the frames that PyAV gives by itself."""
    with av.open(path, format=demuxer) as container:
        return [frame.pts for frame in container.decode(video=0)]


def packs(content: bytes) -> list[bytes]:
    """A program stream's packs."""
    return [PACK + rest for rest in content.split(PACK)[1:]]


@pytest.mark.parametrize(("muxer", "codec", "sound"), FORMS)
def test_frames_are_those_that_pyav_gives(
    tmp_path: Path, muxer: str, codec: str, sound: str | None
) -> None:
    frames = 6 if muxer == "dv" else 40
    path = film(tmp_path / "film.bin", muxer, codec, sound, frames=frames)
    demuxer = "dv" if muxer == "dv" else "mpeg"
    with av.open(path, format=demuxer) as container:
        assert bool(container.streams.audio) == (sound is not None)
        expected = list(container.decode(video=0))
    with open_video(path, window=8) as video:
        rows = []
        for window in video:
            for row in window.frames:
                assert row.picture is not None
                if video.facts.pixel_aspect_ratio == 1:
                    right = expected[row.index].to_ndarray(format="rgb24").astype(int)
                    assert np.abs(row.picture.rgb() - right).mean() < 2.5
                rows.append((row.pts, row.time_s))
            window.release()
    time_base = expected[0].time_base
    assert time_base is not None
    assert len(rows) == frames
    assert [pts for pts, _ in rows] == [frame.pts for frame in expected]
    assert [time_s for _, time_s in rows] == [
        float((frame.pts or 0) * time_base) for frame in expected
    ]
    facts = video.facts
    assert (facts.container, facts.codec, facts.cut_short) == (demuxer, codec, False)
    assert (facts.frame_rate_header, facts.variable_frame_rate) == (25, False)
    assert (rows[0][1] > 0) == (muxer != "dv")


@pytest.mark.parametrize("muxer", ["vob", "mpeg"])
def test_a_stream_that_is_cut_off_or_begins_in_the_middle(tmp_path: Path, muxer: str) -> None:
    codec = "mpeg1video" if muxer == "mpeg" else "mpeg2video"
    whole = film(tmp_path / "whole.mpg", muxer, codec, "mp2", frames=60)
    content, stamps = whole.read_bytes(), decoded(whole)
    path = tmp_path / "part.mpg"
    path.write_bytes(content[: len(content) // 2])
    code, frames = outcome(path)
    assert code == "ok"
    assert 20 < len(frames) < 50
    assert [frame.pts for frame in frames] == decoded(path) == stamps[: len(frames)]
    assert set(damaged(frames)) <= set(range(len(frames) - 3, len(frames)))
    parts = packs(content)
    path.write_bytes(b"".join(parts[len(parts) // 4 :]))
    code, frames = outcome(path)
    assert (code, damaged(frames)) == ("ok", [])
    assert 12 < len(frames) < 60
    assert [frame.pts for frame in frames] == decoded(path) == stamps[-len(frames) :]


def test_a_damaged_packet_is_a_row_and_the_same_every_time(tmp_path: Path) -> None:
    path = film(tmp_path / "film.vob", "vob", "mpeg2video")
    stamps, content = decoded(path), bytearray(path.read_bytes())
    at = content.index(PICTURES, len(content) // 2)
    content[at + 400 : at + 1000] = bytes(600)
    path.write_bytes(content)
    check_damage(path, stamps)


def test_a_pack_that_is_lost_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    path = film(tmp_path / "film.vob", "vob", "mpeg2video")
    stamps, parts = decoded(path), packs(path.read_bytes())
    del parts[len(parts) // 2]
    path.write_bytes(b"".join(parts))
    code, frames = outcome(path)
    assert code == "ok"
    assert [frame.pts for frame in frames] == decoded(path)
    assert len(stamps) - 3 <= len(frames)
    assert 1 <= len(damaged(frames)) <= 3


def test_stamps_may_stand_on_some_packets_only(tmp_path: Path) -> None:
    path = film(tmp_path / "film.vob", "vob", "mpeg2video")
    stamps, content = decoded(path), bytearray(path.read_bytes())
    at, taken = content.index(PICTURES), 0
    while (at := content.find(PICTURES, at + 4)) >= 0:
        if content[at + 7] & 0xC0 and (taken := taken + 1) % 3:
            content[at + 7] &= 0x3F
    path.write_bytes(content)
    assert taken > 12
    code, frames = outcome(path)
    assert (code, damaged(frames)) == ("ok", [])
    assert [frame.pts for frame in frames] == decoded(path) == stamps


@pytest.mark.parametrize("begin", [0, 25 * 600])
def test_parts_that_are_joined_set_the_clock_back(tmp_path: Path, begin: int) -> None:
    """FFmpeg takes a step back of more than a minute for the clock's overflow, after 26 hours."""
    first = film(tmp_path / "first.vob", "vob", "mpeg2video", "ac3", begin=begin)
    second = film(tmp_path / "second.vob", "vob", "mpeg2video", "ac3")
    path = tmp_path / "film.vob"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    code, frames = outcome(path)
    assert (code, damaged(frames)) == ("ok", [])
    assert [frame.pts for frame in frames] == decoded(first) + decoded(second)
    assert probe(path).frame_rate_header == 25


def test_what_is_too_long_is_known_by_its_frames(tmp_path: Path) -> None:
    """A program stream's duration is a guess, which alone refuses nothing."""
    path = film(tmp_path / "film.vob", "vob", "mpeg2video")
    code, frames = outcome(path, Limits(duration_s=1.0))
    assert code == "video.too_long"
    assert 0 < len(frames) <= 26


def test_frames_of_dv_that_are_none_are_rows_without_a_picture(tmp_path: Path) -> None:
    """Its demuxer would give whatever lies where a frame should, and fill up the last one."""
    path = film(tmp_path / "film.dv", "dv", "dvvideo", frames=6)
    whole, stamps = path.read_bytes(), decoded(path, "dv")
    at = 2 * DV_BYTES
    path.write_bytes(whole[:at] + bytes(80) + whole[at + 80 :])
    code, frames = outcome(path)
    assert (code, [frame.pts for frame in frames], damaged(frames)) == ("ok", stamps, [2])
    path.write_bytes(whole[: at + 5000] + whole[at + 5400 :])
    code, frames = outcome(path)
    assert (code, [frame.pts for frame in frames], damaged(frames)) == ("ok", stamps, [3, 4, 5])
    path.write_bytes(whole[: 4 * DV_BYTES + 70_000])
    code, frames = outcome(path)
    assert (code, [frame.pts for frame in frames], damaged(frames)) == ("ok", stamps[:5], [4])


@pytest.mark.parametrize(("rest", "cut_short"), [(0, False), (70_000, True)])
def test_dv_that_is_cut_off_in_a_frame_is_cut_short(
    tmp_path: Path, rest: int, *, cut_short: bool
) -> None:
    path = film(tmp_path / "film.dv", "dv", "dvvideo", frames=3)
    path.write_bytes(path.read_bytes()[: 2 * DV_BYTES + rest])
    with open_video(path, window=8) as video:
        for window in video:
            window.release()
    assert video.facts.cut_short is cut_short


@pytest.mark.parametrize(
    ("beginning", "code"),
    [
        (PACK, "video.unsupported_container"),
        (PACK + b"\x44", "video.truncated"),
        (PACK + b"\x21", "video.truncated"),
        (b"\x1f\x07\0", "video.unsupported_container"),
        (b"\x1f\x07\0\xbf", "video.truncated"),
    ],
)
def test_texts_that_begin_like_films_are_refused(
    tmp_path: Path, beginning: bytes, code: str
) -> None:
    path = tmp_path / "letter.mpg"
    for lines in (20, 99_999):
        path.write_bytes(beginning + b"\rDear doctor,\n" * lines)
        assert outcome(path) == (code, [])


def test_sound_alone_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "sound.mpg"
    with av.open(path, "w", format="mpeg") as container:
        for piece in silence(container, "mp2", 1):
            container.mux(piece)
    assert outcome(path)[0] == "video.no_video_stream"
