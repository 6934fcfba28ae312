"""What a run tells of itself: a CSV, TensorBoard's events, and curves as a picture."""

import csv
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure
from tensorboardX import SummaryWriter

from model.spec.files import written_aside

COLUMNS: Final = (
    "step", "images", "seconds", "learning_rate", "loss", "images_per_s",
    "val_ap", "val_pck20", "val_pck10",
)  # fmt: skip


class Journal:
    """The rows of a run, in `metrics.csv` and `tensorboard/`; `curves.png` is drawn at the end.

    Opened again after a break, rows behind the step that the run goes on from are dropped.
    """

    def __init__(self, folder: Path, *, first_step: int) -> None:
        self.folder = folder
        self._path = folder / "metrics.csv"
        self.rows: list[dict[str, float | None]] = []
        if self._path.exists():
            with self._path.open(newline="", encoding="utf-8") as file:
                kept = (row for row in csv.DictReader(file) if int(row["step"]) <= first_step)
                self.rows = [
                    {name: float(row[name]) if row[name] else None for name in COLUMNS}
                    for row in kept
                ]
        self._write()
        self._events = SummaryWriter(
            str(folder / "tensorboard"), purge_step=first_step + 1, write_to_disk=True
        )

    def add(self, row: dict[str, float | None]) -> None:
        """Add a row: the columns that it has, at its `step`.

        Raises:
            OutputError: It cannot be written.
        """
        full = {name: row.get(name) for name in COLUMNS}
        self.rows.append(full)
        self._write()
        step = int(full["step"] or 0)
        for name, value in full.items():
            if value is not None and name != "step":
                self._events.add_scalar(name, value, step)
        self._events.flush()

    def draw_curves(self) -> None:
        """Draw `curves.png`: loss, validation accuracy and learning rate by step."""
        figure = Figure(figsize=(9, 7), layout="constrained")
        axes = figure.subplots(3, 1, sharex=True)
        panels = (
            ("loss", ("loss",)),
            ("validation, %", ("val_ap", "val_pck20", "val_pck10")),
            ("learning rate", ("learning_rate",)),
        )
        for axis, (title, names) in zip(axes, panels, strict=True):
            for name in names:
                points = [(row["step"], row[name]) for row in self.rows if row[name] is not None]
                if points:
                    axis.plot(*zip(*points, strict=True), label=name, linewidth=1.2)
            axis.set_ylabel(title)
            axis.grid(alpha=0.3)
            if axis.lines:
                axis.legend(loc="best", frameon=False)
        axes[0].set_yscale("log")
        axes[-1].set_xlabel("step")
        with written_aside(self.folder / "curves.png") as aside:
            figure.savefig(aside, dpi=110, format="png")

    def close(self) -> None:
        """Close the events' file."""
        self._events.close()

    def _write(self) -> None:
        """Write all rows anew, so that a kill tears none of them: there are a few hundred."""
        with (
            written_aside(self._path) as aside,
            aside.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(_shown(row) for row in self.rows)


def _shown(row: dict[str, float | None]) -> dict[str, str]:
    return {
        name: ""
        if value is None
        else f"{value:.0f}"
        if name in ("step", "images")
        else f"{value:.6g}"
        for name, value in row.items()
    }
