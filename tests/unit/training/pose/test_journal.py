"""What a run tells of itself."""

from pathlib import Path

import pytest

from model.spec.errors import OutputError
from model.training.pose.journal import COLUMNS, Journal


def steps_in(folder: Path) -> list[str]:
    lines = (folder / "metrics.csv").read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    return [line.split(",")[0] for line in lines[1:]]


def test_rows_behind_the_resumed_step_go(tmp_path: Path) -> None:
    first = Journal(tmp_path, first_step=0)
    for step in (10, 20, 30):
        first.add({"step": step, "loss": 1.5, "val_ap": None})
    first.close()
    assert steps_in(tmp_path) == ["10", "20", "30"]
    second = Journal(tmp_path, first_step=20)
    assert [row["step"] for row in second.rows] == [10, 20]
    assert second.rows[0]["loss"] == 1.5
    assert second.rows[0]["val_ap"] is None
    second.add({"step": 25, "loss": 0.5})
    second.draw_curves()
    second.close()
    assert steps_in(tmp_path) == ["10", "20", "25"]
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    journal = Journal(tmp_path / "run", first_step=0)
    (tmp_path / "run" / "metrics.csv").unlink()
    (tmp_path / "run" / "metrics.csv").mkdir()
    with pytest.raises(OutputError, match=r"metrics\.csv"):
        journal.add({"step": 1, "loss": 1.0})
    journal.close()
