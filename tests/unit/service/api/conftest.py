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
    shutil.copy(migrated_sqlite, tmp_path / "aggpose.sqlite")
    models = tmp_path / "models"
    models.mkdir()
    write_empty_pose_model(models)
    return Settings.read(data_dir=tmp_path, models_dir=models, max_upload_bytes=1 << 20)


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    """A running app."""
    with running_api(settings) as running:
        yield running
