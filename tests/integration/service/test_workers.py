"""Workers on SQLite and a broker of files, as `aggpose up` runs them: real processes and films."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.settings import Settings
from tests.hand_made_pose import write_pose
from tests.worker_room import Room, write_film
from workers.previewing_job import ARTIFACTS

FRAMES = 70


@pytest.fixture(scope="module")
def models_dir(
    write_detector: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with a pose model and a detector made by hand."""
    folder = tmp_path_factory.mktemp("models")
    write_pose(folder / "pose.onnx", "hand-made-pose")
    rows = [[8.0, 14.0, 56.0, 50.0, 0.5, 0.0], [20.0, 16.0, 32.0, 26.0, 0.4, 1.0]]
    write_detector(folder / "always.onnx", rows)
    return folder


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("films") / "ward 7.mp4", FRAMES)


@pytest.fixture(scope="module")
def expected(film: Path, models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `aggpose extract` leaves of the film."""
    out = tmp_path_factory.mktemp("expected")
    models = ["--model", models_dir / "pose.onnx", "--detector", models_dir / "always.onnx"]
    words = ["extract", film, "--out", out, *models, "--engine", "cpu", "--threads", "1"]
    code = "from workers.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, *map(str, words)], check=True)
    return out / film.stem


@pytest.fixture
def room(migrated_sqlite: Path, models_dir: Path, tmp_path: Path) -> Iterator[Room]:
    """A folder as `aggpose up` makes it."""
    shutil.copy(migrated_sqlite, tmp_path / "aggpose.sqlite")
    settings = Settings.read(
        data_dir=tmp_path, models_dir=models_dir, lease_s=4, heartbeat_s=0.5, sweeper_s=0.3,
        visibility_s=5,
    )  # fmt: skip
    room = Room(settings, "hand-made-pose")
    yield room
    room.close()


def test_a_job_gives_what_aggpose_extract_gives(room: Room, film: Path, expected: Path) -> None:
    job_id = room.add(film)
    with room.worker():
        job = room.finished(job_id)
    assert (job.state, job.stage, job.error_detail) == ("succeeded", "done", None)
    assert (job.frames_done, job.frames_total) == (FRAMES, FRAMES)
    for name, kind in ARTIFACTS.items():
        if name.startswith("keypoints") or name.endswith(".masks.csv"):
            assert room.artifact(job_id, kind) == (expected / name).read_bytes(), name
