"""The service as docker-compose.yml starts it, on real servers, used by curl alone."""

import itertools
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import av
import pytest

from tests.composed import Composed
from tests.curl import CURL, PATIENCE_S, Curl, film_to_results
from tests.servers import Victim
from tests.unit.docker.deployment import ROOT

FRAMES = 24
READY = b'{"status":"ok"}'
RUNNING = ("api", "sweeper", "worker-preview", "worker-cpu")


@pytest.fixture(scope="module")
def composed() -> Iterator[Composed]:
    # Not in pytest's folder: as root the servers run as another user, from whom pytest shuts it.
    with tempfile.TemporaryDirectory(prefix="aggpose-composed-") as folder:
        Path(folder).chmod(0o711)
        system = Composed(Path(folder))
        with system.servers():
            yield system


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beginning of a sample, as it is coded."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(ROOT / "samples" / "landscape.mp4")) as given, av.open(str(path), "w") as cut:
        stream = cut.add_stream_from_template(given.streams.video[0])
        for packet in itertools.islice(given.demux(video=0), FRAMES):
            packet.stream = stream
            cut.mux(packet)
    return path


def wait_until_ready(composed: Composed, victims: Mapping[str, Victim]) -> None:
    """Come back when all that the API needs is there, two workers among it."""
    deadline = time.monotonic() + PATIENCE_S
    words = [CURL, "-sS", "--max-time", "10", f"{composed.url}/readyz"]
    while (done := subprocess.run(words, capture_output=True, check=False)).stdout != READY:
        alive = all(victim.is_alive() for victim in victims.values())
        if time.monotonic() > deadline or not alive:
            logs = "".join(composed.log(name).read_text() for name in RUNNING)
            raise AssertionError(f"{done.stdout!r} {done.stderr!r} {logs}")
        time.sleep(0.2)


def test_images_lack_what_they_do_not_ask_for(composed: Composed) -> None:
    for image, lacks in (("api", "torch onnxruntime openvino av"), ("worker-cpu", "torch onnx")):
        for module in lacks.split():
            done = composed.run(image, "python", "-c", f"import {module}")
            assert done.stderr.endswith(f"No module named '{module}'\n"), module
    assert composed.run("worker-cpu", "python", "-c", "import onnxruntime").returncode == 0


def test_from_nothing_to_keypoints_and_a_film(
    composed: Composed, film: Path, tmp_path: Path
) -> None:
    assert not composed.healthy("api")
    for _ in range(2):  # what is done once does nothing where it was done before
        for name in ("create-bucket", "migrate"):
            done = composed.run(name)
            assert done.returncode == 0, done.stderr
    assert not composed.healthy("worker-cpu")

    with composed.running(*RUNNING) as victims:
        wait_until_ready(composed, victims)
        assert all(composed.healthy(name) for name in ("api", "worker-cpu", "worker-preview"))
        made = composed.run("api", "aggpose", "keys", "create", "--tenant", "ward3")
        assert made.returncode == 0, made.stderr
        curl = Curl(composed.url, made.stdout.strip())

        extracted = composed.run(
            "worker-cpu", "aggpose", "extract", str(film), "--out", str(tmp_path)
        )
        assert extracted.returncode == 0, extracted.stderr
        film_to_results(curl, film, tmp_path / "film")
        assert (tmp_path / "film" / "keypoints.csv").read_bytes().count(b"\n") == 1 + FRAMES

        for name, victim in victims.items():
            # What was told to stop ends in order; uvicorn ends by the signal itself, at the end.
            ends = -signal.SIGTERM if name == "api" else 0
            assert victim.stop() == ends, composed.log(name).read_text()
    assert not any(composed.healthy(name) for name in ("api", "worker-cpu"))
