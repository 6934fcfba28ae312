"""Whatever a file holds, the answer is frames or an error with its own code, and it comes soon."""

import os
import random
import struct
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.unit.pipeline.decoding.coded import SAMPLES, drawing, encode, truth
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.source import open_video, probe
from workers.pipeline.errors import PipelineError, VideoError
from workers.pipeline.video import VideoFrame

SOON_S = 30.0
"""An idle machine needs a tenth of it; tests run beside others."""


def outcome(path: Path, limits: Limits | None = None) -> tuple[str, list[VideoFrame]]:
    """The error's code, or `ok`, and the frames until then; its message names no file."""
    begun = time.monotonic()
    frames: list[VideoFrame] = []
    code = "ok"
    try:
        with open_video(path, window=16, limits=limits) as video:
            for window in video:
                frames.extend(window.frames)
                window.release()
    except VideoError as error:
        said, code = str(error), error.code
        if path.name in said:
            pytest.fail(f"a message names the file: {said}")
    assert time.monotonic() - begun < SOON_S
    assert [frame.index for frame in frames] == list(range(len(frames)))
    return code, frames


def damaged(frames: list[VideoFrame]) -> list[int]:
    return [frame.index for frame in frames if frame.picture is None]


def check_damage(path: Path, stamps: Sequence[int | None]) -> None:
    """All frames are rows, one to three of them damaged, and the same ones every time."""
    rows = []
    for _ in range(2):
        code, frames = outcome(path)
        assert code == "ok"
        assert [frame.pts for frame in frames] == [*stamps]
        assert 1 <= len(damaged(frames)) <= 3
        rows.append(damaged(frames))
    assert rows[0] == rows[1]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("films") / "film.mp4")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "video.empty"),
        (b"Dear doctor,\n" * 99, "video.unsupported_container"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "video.unsupported_container"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "video.unsupported_container"),
        (b"\0\0\0\x20ftypisom" + b"\0" * 999, "video.truncated"),
    ],
)
def test_no_videos(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    assert outcome(path)[0] == code


def test_other_files(tmp_path: Path, film: Path) -> None:
    picture = tmp_path / "picture.mp4"
    picture.write_bytes(cv2.imencode(".jpg", drawing(0))[1].tobytes())
    assert outcome(picture)[0] == "video.unsupported_container"
    assert outcome(tmp_path / "none.mp4")[0] == "video.missing"
    assert outcome(tmp_path)[0] == "video.not_a_file"
    os.mkfifo(tmp_path / "endless.mp4")
    assert outcome(tmp_path / "endless.mp4")[0] == "video.not_a_file"
    script = tmp_path / "script.mp4"
    script.write_text(f"#EXTM3U\n#EXTINF:1,\n{film}\n")
    assert outcome(script)[0] == "video.unsupported_container"


def test_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", 48000, layout="mono")
        for index in range(9):
            silence = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.rate, frame.pts = 48000, 1024 * index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert outcome(path)[0] == "video.no_video_stream"


def test_codecs_that_are_not_read(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.mkv", "ffv1", frames=3)
    assert outcome(path)[0] == "video.unsupported_codec"


def test_no_frame_and_one(tmp_path: Path) -> None:
    assert outcome(encode(tmp_path / "none.avi", "mpeg4", frames=0))[0] == "video.no_frames"
    code, frames = outcome(encode(tmp_path / "one.mp4", frames=1))
    assert (code, len(frames), damaged(frames)) == ("ok", 1, [])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_short_with_its_index_at_the_end(tmp_path: Path, film: Path, share: float) -> None:
    content = film.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(content[: int(len(content) * share)])
    assert outcome(path)[0] == "video.truncated"


@pytest.mark.parametrize("ending", ["mkv", "ts"])
def test_cut_short_gives_the_frames_that_are_there(tmp_path: Path, ending: str) -> None:
    whole = encode(tmp_path / f"whole.{ending}")
    stamps = truth(whole).pts
    content = whole.read_bytes()
    path = tmp_path / f"cut.{ending}"
    path.write_bytes(content[: len(content) // 10])
    assert outcome(path)[0] == "video.truncated"
    for share, least in ((0.5, 6), (0.9, 18)):
        path.write_bytes(content[: int(len(content) * share)])
        code, frames = outcome(path)
        assert code == "ok"
        assert len(frames) >= least
        assert {frame.pts for frame in frames} <= set(stamps)
        assert len(damaged(frames)) <= 1


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits_give_the_same_rows_each_time(tmp_path: Path, seed: int) -> None:
    content = bytearray((SAMPLES / "landscape.mp4").read_bytes())
    draw = random.Random(seed)  # noqa: S311 - repeatable, not secret
    for _ in range(200):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path = tmp_path / "flipped.mp4"
    path.write_bytes(content)
    first, again = outcome(path), outcome(path)
    assert first[0] == again[0]
    assert [(f.pts, f.picture is None) for f in first[1]] == [
        (f.pts, f.picture is None) for f in again[1]
    ]


@pytest.mark.parametrize(
    ("codec", "pixels"), [("libx264", "yuv420p"), ("mpeg4", "yuv420p"), ("mjpeg", "yuvj420p")]
)
def test_a_damaged_frame_is_a_row_in_its_place(tmp_path: Path, codec: str, pixels: str) -> None:
    options = {"bf": "0"}
    whole = encode(tmp_path / "whole.mkv", codec, pixels, frames=40, options=options)
    with av.open(whole) as container:
        victim = [bytes(packet) for packet in container.demux(video=0) if packet.size][20]
    content = whole.read_bytes()
    at = content.index(victim) + len(victim) // 3
    path = tmp_path / "damaged.mkv"
    path.write_bytes(content[:at] + bytes(range(1, 30)) + content[at + 29 :])
    code, frames = outcome(path)
    assert code == "ok"
    assert [frame.pts for frame in frames] == truth(whole).pts
    assert damaged(frames) == [20]


def test_claims_of_huge_pictures(tmp_path: Path) -> None:
    content = bytearray(encode(tmp_path / "film.avi", "mjpeg", "yuvj420p").read_bytes())
    at = 0
    while (at := content.find(b"\xff\xc0\x00\x11\x08", at + 1)) >= 0:
        content[at + 5 : at + 9] = struct.pack(">HH", 20000, 20000)
    path = tmp_path / "huge.avi"
    path.write_bytes(content)
    assert outcome(path)[0] == "video.dimensions"


def test_claims_of_ten_million_frames(tmp_path: Path, film: Path) -> None:
    content = bytearray(film.read_bytes())
    sizes, times = content.index(b"stsz"), content.index(b"stts")
    content[sizes + 8 : sizes + 16] = struct.pack(">II", 100, 10_000_000)
    content[times + 8 : times + 16] = struct.pack(">II", 1, 10_000_000)
    path = tmp_path / "many.mp4"
    path.write_bytes(content)
    assert outcome(path)[0] == "video.too_many_frames"


def _earlier(packet: "av.Packet[av.VideoStream]") -> None:
    packet.pts = packet.dts = (packet.pts or 0) - 80


def _repeated(packet: "av.Packet[av.VideoStream]") -> None:
    packet.pts = packet.dts = (packet.pts or 0) // 80 * 80


@pytest.mark.parametrize(("touch", "begins"), [(_earlier, [-80, -40, 0]), (_repeated, [0, 0, 80])])
def test_negative_and_repeated_stamps(
    tmp_path: Path, touch: "Callable[[av.Packet[av.VideoStream]], None]", begins: list[int]
) -> None:
    path = encode(
        tmp_path / "film.mkv", "mjpeg", "yuvj420p", touch=touch,
        container_options={"avoid_negative_ts": "disabled"},
    )  # fmt: skip
    code, frames = outcome(path)
    assert (code, len(frames), damaged(frames)) == ("ok", 24, [])
    assert [frame.pts for frame in frames] == truth(path).pts
    assert [frame.pts for frame in frames[:3]] == begins


def test_edit_lists(tmp_path: Path) -> None:
    late = encode(tmp_path / "late.mp4", pts=[5000 + 40 * i for i in range(24)])
    cut = encode(
        tmp_path / "cut.mp4", "mjpeg", "yuvj420p", touch=_earlier,
        container_options={"avoid_negative_ts": "disabled"},
    )  # fmt: skip
    for path, count in ((late, 24), (cut, 22)):
        assert b"elst" in path.read_bytes()
        code, frames = outcome(path)
        assert (code, len(frames), damaged(frames)) == ("ok", count, [])
        assert [frame.pts for frame in frames] == truth(path).pts


def test_a_film_that_changes_its_size(tmp_path: Path) -> None:
    small, large = encode(tmp_path / "1.ts"), encode(tmp_path / "2.ts", size_wh=(160, 128))
    path = tmp_path / "both.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    code, frames = outcome(path)
    assert code == "video.size_changed"
    assert len(frames) == 16  # the windows before


def test_a_file_that_grows_ends_where_it_ended(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.ts")
    content, stop = path.read_bytes(), threading.Event()

    def grow() -> None:
        with path.open("ab") as file:
            while not stop.is_set():
                file.write(content)

    with open_video(path, window=4) as video:
        grower = threading.Thread(target=grow)
        grower.start()
        count = 0
        for window in video:
            count += len(window.frames)
            window.release()
        stop.set()
        grower.join()
    assert count == 24


def test_a_file_that_vanishes_is_read_to_its_end(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.mp4", frames=60)
    with open_video(path, window=4) as video:
        path.unlink()
        count = 0
        for window in video:
            count += len(window.frames)
            window.release()
    assert count == 60


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(size_bytes=100), "video.too_large"),
        (Limits(pixels=100 * 96), "video.dimensions"),
        (Limits(duration_s=0.5), "video.too_long"),
        (Limits(frames=20), "video.too_many_frames"),
        (Limits(frame_rate=20), "video.frame_rate"),
        (Limits(ring_bytes=100_000), "video.memory"),
    ],
)
def test_limits(film: Path, limits: Limits, code: str) -> None:
    assert outcome(film, limits)[0] == code


@pytest.mark.parametrize("decoder_bytes", [3_000_000, 8_000_000, 16_000_000, 30_000_000])
def test_a_lack_of_memory_is_no_damage(decoder_bytes: int) -> None:
    code, frames = outcome(SAMPLES / "landscape.mp4", Limits(decoder_bytes=decoder_bytes))
    assert not damaged(frames)
    if decoder_bytes < 5_000_000:
        assert code == "video.memory"
    else:  # it depends on the machine's threads
        assert (code, len(frames)) == ("ok", 250) or code == "video.memory"


def test_frames_are_counted_where_nothing_is_claimed(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.ts")
    assert probe(path).num_frames_header is None
    code, frames = outcome(path, Limits(frames=20))
    assert (code, len(frames)) == ("video.too_many_frames", 16)


def test_every_code_is_said_once() -> None:
    def below(kind: type[PipelineError]) -> list[type[PipelineError]]:
        return [kind, *(each for sub in kind.__subclasses__() for each in below(sub))]

    codes = [kind.code for kind in below(PipelineError)]
    assert len(set(codes)) == len(codes)
