"""The models that jobs can be done with."""

import logging
from pathlib import Path

import pytest

from service.errors import ModelUnknownError
from service.models import DEFAULT_POSE_MODEL, ModelCatalogue
from tests.model_files import write_empty_pose_model


def names(catalogue: ModelCatalogue) -> list[str]:
    """Of all models."""
    return [model.manifest.name for model in catalogue.models()]


def test_a_folders_models_stand_beside_the_shipped(tmp_path: Path) -> None:
    shipped = names(ModelCatalogue())
    write_empty_pose_model(tmp_path, "another")
    assert names(ModelCatalogue(tmp_path)) == sorted({*shipped, "another"})


def test_the_usual_model_is_taken_when_none_is_asked_for(tmp_path: Path) -> None:
    write_empty_pose_model(tmp_path, "a")
    own = write_empty_pose_model(tmp_path)
    catalogue = ModelCatalogue(tmp_path)
    assert catalogue.pose_model().path == own
    assert catalogue.pose_model().manifest.name == DEFAULT_POSE_MODEL
    assert catalogue.pose_model("a").manifest.name == "a"
    with pytest.raises(ModelUnknownError, match="a, aggpose-t-infant21"):
        catalogue.pose_model("b")


def test_a_file_that_is_no_model_is_left_out_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    caplog.set_level(logging.WARNING)
    catalogue = ModelCatalogue(tmp_path)
    assert names(catalogue) == names(catalogue) == names(ModelCatalogue())
    assert len(caplog.records) == 1


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = write_empty_pose_model(tmp_path, "a")
    catalogue = ModelCatalogue(tmp_path)
    assert "a" in names(catalogue)
    write_empty_pose_model(tmp_path, "longer-name").replace(path)
    assert "a" not in names(catalogue)
    assert "longer-name" in names(catalogue)
    path.unlink()
    assert "longer-name" not in names(catalogue)
