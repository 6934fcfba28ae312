"""`aggpose bench` counts all that `aggpose extract --no-preview` does with a film, once each."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from model.runtime.detector import Detector
from model.runtime.engines import EngineOptions
from model.runtime.pose import PoseEstimator
from model.spec.errors import MissingPackageError
from tests.hand_made_models import write_detector, write_pose
from tests.tracks import rows_of
from tests.unit.pipeline.decoding.coded import encode
from workers.cli import app
from workers.pipeline import commands
from workers.pipeline.bench import Cost, bare_decoding, cost_of, drift_px
from workers.pipeline.timing import StageTime

FRAMES = 40
STAGES = {
    "hash", "decode", "letterbox", "detect", "crop", "pose", "follow", "journal", "write", "smooth",
    "quality",
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return write_pose(folder / "p.onnx", "p"), write_detector(folder / "d.onnx")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("films") / "film.mp4", frames=FRAMES)


def test_every_second_is_in_one_part(
    models: tuple[Path, Path], film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    options = EngineOptions(engine="cpu", threads=1)
    pose, detector = PoseEstimator.open(models[0], options), Detector.open(models[1], options)
    cost = cost_of(film, pose, detector)
    assert len(cost.rows) == FRAMES
    assert cost.stages.keys() == STAGES
    assert cost.stages["journal"].calls == 3
    assert cost.stages["write"].calls == 2
    parts = cost.parts_cpu_s
    assert parts.keys() == {"decoder", "between"} | cost.stages.keys()
    assert sum(parts.values()) == pytest.approx(cost.cpu_s)
    assert parts["decoder"] > 0.05  # a Python that imports PyAV
    assert parts["between"] > -1e-3
    assert cost.wall_s > sum(stage.wall_s for stage in cost.stages.values())
    assert not list(tmp_path.iterdir())
    few = cost_of(film, pose, detector, frames=20)
    assert len(few.rows) == 16
    np.testing.assert_array_equal(few.rows.pts, cost.rows.pts[:16])


def test_ratios_are_of_the_whole() -> None:
    rows = rows_of(np.zeros((10, 2, 2)))
    stages = {
        "pose": StageTime(1, 2.0, 1),
        "detect": StageTime(1, 1.0, 1),
        "smooth": StageTime(1, 0.5, 1),
    }
    cost = Cost(EngineOptions(engine="cpu"), rows, 5.0, 4.5, 1.5, stages)
    assert cost.frames_per_s == 2
    assert cost.cpu_s == 6
    assert cost.parts_cpu_s == {"decoder": 1.5, "pose": 2, "detect": 1, "smooth": 0.5, "between": 1}
    assert cost.beside_networks_ms(1.0) == pytest.approx(200)  # (6 - 3 - 1) s of 10 frames
    assert cost.overhead(1.0) == pytest.approx(6 / 4)
    assert cost.overhead(1.0, once_cpu_s=2.0) == pytest.approx(8 / 4)


def test_drift_is_between_keypoints_that_both_have() -> None:
    options, one, other = (
        EngineOptions(engine="cpu"),
        *(rows_of(np.zeros((4, 2, 2))) for _ in range(2)),
    )
    other.keypoints_xy[:, 0] += (3, 4)
    other.keypoints_xy[:, 1] = np.nan
    first, second = (Cost(options, rows, 1, 1, 1, {}) for rows in (one, other))
    assert drift_px(second, first) == (5, 5)
    other.keypoints_xy[:] = np.nan
    assert np.isnan(drift_px(second, first)).all()


def test_bare_decoding_takes_time(film: Path) -> None:
    assert 0 < bare_decoding(film, FRAMES) < 5


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_shows_all_of_it_in_one_table(
    models: tuple[Path, Path], film: Path, *, as_json: bool
) -> None:
    words = ["bench", film, "--model", models[0], "--detector", models[1], "--engine", "cpu"]
    more = ["--threads", "1", "--frames", "16", *(["--json"] if as_json else [])]
    result = CliRunner().invoke(app, [*map(str, words), *more])
    assert result.exit_code == 0, result.output
    if not as_json:
        head, _, columns, *lines = result.output.splitlines()
        assert head.startswith("16 frames; bare decoding takes ")
        assert columns.split() == ["cpu", "float32"]
        assert {"cpu ms: decoder", "cpu ms: quality", "cpu ms all", "once cpu s: models"} <= {
            line[: line.rindex("  ")].strip() for line in lines
        }
        return
    report = json.loads(result.output)
    (run,) = report["runs"]
    assert report["frames"] == 16
    assert STAGES | {"decoder", "between"} == run["cpu_ms"].keys()
    assert sum(run["cpu_ms"].values()) == pytest.approx(run["cpu_ms_all"], abs=0.01)
    networks = run["cpu_ms"]["detect"] + run["cpu_ms"]["pose"] + report["bare_decoding_cpu_ms"]
    rest = run["cpu_ms_all"] - networks
    assert run["cpu_ms_beside_networks_and_bare_decoding"] == pytest.approx(rest, abs=0.01)
    assert run["over_networks_and_bare_decoding"] == pytest.approx(
        run["cpu_ms_all"] / networks, rel=0.01
    )
    assert set(run["once_cpu_s"]) == {"start", "models"}
    assert run["with_once_over_networks_and_bare_decoding"] > run["over_networks_and_bare_decoding"]
    assert run["keypoints_apart_from_first_px"] == {"median": 0.0, "95 %": 0.0}


def test_without_an_engine_it_says_which_package_is_missing(
    models: tuple[Path, Path], film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "installed_engines", list)
    words = ["bench", film, "--model", models[0], "--detector", models[1]]
    result = CliRunner().invoke(app, [*map(str, words)])
    assert isinstance(result.exception, MissingPackageError)
