"""The service as docker-compose.yml starts it, on real servers, used by curl alone."""

import itertools
import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import av
import pytest

from tests.composed import Composed
from tests.servers import Victim
from tests.unit.docker.deployment import ROOT

CURL = shutil.which("curl") or "curl is needed"
FRAMES = 24
READY = b'{"status":"ok"}'
PATIENCE_S = 240.0
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


class Curl:
    """Requests by curl, with a key; one that fails is an error."""

    def __init__(self, url: str, key: str) -> None:
        self._words = [CURL, "-sSf", "-H", f"Authorization: Bearer {key}"]
        self._url = url

    def __call__(self, path: str, *options: str) -> bytes:
        done = subprocess.run(
            [*self._words, *options, self._url + path], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def finished(self, job: str) -> dict[str, object]:
        """The job, once it has ended."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found: dict[str, object] = json.loads(self(f"/v1/jobs/{job}?wait=10"))
            if found["finished_at"] is not None:
                return found
        raise AssertionError(f"the job is {found['state']}")


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

        sent = json.loads(curl("/v1/videos?extract=true", "-F", f"file=@{film}"))
        job = curl.finished(sent["job"]["id"])
        assert (job["state"], job["frames_done"]) == ("succeeded", FRAMES), job

        extracted = composed.run(
            "worker-cpu", "aggpose", "extract", str(film), "--out", str(tmp_path)
        )
        assert extracted.returncode == 0, extracted.stderr
        compare(curl, f"/v1/jobs/{job['id']}", tmp_path / "film")

        for name, victim in victims.items():
            # What was told to stop ends in order; uvicorn ends by the signal itself, at the end.
            ends = -signal.SIGTERM if name == "api" else 0
            assert victim.stop() == ends, composed.log(name).read_text()
    assert not any(composed.healthy(name) for name in ("api", "worker-cpu"))


def compare(curl: Curl, job: str, expected: Path) -> None:
    """What the API gives is what `aggpose extract` wrote, to the byte."""
    files = {
        "keypoints.json": "keypoints.json", "keypoints.csv": "keypoints.csv",
        "keypoints.json?series=filtered": "keypoints-filtered.json",
        "keypoints.csv?series=filtered": "keypoints-filtered.csv",
        "preview.masks.csv": "preview.masks.csv", "preview.mp4": "preview.mp4",
    }  # fmt: skip
    for path, name in files.items():
        assert curl(f"{job}/{path}") == (expected / name).read_bytes(), name
    csv = (expected / "keypoints.csv").read_bytes()
    assert csv.count(b"\n") == 1 + FRAMES
    assert curl(f"{job}/keypoints.csv", "-r", "10-99") == csv[10:100]
    assert curl(f"{job}/keypoints.csv", "-r", "-50") == csv[-50:]

    (frame, *_) = json.loads(curl(f"{job}/previews"))["frames"]
    still = curl(f"{job}/previews/{frame}.jpg")
    assert still[:2] == b"\xff\xd8"
    assert still == (expected / "stills" / f"{frame:07}.jpg").read_bytes()
    whole = curl(f"{job}/preview.mp4")
    assert whole[4:8] == b"ftyp"
    assert curl(f"{job}/preview.mp4", "-r", "100-199") == whole[100:200]
