"""The decoding process may die, hang or lie; the worker goes on, and nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.pipeline.decoding.coded import encode
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.process import DecoderProcess
from workers.pipeline.decoding.protocol import Channel, End, Frame, Lost
from workers.pipeline.decoding.ring import SharedFrames
from workers.pipeline.decoding.source import open_video
from workers.pipeline.errors import (
    DecoderCostError,
    DecoderCrashedError,
    DecoderStalledError,
    VideoError,
)
from workers.pipeline.video import FrameWindow


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("films") / "film.mp4", frames=60)


def belongings() -> tuple[set[str], list[str]]:
    """Open descriptors and mapped shared memory of this process."""
    maps = Path("/proc/self/maps").read_text(encoding="ascii").splitlines()
    return {file.name for file in Path("/proc/self/fd").iterdir()}, [
        line for line in maps if "memfd:frames" in line
    ]


def lives(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")")[1].split()[0] != "Z"
        )
    except OSError:
        return False


def _release_all(windows: Iterator[FrameWindow]) -> None:
    for window in windows:
        window.release()


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (signal.SIGKILL, DecoderCrashedError),
        (signal.SIGSEGV, DecoderCrashedError),
        (signal.SIGXCPU, DecoderCostError),  # what the kernel sends beyond `decoder_cpu_s`
        (signal.SIGSTOP, DecoderStalledError),
    ],
)
def test_a_decoder_that_dies_or_hangs(
    film: Path, number: signal.Signals, error: type[VideoError]
) -> None:
    before = belongings()
    with open_video(film, window=4, windows=1, limits=Limits(stall_s=5.0)) as video:
        windows = iter(video)
        next(windows).release()
        os.kill(video.decoder_pid, number)
        with pytest.raises(error):
            _release_all(windows)
    assert not lives(video.decoder_pid)
    assert belongings() == before
    with open_video(film, window=60) as video:
        assert len(next(iter(video)).frames) == 60


def test_windows_that_are_held_hide_no_stalled_decoder(film: Path) -> None:
    before = belongings()

    def stall() -> None:
        with open_video(film, window=4, windows=2, limits=Limits(stall_s=5.0)) as video:
            windows = iter(video)
            held = [next(windows)]
            os.kill(video.decoder_pid, signal.SIGSTOP)
            held.extend(windows)

    with pytest.raises(DecoderStalledError):
        stall()
    assert belongings() == before


def test_nothing_is_left_behind(film: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no film")
    before = belongings()
    for path, read in ((film, 0), (film, 1), (film, 99), (text, 0)):
        try:
            with open_video(path, window=8) as video:
                windows = iter(video)
                for _ in range(read):
                    if (window := next(windows, None)) is not None:
                        window.release()
                pid = video.decoder_pid
            assert not lives(pid)
        except VideoError:
            assert path is text
    assert belongings() == before


def test_the_decoder_dies_with_its_parent(film: Path) -> None:
    script = """
        import sys, time
        from pathlib import Path
        from workers.pipeline.decoding.source import open_video
        video = open_video(Path(sys.argv[1]), window=4)
        next(iter(video))
        print(video.decoder_pid, flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(film)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert lives(pid)
        parent.kill()
    deadline = time.monotonic() + 5
    while lives(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not lives(pid)


def test_the_decoder_is_fenced_in(film: Path) -> None:
    with open_video(film, window=4) as video:
        limits = Path(f"/proc/{video.decoder_pid}/limits").read_text(encoding="ascii")
        status = Path(f"/proc/{video.decoder_pid}/status").read_text(encoding="ascii")
        environment = Path(f"/proc/{video.decoder_pid}/environ").read_bytes().decode().split("\0")
        standard = [Path(f"/proc/{video.decoder_pid}/fd/{i}").readlink() for i in range(3)]
    bounds = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()}
    assert bounds["Max file size"] == bounds["Max core file size"] == "0"
    assert bounds["Max open files"] == "64"
    assert bounds["Max cpu time"] == str(Limits().decoder_cpu_s)
    assert int(bounds["Max address space"]) < 4 * 2**30
    assert "NoNewPrivs:\t1" in status
    names = {line.split("=")[0] for line in environment if line}
    assert names <= {"LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "MALLOC_ARENA_MAX"}
    assert standard == [Path("/dev/null")] * 3


@pytest.mark.parametrize("lie", [b"[]", b"{", b'["Frame", {}]', b'["Os", {"x": 1}]', b"\xff"])
def test_nonsense_is_no_message(lie: bytes) -> None:
    ours, theirs = Channel.pair()
    theirs.send(lie)
    with pytest.raises(ValueError, match=r".") as caught:
        ours.receive(1.0)
    assert not isinstance(caught.value, OSError)
    theirs.close()
    assert ours.receive(1.0) is None
    ours.close()


def test_messages_keep_their_values() -> None:
    ours, socket = Channel.pair()
    theirs = Channel(socket)
    for message in (
        Frame(3, -(2**62), [128, 64], "bt709", full_range=False, transfer="sdr", cpu_s=0.25),
        Lost(None),
        End(1.5, cut_short=True),
    ):
        theirs.send(message)
        assert ours.receive(1.0) == message
    theirs.close()
    ours.close()


@pytest.mark.parametrize(
    ("slot", "strides"),
    [(9, [128, 64]), (-1, [128, 64]), (0, [10**9, 64]), (0, [-128, 64]), (0, [1]), ("0", [1, 1])],
)
def test_frames_beyond_the_memory_are_refused(slot: int, strides: list[int]) -> None:
    frames = SharedFrames()
    frames.lay_out((128, 96), 4, most_bytes=10**6)
    lie = Frame(slot, 0, strides, "bt709", full_range=False, transfer="sdr", cpu_s=0.0)
    with pytest.raises(DecoderCrashedError):
        frames.planes(lie)
    frames.close()


def test_the_shared_memory_cannot_shrink() -> None:
    frames = SharedFrames()
    frames.lay_out((128, 96), 4, most_bytes=10**6)
    with pytest.raises(PermissionError):
        os.ftruncate(frames.descriptor, 0)
    frames.close()


TASKS = """
    import hashlib
    from pathlib import Path
    import celery
    from workers.pipeline.decoding.source import open_video
    from workers.pipeline.errors import VideoError

    app = celery.Celery(broker="filesystem://", backend="file://{folder}/results")
    app.conf.update(
        broker_transport_options={{
            "data_folder_in": "{folder}/queue", "data_folder_out": "{folder}/queue",
            "control_folder": "{folder}/control", "polling_interval": 0.1,
        }},
        worker_hijack_root_logger=False,
    )

    @app.task(name="decode")
    def decode(path):
        import multiprocessing
        pts, digest = [], hashlib.sha256()
        try:
            with open_video(Path(path), window=8) as video:
                for window in video:
                    for frame in window.frames:
                        pts.append(frame.pts)
                        digest.update(frame.picture.rgb().tobytes())
                    window.release()
        except VideoError as error:
            return error.code
        import billiard
        return [pts, digest.hexdigest(), billiard.current_process().daemon]
"""


def test_inside_a_celery_worker(film: Path, tmp_path: Path) -> None:
    for name in ("queue", "control", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "decoding_tasks.py").write_text(
        textwrap.dedent(TASKS).format(folder=tmp_path), encoding="utf-8"
    )
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(film.read_bytes()[:200])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    client = """
        import json, sys
        from decoding_tasks import decode
        results = [decode.delay(path) for path in sys.argv[1:]]
        print(json.dumps([result.get(timeout=60) for result in results]))
    """
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "celery", "-A", "decoding_tasks", "worker"),
            *("--pool", "prefork", "-c", "1", "--without-gossip", "--without-mingle"),
        ],
        env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        answer = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(client), str(film), str(broken), str(film)],
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    finally:
        worker.terminate()
        worker.wait(30)
    first, code, again = json.loads(answer.stdout)
    assert code == "video.truncated"
    assert first == again
    stamps, _, daemon = first
    assert daemon  # which is why the decoder is no multiprocessing child
    assert len(stamps) == 60
    assert stamps == sorted(stamps)


def test_a_decoder_that_cannot_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = belongings()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(FileNotFoundError):
        DecoderProcess(0)
    assert belongings() == before
