"""The API over a new SQLite file and a new folder for every test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import migrations
from service.settings import Settings
from tests.model_files import write_empty_pose_model
from tests.service_api import Api, running_api


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that the migrations made."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.sqlite"
    migrations.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def settings(migrated_sqlite: Path, tmp_path: Path) -> Settings:
    """Everything in one folder."""
    return _settings(migrated_sqlite, tmp_path)


@pytest.fixture(scope="module")
def shared_api(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A running app for tests that leave nothing behind."""
    with running_api(_settings(migrated_sqlite, tmp_path_factory.mktemp("shared"))) as running:
        yield running


def _settings(migrated: Path, folder: Path) -> Settings:
    shutil.copy(migrated, folder / "aggpose.sqlite")
    models = folder / "models"
    models.mkdir()
    write_empty_pose_model(models)
    return Settings.read(data_dir=folder, models_dir=models, max_upload_bytes=1 << 20)


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    """A running app."""
    with running_api(settings) as running:
        yield running
