"""A run trains offline, stops when its time is over, and goes on where it was stopped."""

import json
import os
import socket
from pathlib import Path

import pytest
import torch

from model.spec.errors import CheckpointError, ConfigurationError
from model.training.data.folder import read_folder
from model.training.detector.yolo_folder import write_yolo_data

pytestmark = [
    pytest.mark.usefixtures("ultralytics_settings"),
    pytest.mark.filterwarnings("ignore"),  # of Ultralytics and of torch about it
]


def test_a_run_that_is_stopped_goes_on_and_asks_nobody(
    drawn_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model.training.detector import trainer  # noqa: PLC0415 - Ultralytics

    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *where, **_: asked.append(where))
    monkeypatch.setattr(socket.socket, "connect", lambda _, where: asked.append(where))
    data = read_folder(drawn_set)
    run = tmp_path / "run"
    run.mkdir()
    file = write_yolo_data(data, data, run / "data")
    plan = trainer.TrainingPlan(file, run, imgsz=64, batch=6, epochs=2)
    end = trainer.Trainer._end_epoch  # noqa: SLF001

    def stop(self: trainer.Trainer) -> None:
        end(self)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "_end_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            trainer.train(plan)
    assert trainer.read_speed(run).epochs == 1
    best = trainer.train(plan, resume=True)
    assert trainer.read_speed(run).epochs == 2
    rows = (run / "results.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2"]
    assert trainer.train(plan, resume=True) == best  # it had ended
    assert trainer.read_speed(run).epochs == 2
    network = trainer.build_detector("yolo26n", ("infant", "head"))
    network.load_state_dict(trainer.trained_state(best))
    assert 0 <= trainer.best_metrics(run)["val_map50"] <= 1
    assert asked == []
    written = {path.name for path in drawn_set.iterdir()}
    assert written == {"annotations.json", "images"}


def test_every_core_is_used(drawn_set: Path, tmp_path: Path) -> None:
    from model.training.detector import trainer  # noqa: PLC0415

    data = read_folder(drawn_set)
    file = write_yolo_data(data, data, tmp_path / "data")
    plan = trainer.TrainingPlan(file, tmp_path, imgsz=64, epochs=1, workers=3)
    threads = torch.get_num_threads()
    many = (os.cpu_count() or 1) + 8  # Ultralytics would take one fewer than there are, at most 8
    torch.set_num_threads(many)
    made = trainer.Trainer(plan, trainer.overrides_of(plan, "yolo26n", None))
    seen = torch.get_num_threads()
    torch.set_num_threads(threads)
    assert (seen, made.args.workers) == (many, 3)


def test_settling_shows_pictures_as_they_are_and_scores_weigh_more(
    drawn_set: Path, tmp_path: Path
) -> None:
    from model.training.detector import trainer  # noqa: PLC0415

    data = read_folder(drawn_set)
    file = write_yolo_data(data, data, tmp_path / "data")
    plans = [
        trainer.TrainingPlan(file, tmp_path, imgsz=64, epochs=1, settle=s) for s in (False, True)
    ]
    first, last = (
        trainer.Trainer(plan, trainer.overrides_of(plan, "yolo26n", None)).args for plan in plans
    )
    assert [plan.recipe for plan in plans] == ["yolo26n-synthetic", "yolo26n-synthetic-settle"]
    assert (first.mosaic, first.degrees) == (0.3, 180.0)
    assert (last.mosaic, last.degrees, last.cls) == (0.0, 0.0, 2 * first.cls)
    assert (last.flipud, last.fliplr, last.imgsz) == (0.5, 0.5, 64)


def test_epochs_by_the_time_that_is_left() -> None:
    from model.training.detector.trainer import Speed, epochs_in  # noqa: PLC0415

    assert epochs_in(40, Speed(1, 280.0)) == 8
    assert epochs_in(40, Speed(6, 2399.0)) == 6
    assert epochs_in(1, Speed(3, 600.0)) == 3  # over already


def test_plans_and_records_that_cannot_be(tmp_path: Path) -> None:
    from model.training.detector.trainer import (  # noqa: PLC0415
        TrainingPlan,
        best_metrics,
        read_speed,
    )

    with pytest.raises(ConfigurationError, match="either --epochs or --minutes"):
        TrainingPlan(tmp_path, tmp_path)
    with pytest.raises(ConfigurationError, match="a multiple of 32 px, got 100"):
        TrainingPlan(tmp_path, tmp_path, imgsz=100, epochs=1)
    (tmp_path / "speed.json").write_text(json.dumps({"epochs": "x"}))
    with pytest.raises(CheckpointError, match="damaged"):
        read_speed(tmp_path)
    with pytest.raises(CheckpointError, match="expected the figures of a run"):
        best_metrics(tmp_path)


def test_the_letterbox_is_ultralytics_own() -> None:
    import numpy as np  # noqa: PLC0415
    from ultralytics.data.augment import LetterBox  # noqa: PLC0415

    from model.runtime.letterbox import Letterbox  # noqa: PLC0415

    rng = np.random.default_rng(0)
    for width, height in ((640, 480), (360, 640), (97, 61), (64, 64), (31, 200), (1280, 719)):
        picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        ours = Letterbox.of((width, height), (96, 64)).apply(picture)
        np.testing.assert_array_equal(ours, LetterBox((64, 96))(image=picture))
