"""The service used by curl alone, in whatever setting it runs."""

import json
import shutil
import subprocess
import time
from pathlib import Path

CURL = shutil.which("curl") or "curl is needed"
PATIENCE_S = 240.0


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


def film_to_results(curl: Curl, film: Path, expected: Path, *, query: str = "") -> None:
    """Upload a film and fetch what came out: what `aggpose extract` wrote, to the byte."""
    frames = (expected / "keypoints.csv").read_bytes().count(b"\n") - 1
    sent = json.loads(curl(f"/v1/videos?extract=true{query}", "-F", f"file=@{film}"))
    job = curl.finished(sent["job"]["id"])
    assert (job["state"], job["frames_done"]) == ("succeeded", frames), job
    _compare(curl, f"/v1/jobs/{job['id']}", expected)


def _compare(curl: Curl, job: str, expected: Path) -> None:
    files = {
        "keypoints.json": "keypoints.json", "keypoints.csv": "keypoints.csv",
        "keypoints.json?series=filtered": "keypoints-filtered.json",
        "keypoints.csv?series=filtered": "keypoints-filtered.csv",
        "preview.masks.csv": "preview.masks.csv", "preview.mp4": "preview.mp4",
    }  # fmt: skip
    for path, name in files.items():
        assert curl(f"{job}/{path}") == (expected / name).read_bytes(), name
    csv = (expected / "keypoints.csv").read_bytes()
    assert curl(f"{job}/keypoints.csv", "-r", "10-99") == csv[10:100]
    assert curl(f"{job}/keypoints.csv", "-r", "-50") == csv[-50:]

    frames = json.loads(curl(f"{job}/previews"))["frames"]
    stills = {f"{frame:07}.jpg": curl(f"{job}/previews/{frame}.jpg") for frame in frames}
    assert stills == {path.name: path.read_bytes() for path in (expected / "stills").iterdir()}
    assert all(still[:2] == b"\xff\xd8" for still in stills.values())
    assert stills
    whole = curl(f"{job}/preview.mp4")
    assert whole[4:8] == b"ftyp"
    assert curl(f"{job}/preview.mp4", "-r", "100-199") == whole[100:200]
