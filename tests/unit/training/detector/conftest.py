"""Ultralytics, prepared once: the first call of a process chooses its settings' folder."""

from pathlib import Path

import pytest

from model.training.detector.offline import prepare_ultralytics


@pytest.fixture(scope="session")
def ultralytics_settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ultralytics")
    prepare_ultralytics(folder)
    return folder
