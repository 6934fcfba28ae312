"""Files that end before their container does are told from whole ones, whatever bytes they hold."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import av
import pytest
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.pipeline.decoding.coded import SAMPLES, encode
from workers.pipeline.decoding.container import Recording, demuxer_of, packets
from workers.pipeline.decoding.ending import ends_early
from workers.pipeline.decoding.source import open_video

FASTSTART = {"movflags": "+faststart"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
BEGINNINGS = {
    "mov": (b"\0\0\0\x18ftypisom", b"\0\0\0\1mdat"),
    "avi": (b"RIFF",),
    "matroska": (b"\x1aE\xdf\xa3", b"\x1aE\xdf\xa3\x80\x18\x53\x80\x67"),
    "mpegts": (b"G",),
    "mpeg": (b"\0\0\1\xba\x44",),
    "dv": (b"\x1f\x07\0\xbf", b"\x1f\x07\0\x3f"),
}


@contextmanager
def recording_of(path: Path) -> Iterator[Recording]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield Recording(descriptor)
    finally:
        os.close(descriptor)


def early(path: Path) -> bool:
    with recording_of(path) as recording:
        return ends_early(recording, demuxer_of(recording.read(1024)))


def cut_short(path: Path) -> bool | None:
    with open_video(path, window=16) as video:
        assert video.facts.cut_short is None
        for window in video:
            window.release()
        return video.facts.cut_short


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("film.mp4", "libx264", FASTSTART),
        ("film.mov", "libx264", FASTSTART),
        ("fragments.mp4", "libx264", FRAGMENTS),
        ("film.mkv", "libx264", {}),
        ("film.avi", "mpeg4", {}),
    ],
)
def test_a_file_that_was_broken_off(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    path = encode(tmp_path / name, codec, frames=60, container_options=options)
    assert not early(path)
    assert cut_short(path) is False
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    assert early(path)
    assert cut_short(path) is True


@pytest.mark.parametrize("sample", sorted(path.name for path in SAMPLES.glob("*.mp4")))
def test_samples_are_whole(sample: str) -> None:
    assert not early(SAMPLES / sample)


def test_what_does_not_say_its_length_is_not_accused(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.ts")
    path.write_bytes(path.read_bytes()[:-1000])
    assert not early(path)
    film = encode(tmp_path / "film.mp4")
    film.write_bytes(film.read_bytes() + b"\xff\xff\xff\xffnote of a phone")
    assert not early(film)


@given(start=st.sampled_from(sorted(BEGINNINGS)), which=st.integers(0, 1), rest=st.binary())
def test_any_bytes_have_an_answer(start: str, which: int, rest: bytes) -> None:
    beginnings = BEGINNINGS[start]
    descriptor = os.memfd_create("bytes")
    try:
        os.write(descriptor, beginnings[which % len(beginnings)] + rest)
        assert ends_early(Recording(descriptor), start) in {True, False}
    finally:
        os.close(descriptor)


class _Faulty:
    """A container that gives so many packets and then a fault, turn by turn.

    In the end, or where a turn is negative (its packets, without the sign), it ends well.
    """

    format = av.ContainerFormat("mov", "r")

    def __init__(self, *turns: int) -> None:
        self.turns = list(turns)

    def demux(self, _: VideoStream) -> Iterator["av.Packet[Stream]"]:
        if self.turns:
            turn = self.turns.pop(0)
            for _number in range(abs(turn)):
                yield av.Packet(b"content")
            if turn >= 0:
                raise av.InvalidDataError(1, "made up")


@pytest.mark.parametrize(
    ("turns", "count", "faults"),
    [
        ((), 0, False),
        ((3, 0, -2), 5, False),  # faults in the middle alone
        ((3, 0, 2), 5, True),  # the end lies behind a fault
        ((3, *[0] * 63, 2), 3, True),  # given up
        ((3, *[0] * 200), 3, True),
    ],
)
def test_a_demuxer_that_ends_in_faults(
    tmp_path: Path, turns: tuple[int, ...], count: int, *, faults: bool
) -> None:
    (tmp_path / "file").write_bytes(b"content")
    container = cast("InputContainer", _Faulty(*turns))
    with recording_of(tmp_path / "file") as recording:
        found = list(packets(recording, container, cast("VideoStream", None)))
        assert [packet.opaque for packet in found] == list(range(count))
        assert recording.ended_in_faults is faults
