"""Every frame once, with its true time stamp and its picture, from every codec and container."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from av.error import InvalidDataError
from av.video.stream import VideoStream

from tests.unit.pipeline.decoding.coded import SAMPLES, SIZE, drawing, encode, truth
from workers.pipeline.decoding import frames
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.ring import SharedFrames
from workers.pipeline.decoding.source import VideoSource, open_video, probe
from workers.pipeline.errors import VideoMemoryError, WindowError
from workers.pipeline.video import FrameSource, VideoFrame

CODED = [
    ("libx264", "yuv420p", "mp4"),
    ("libx264", "yuv420p", "ts"),
    ("libx264", "yuv422p", "mkv"),
    ("libx264", "yuv444p", "mov"),
    ("libx264", "yuvj420p", "mp4"),
    ("libx264rgb", "rgb24", "mkv"),
    ("libx265", "yuv420p10le", "mp4"),
    ("libvpx-vp9", "yuv420p", "webm"),
    ("libsvtav1", "yuv420p10le", "mp4"),
    ("mpeg4", "yuv420p", "avi"),
    ("mpeg4", "yuv420p", "ts"),
    ("mjpeg", "yuvj420p", "avi"),
    ("mjpeg", "yuvj422p", "mov"),
]
NAMES = {"libx264": "h264", "libx264rgb": "h264", "libx265": "hevc", "libvpx-vp9": "vp9"}
NAMES |= {"libsvtav1": "av1"}
CONTAINERS = {"mp4": "mov", "mkv": "matroska", "webm": "matroska", "ts": "mpegts"}


def read_all(video: VideoSource) -> list[VideoFrame]:
    """All frames, their windows released: without their pictures."""
    frames: list[VideoFrame] = []
    for window in video:
        frames.extend(window.frames)
        window.release()
    return frames


@pytest.mark.parametrize(("codec", "pixels", "ending"), CODED)
def test_frames_are_those_that_pyav_gives(
    tmp_path: Path, codec: str, pixels: str, ending: str
) -> None:
    path = encode(tmp_path / f"film.{ending}", codec, pixels)
    expected = truth(path)
    assert len(expected.pts) == 24
    with open_video(path, window=7) as video:
        source: FrameSource = video
        stamps: list[int] = []
        for window in source:
            for frame in window.frames:
                assert frame.index == len(stamps)
                assert frame.time_s == pytest.approx(float(frame.pts * video.facts.time_base))
                stamps.append(frame.pts)
                assert frame.picture is not None
                found = frame.picture.rgb().astype(int)
                # Chroma is interpolated here, repeated there.
                assert np.abs(found - expected.rgb[frame.index]).mean() < 2.5
            assert len(window.frames) == min(7, 24 - window.frames[0].index)
            window.release()
    assert stamps == expected.pts
    assert sorted(stamps) == sorted(stamp for stamp in expected.packet_pts if stamp is not None)
    facts = video.facts
    assert facts.codec == NAMES.get(codec, codec)
    assert facts.container == CONTAINERS.get(ending, ending)
    assert facts.coded_wh == facts.displayed_wh == SIZE
    assert facts.bit_depth == (10 if "10" in pixels else 8)
    assert not facts.variable_frame_rate
    assert not facts.interlaced
    assert facts.size_bytes == path.stat().st_size
    assert video.decoder_cpu_s > 0


@pytest.mark.parametrize("sample", ["landscape", "parents-hand", "phone-portrait"])
def test_samples_have_every_frame(sample: str) -> None:
    path = SAMPLES / f"{sample}.mp4"
    with open_video(path, window=16) as video:
        stamps = [frame.pts for frame in read_all(video)]
    with av.open(path) as container:
        assert stamps == [frame.pts for frame in container.decode(video=0)]
    with av.open(path) as container:
        assert stamps == sorted(p.pts for p in container.demux(video=0) if p.pts is not None)
    assert video.facts.variable_frame_rate == (sample == "phone-portrait")
    assert video.facts.rotation_deg == (270 if sample == "phone-portrait" else 0)


def test_avi_counts_packets_and_frames_get_the_counts_in_order(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.avi", options={"preset": "medium", "bf": "3"})
    expected = truth(path).pts
    with open_video(path, window=16) as video:
        stamps = [frame.pts for frame in read_all(video)]
    assert stamps == sorted(stamp for stamp in expected if stamp is not None)
    assert stamps != expected  # PyAV hands on the order of decoding


def test_variable_rate_keeps_its_stamps(tmp_path: Path) -> None:
    wanted = np.cumsum([0, 20, 40, 33, 90, 34, 33, 21, 40, 500, 33, 33]).tolist()
    path = encode(tmp_path / "film.mkv", pts=wanted)
    with open_video(path, window=5) as video:
        frames = read_all(video)
    assert [frame.pts for frame in frames] == wanted
    np.testing.assert_allclose([frame.time_s for frame in frames], np.divide(wanted, 1000))
    assert video.facts.variable_frame_rate


def test_interlaced_is_said(tmp_path: Path) -> None:
    def fields(stream: VideoStream) -> None:
        stream.codec_context.flags |= av.codec.context.Flags.interlaced_dct

    path = encode(tmp_path / "film.mp4", options={"x264-params": "tff=1"}, prepare=fields)
    with open_video(path, window=16) as video:
        frames = read_all(video)
    assert video.facts.interlaced
    assert [frame.pts for frame in frames] == truth(path).pts


def _turn(degrees: int, *, mirrored: bool = False) -> Callable[[VideoStream], None]:
    return lambda stream: stream.set_display_rotation(degrees, hflip=mirrored)


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_are_turned_and_mirrored_as_displayed(
    tmp_path: Path, degrees: int, *, mirrored: bool
) -> None:
    path = encode(
        tmp_path / "film.mp4", frames=2, options={"crf": "5"},
        prepare=_turn(degrees, mirrored=mirrored),
    )  # fmt: skip
    displayed = np.rot90(drawing(0), degrees // 90)
    displayed = displayed[:, ::-1] if mirrored else displayed
    with open_video(path, window=2) as video:
        picture = next(iter(video)).frames[0].picture
        assert picture is not None
        assert video.facts.rotation_deg == degrees
        assert picture.displayed_wh == video.facts.displayed_wh == displayed.shape[1::-1]
        assert np.abs(picture.rgb().astype(int) - displayed).mean() < 2


def test_odd_sizes(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.webm", "libvpx-vp9", frames=2, size_wh=(101, 75))
    with open_video(path, window=2) as video:
        picture = next(iter(video)).frames[0].picture
        assert picture is not None
        assert np.abs(picture.rgb().astype(int) - drawing(0, (101, 75))).mean() < 6


def test_probe_says_what_open_says(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.mp4", frames=3)
    facts = probe(path)
    assert facts.num_frames_header == 3
    assert facts.frame_rate_header == pytest.approx(25)
    assert facts.duration_s_header == pytest.approx(0.12, abs=0.05)
    with open_video(path, window=4) as video:
        assert video.facts == facts


def test_windows_may_be_held_as_agreed_and_no_longer(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.mp4")
    with open_video(path, window=5, windows=2) as video:
        windows = iter(video)
        first, second = next(windows), next(windows)
        kept = first.frames[0].picture
        assert kept is not None
        kept.rgb()
        first.release()
        with pytest.raises(WindowError, match="not released"):
            kept.rgb()
        first.release()  # does no harm
        third = next(windows)
        assert [w.frames[0].index for w in (second, third)] == [5, 10]
        with pytest.raises(WindowError, match="released"):
            next(windows)
        with pytest.raises(WindowError, match="read"):
            next(iter(video))
    with pytest.raises(WindowError, match="at least one"):
        open_video(path, window=0)


def test_what_was_decoded_ahead_does_not_change_a_window(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.mp4", frames=60)
    expected = truth(path).rgb
    with open_video(path, window=4, windows=2) as video:
        held = None
        for window in video:
            for frame in window.frames:
                assert frame.picture is not None
                assert np.abs(frame.picture.rgb().astype(int) - expected[frame.index]).mean() < 2.5
            if held is not None:
                held.release()
            held = window


def test_a_window_is_decoded_ahead_where_there_is_room(tmp_path: Path) -> None:
    """While a window is worked on the next but one comes: no decoding stands in between."""
    path = encode(tmp_path / "film.mp4", frames=60)
    slot_bytes = SharedFrames.slot_bytes(SIZE)
    for most_bytes, slots in ((1 << 29, 24), (22 * slot_bytes, 22), (20 * slot_bytes, 20)):
        with open_video(path, window=8, limits=Limits(ring_bytes=most_bytes)) as video:
            assert len(read_all(video)) == 60
            assert video.num_slots == slots
    with (
        open_video(path, window=8, limits=Limits(ring_bytes=19 * slot_bytes)) as video,
        pytest.raises(VideoMemoryError),
    ):
        next(iter(video))


@pytest.mark.parametrize("broken", [12, 25, 33])
def test_what_a_decoder_leaves_out_without_a_word_is_damaged(tmp_path: Path, broken: int) -> None:
    """HEVC: nothing comes of the frames that refer to a broken one, and no fault is told."""
    path = encode(tmp_path / "film.mp4", "libx265", frames=40)
    whole = truth(path)
    with av.open(path) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        place, size = packets[broken].pos, packets[broken].size
    data = bytearray(path.read_bytes())
    assert place is not None
    data[place + 4 : place + min(size, 24)] = b"\xff" * (min(size, 24) - 4)
    path.write_bytes(data)
    assert len(truth(path).pts) < 40
    with open_video(path, window=8) as video:
        frames = read_all(video)
    assert [frame.pts for frame in frames] == whole.pts
    assert 0 < sum(frame.picture is None for frame in frames) == 40 - len(truth(path).pts)


def test_a_packet_that_a_decoder_refuses_is_one_row() -> None:
    """Also without a time stamp, by which it could be known to be left out."""

    def decode(packet: SimpleNamespace | None) -> list[SimpleNamespace]:
        if packet is None:
            return []
        if packet.pts is None:
            raise InvalidDataError(1, "damaged")
        return [SimpleNamespace(**vars(packet), interlaced_frame=False)]

    stamps: list[int | None] = [0, 1, None, 3]
    packets = [
        SimpleNamespace(opaque=i, pts=pts, is_corrupt=False, is_discard=False)
        for i, pts in enumerate(stamps)
    ]
    codec = SimpleNamespace(canonical_name="h264")
    coder: Any = SimpleNamespace(
        codec=codec, decode=decode, width=4, height=4, sample_aspect_ratio=None
    )
    source: Any = iter(packets)
    events = list(frames._careful(source, coder))  # noqa: SLF001 - no film has just this damage
    assert sorted((event.packet, event.frame is None) for event in events) == [
        (0, False), (1, False), (2, True), (3, False),
    ]  # fmt: skip
