"""Rooms in which real workers do real jobs: one folder, or PostgreSQL and Redis."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import migrations
from service.settings import Settings
from tests.hand_made_models import write_detector, write_pose
from tests.servers import Redis
from tests.worker_room import Room, write_film

FRAMES = 300
"""So many that a film can be caught in the middle."""


@pytest.fixture(scope="package")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pose model and a detector made by hand."""
    folder = tmp_path_factory.mktemp("models")
    write_pose(folder / "pose.onnx", "hand-made-pose")
    write_detector(folder / "detector.onnx")
    return folder


@pytest.fixture(scope="package")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film that takes a few seconds."""
    return write_film(tmp_path_factory.mktemp("films") / "ward 7.mp4", FRAMES)


@pytest.fixture(scope="package")
def expected(film: Path, models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `aggpose extract` leaves of the film."""
    out = tmp_path_factory.mktemp("expected")
    models = ["--model", models_dir / "pose.onnx", "--detector", models_dir / "detector.onnx"]
    words = ["extract", film, "--out", out, *models, "--engine", "cpu", "--threads", "1"]
    code = "from workers.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, *map(str, words)], check=True)
    return out / film.stem


@pytest.fixture(scope="package", params=["files", "servers"])
def settings(
    request: pytest.FixtureRequest, models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Those of one machine and one folder, or of a system with servers; with short times."""
    folder = tmp_path_factory.mktemp("room")
    common = {
        "data_dir": folder, "models_dir": models_dir, "lease_s": 3, "heartbeat_s": 0.5,
        "sweeper_s": 0.3, "visibility_s": 4,
    }  # fmt: skip
    if request.param == "files":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), folder / "aggpose.sqlite")
        yield Settings.read(**common)
        return
    database_url = request.getfixturevalue("postgresql")("workers")
    migrations.upgrade(database_url)
    # Not below pytest's own folder, which nobody else may enter.
    with tempfile.TemporaryDirectory() as open_folder:
        Path(open_folder).chmod(0o755)
        redis = Redis(Path(open_folder) / "redis")
        redis.start()
        yield Settings.read(**common, database_url=database_url, broker_url=redis.url)
        redis.kill()


@pytest.fixture(scope="package")
def room(settings: Settings) -> Iterator[Room]:
    """A system without workers and without jobs of others."""
    room = Room(settings, "hand-made-pose")
    yield room
    room.close()
