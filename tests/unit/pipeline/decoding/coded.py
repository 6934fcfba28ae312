"""Small films, coded as tests need them, and what PyAV itself says of a file."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

SAMPLES = Path(__file__).parents[4] / "samples"
SIZE = (128, 96)
QUICK = {
    "libx264": {"preset": "ultrafast", "bf": "2"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "12"},
}
"""Settings of encoders; B-frames where they are cheap."""
COUNTING = ("mpeg4", "mpeg2video", "dvvideo")
"""Encoders that count frames, not time."""


class Truth(NamedTuple):
    """What PyAV gives, one thread, nothing of ours between."""

    pts: list[int | None]
    packet_pts: list[int | None]
    rgb: list[NDArray[np.uint8]]


def drawing(index: int, size_wh: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """A soft coloured picture (H, W, 3) whose pattern wanders; its four corners differ."""
    width, height = size_wh
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    waves = [
        0.5 + 0.3 * np.sin(5 * x + 0.15 * index) + 0.2 * y,
        0.2 + 0.6 * x * y + 0.1 * np.cos(6 * y - 0.1 * index),
        0.9 - 0.6 * x + 0.1 * np.sin(4 * (x + y) + 0.1 * index),
    ]
    return np.asarray(np.clip(np.stack(waves, -1), 0, 1) * 255, np.uint8)


@contextmanager
def usual_priority() -> Iterator[None]:
    """Give the thread its scheduling back: run as root, SVT-AV1 leaves its caller in real time.

    All that it starts afterwards would inherit that, and spin without ever letting others run.
    """
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameter)


def encode(
    path: Path,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    *,
    frames: int = 24,
    size_wh: tuple[int, int] = SIZE,
    pts: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    prepare: Callable[[VideoStream], None] | None = None,
    touch: "Callable[[av.Packet[VideoStream]], None] | None" = None,
    draw: Callable[[int, tuple[int, int]], NDArray[np.uint8]] = drawing,
) -> Path:
    """Write a film; `pts` count in 1/1000 s (every 40 if not given), `touch` sees each packet.

    `draw` makes a frame's coded picture of its index and size.
    """
    with (
        usual_priority(),
        av.open(path, "w", container_options=container_options or {}) as container,
    ):
        stream = container.add_stream(codec, 25, QUICK.get(codec, {}) | (options or {}))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size_wh
        stream.pix_fmt = pixels
        coarse = codec in COUNTING or path.suffix == ".avi"
        if not coarse:
            stream.codec_context.time_base = Fraction(1, 1000)
        if prepare is not None:
            prepare(stream)
        scale = 40 if coarse else 1
        container.start_encoding()
        stamps = [40 * i for i in range(frames)] if pts is None else pts
        for index, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(draw(index, size_wh), format="rgb24")
            frame.pts = stamp // scale
            packets = stream.encode(frame.reformat(format=pixels))
            _mux(container, packets, touch)
        _mux(container, stream.encode(None), touch)
    return path


def truth(path: Path) -> Truth:
    """Decode a film with PyAV alone."""
    with av.open(path) as container:
        packet_pts = [p.pts for p in container.demux(video=0) if p.size]
    with av.open(path) as container:
        frames = list(container.decode(video=0))
        rgb = [np.rot90(f.to_ndarray(format="rgb24"), f.rotation // 90 % 4) for f in frames]
        return Truth([f.pts for f in frames], packet_pts, [np.asarray(a, np.uint8) for a in rgb])


def _mux(
    container: av.container.OutputContainer,
    packets: "Sequence[av.Packet[VideoStream]]",
    touch: "Callable[[av.Packet[VideoStream]], None] | None",
) -> None:
    for packet in packets:
        if touch is not None:
            touch(packet)
        container.mux(packet)
