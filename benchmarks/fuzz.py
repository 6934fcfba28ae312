"""Does any file crash, hang or leak? Thousands of mutated films are decoded in one process.

Run: python benchmarks/fuzz.py [--count 2000] [--seed 0] [--keep FOLDER]

Each file ends within --seconds, in all of its frames or in an error whose code is promised to
callers; afterwards the process has the descriptors, children and shared memory that it had before.
A codec may crash its process, but our own code in there may not fail. What fails is kept, and the
exit status is 1. The last line counts what became of the files. The mutations of a seed are always
the same.
"""

import argparse
import math
import os
import random
import sys
import tempfile
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.source import VideoSource, open_video
from workers.pipeline.errors import DecoderCrashedError, VideoError

FILMS = (
    ("libx264", "yuv420p", "mp4"),
    ("libx264", "yuv422p", "ts"),
    ("libx265", "yuv420p10le", "mkv"),
    ("libvpx-vp9", "yuv420p", "webm"),
    ("libsvtav1", "yuv420p", "mp4"),
    ("mpeg4", "yuv420p", "avi"),
    ("mpeg2video", "yuv420p", "ts"),
    ("dvvideo", "yuv420p", "avi"),
    ("mjpeg", "yuvj420p", "mov"),
    ("mpeg2video", "yuv420p", "vob"),
    ("mpeg1video", "yuv420p", "mpg"),
    ("dvvideo", "yuv420p", "dv"),
)
OPTIONS = {"libx265": {"x265-params": "log-level=none"}, "libvpx-vp9": {"deadline": "realtime"}}
HEAD_BYTES = 2000
"""Where headers lie: every second mutation aims there."""
CODES = {error.code for error in VideoError.__subclasses__()}
"""What may become of a file beside frames."""


def main() -> int:
    """Mutate, decode, compare what is left; returns the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    options = parser.parse_args()
    failures, outcomes, slowest_s = [], Counter[str](), 0.0
    with tempfile.TemporaryDirectory() as folder:
        films = [make_film(Path(folder) / f"{i}.{film[2]}", *film) for i, film in enumerate(FILMS)]
        decode(films[0], options.seconds)  # whatever is made once is made now
        before = belongings()
        for number in range(options.count):
            draw = random.Random(f"{options.seed}-{number}")  # noqa: S311 - repeatable, not secret
            path = Path(folder) / "mutated.bin"
            path.write_bytes(mutated(draw.choice(films).read_bytes(), draw))
            begun = time.monotonic()
            outcome = decode(path, options.seconds)
            taken_s = time.monotonic() - begun
            slowest_s = max(slowest_s, taken_s)
            outcomes[outcome] += 1
            left = belongings()
            if outcome.startswith("!") or taken_s > options.seconds + 2 or left != before:
                failures.append(number)
                print(f"file {number}: {outcome}, {taken_s:.1f} s, left {left} of {before}")
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{options.seed}-{number}.bin").write_bytes(path.read_bytes())
                before = left
    counted = ", ".join(f"{times} {outcome}" for outcome, times in outcomes.most_common())
    print(
        f"{options.count} files, {len(failures)} failed, slowest {slowest_s:.1f} s: "
        f"{counted or 'nothing'}"
    )
    return 1 if failures else 0


def decode(path: Path, seconds: float) -> str:
    """What becomes of a file: `frames`, an error's code, or something with `!` that may not be."""
    try:
        with open_video(path, window=8, limits=Limits(stall_s=seconds)) as video:
            return extracted(video)
    except VideoError as error:
        # A codec's crash ends its process; otherwise it was Python that did not know what to do.
        ours = isinstance(error, DecoderCrashedError) and "by signal" not in str(error)
        known = error.code in CODES and str(error) and not ours
        return error.code if known else f"! {error.code}: {error}"
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return f"! {type(error).__name__}: {error}"


def extracted(video: VideoSource) -> str:
    """`frames` where the video comes whole: rows in a row, pictures as promised, and an end."""
    count = 0
    for window in video:
        for frame in window.frames:
            if frame.index != count or not math.isfinite(frame.time_s):
                return f"! frame {count} is number {frame.index} at {frame.time_s} s"
            if frame.picture is not None:
                if frame.picture.displayed_wh != video.facts.displayed_wh:
                    return f"! frame {count} is {frame.picture.displayed_wh} px"
                frame.picture.rgb((32, 32))
            count += 1
        window.release()
    if not count or video.facts.cut_short is None:
        return f"! {count} frames, and no end"
    return "frames"


def mutated(content: bytes, draw: random.Random) -> bytes:
    """A film with bits flipped, bytes set, pieces cut out, doubled or moved, or its end cut off."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 3, 10, 30))):
        span = len(data) if draw.random() < 0.5 else min(HEAD_BYTES, len(data))
        at, length = draw.randrange(span), draw.randrange(1, 64)
        match draw.randrange(6):
            case 0 | 1:
                data[at] ^= 1 << draw.randrange(8)
            case 2:
                data[at : at + 4] = draw.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"))
            case 3:
                del data[at : at + length]
            case 4:
                data[at:at] = data[at : at + length]
            case _:
                data[at : at + length] = draw.randbytes(length)
        if len(data) < 100:
            break
    if draw.random() < 0.15:
        del data[draw.randrange(1, len(data)) :]
    return bytes(data)


def make_film(path: Path, codec: str, pixels: str, _: str) -> Path:
    """A short moving pattern of pixels that are not square."""
    size_wh = (720, 576) if codec == "dvvideo" else (96, 64)
    x, y = np.meshgrid(*map(np.arange, size_wh))
    scheduling = os.sched_getscheduler(0), os.sched_getparam(0)
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, 25, OPTIONS.get(codec, {}))
        assert isinstance(stream, VideoStream)  # noqa: S101 - for the type checker
        (stream.width, stream.height), stream.pix_fmt = size_wh, pixels
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for index in range(20):
            picture = np.stack([x * 2 + index * 5, y * 3, (x + y) % (20 + index)], -1)
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode(None))
    os.sched_setscheduler(0, *scheduling)  # SVT-AV1 leaves its caller in real time
    return path


def belongings() -> tuple[int, int, int]:
    """Open descriptors, children, and mappings of shared frames."""
    task = Path("/proc/self/task")
    children = sum(
        len((each / "children").read_text(encoding="ascii").split()) for each in task.iterdir()
    )
    maps = Path("/proc/self/maps").read_text(encoding="ascii")
    return len(os.listdir("/proc/self/fd")), children, maps.count("memfd:frames")  # noqa: PTH208


if __name__ == "__main__":
    sys.exit(main())
