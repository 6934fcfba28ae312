"""A run's folder remembers what it is about, and is nobody else's."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from model.spec.errors import DatasetError, OutputError, TrainingError
from model.training.data.folder import read_folder
from model.training.detector.run import (
    RunSettings,
    gate_pictures_of,
    lay_out_data,
    provenance_of,
    read_run,
    start_run,
)

SETTINGS = RunSettings("data", "val", "yolo26n", 320, 16, None, 40.0, 0)


def test_settings_come_back(tmp_path: Path) -> None:
    start_run(tmp_path / "run", SETTINGS)
    assert read_run(tmp_path / "run") == SETTINGS
    with pytest.raises(TrainingError, match="got one with files"):
        start_run(tmp_path / "run", SETTINGS)
    (tmp_path / "run" / "run.json").write_text(json.dumps({"data": "x"}))
    with pytest.raises(TrainingError, match="damaged"):
        read_run(tmp_path / "run")
    with pytest.raises(TrainingError, match="expected a run to go on with, got none"):
        read_run(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        start_run(tmp_path / "file" / "run", SETTINGS)


def test_data_is_laid_out_once_and_needs_heads(drawn_set: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, data=str(drawn_set), val=str(drawn_set))
    data = lay_out_data(tmp_path, settings)
    train = data.train
    assert data.empty == 0
    mark = tmp_path / "data" / "train" / "labels" / "mark"
    mark.touch()
    lay_out_data(tmp_path, settings)
    assert mark.exists()
    provenance = provenance_of(data, settings, {"a": 0.5}, recipe="recipe", start=None)
    assert provenance.data == "set: 12 pictures, 9 infants"
    assert provenance.summary == "yolo26n from random weights on 12 labelled pictures"
    on = provenance_of(data, settings, {}, recipe="recipe", start=provenance)
    assert on.summary == (
        "yolo26n from (yolo26n from random weights on 12 labelled pictures) on 12 labelled pictures"
    )
    assert [one.shape for one in gate_pictures_of(train)] == [(96, 72, 3), (72, 96, 3)] * 2
    content = json.loads((drawn_set / "annotations.json").read_text())
    content["annotations"] = [a for a in content["annotations"] if a["category_id"] == 1]
    file = tmp_path / "bodies.json"
    file.write_text(json.dumps(content))
    (tmp_path / "images").symlink_to(drawn_set / "images")
    assert not read_folder(file).heads
    with pytest.raises(TrainingError, match="expected boxes of the category head, got none"):
        lay_out_data(tmp_path, replace(settings, val=str(file)))


def test_pictures_that_show_nobody_join_the_data(drawn_set: Path, tmp_path: Path) -> None:
    cots = tmp_path / "cots"
    (cots / "ward 2").mkdir(parents=True)
    for name in ("a.jpg", "ward 2/b.PNG"):
        picture = np.full((40, 60, 3), 90, np.uint8)
        _, coded = cv2.imencode(Path(name).suffix, picture)
        (cots / name).write_bytes(coded.tobytes())
    (cots / "notes.txt").write_text("ward 2 is the bright one")
    settings = replace(SETTINGS, data=str(drawn_set), val=str(drawn_set), empty=[str(cots)])
    start_run(tmp_path / "run", settings)
    assert read_run(tmp_path / "run") == settings
    data = lay_out_data(tmp_path / "run", settings)
    assert data.empty == 2
    images, labels = (tmp_path / "run" / "data" / "train" / name for name in ("images", "labels"))
    names = sorted(path.name for path in images.glob("empty-*"))
    assert names == ["empty-00000001.jpg", "empty-00000002.png"]
    assert (labels / "empty-00000002.txt").read_text() == ""
    assert len(list(images.iterdir())) == len(list(labels.iterdir())) == 12 + 2
    assert not list((tmp_path / "run" / "data" / "val").rglob("empty-*"))
    provenance = provenance_of(data, settings, {}, recipe="recipe", start=None)
    assert provenance.data == "set: 12 pictures, 9 infants and 2 that show nobody"


def test_empty_folders_are_checked_before_training(drawn_set: Path, tmp_path: Path) -> None:
    cots = tmp_path / "cots"
    cots.mkdir()
    settings = replace(SETTINGS, data=str(drawn_set), val=str(drawn_set), empty=[str(cots)])
    (tmp_path / "run").mkdir()
    with pytest.raises(DatasetError, match=r"expected pictures \(\.jpg, \.jpeg, \.png\), got none"):
        lay_out_data(tmp_path / "run", settings)
    (cots / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"a\.jpg: expected a whole picture"):
        lay_out_data(tmp_path / "run", settings)
    assert not (tmp_path / "run" / "data").exists()
