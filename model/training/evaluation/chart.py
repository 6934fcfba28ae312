"""A bar chart of each keypoint's PCK and error."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from model.spec.files import written_aside
from model.training.evaluation.judging import Evaluation

_NEAR, _FAR = "#1f4e79", "#9dc3e6"


def write_chart(evaluation: Evaluation, path: Path) -> None:
    """Draw the keypoints' PCK and their errors in trunk lengths as a PNG.

    Raises:
        OutputError: It cannot be written.
    """
    keypoints = evaluation.accuracy.keypoints
    rows = np.arange(len(keypoints))
    figure = Figure(figsize=(10, 0.28 * len(keypoints) + 1.6), dpi=120, layout="constrained")
    shares, errors = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for values, colour, label in (
        ([one.pck20 for one in keypoints], _FAR, "within 0.2 trunk lengths"),
        ([one.pck10 for one in keypoints], _NEAR, "within 0.1"),
    ):
        shares.barh(rows, [100 * (value or 0.0) for value in values], color=colour, label=label)
    shares.set_xlim(0, 100)
    shares.set_xlabel("PCK, percent")
    shares.set_yticks(rows, [f"{one.name} ({one.labelled})" for one in keypoints])
    shares.margins(y=0.01)
    shares.invert_yaxis()
    for values, colour, label in (
        ([one.p95_trunk for one in keypoints], _FAR, "95th percentile"),
        ([one.median_trunk for one in keypoints], _NEAR, "median"),
    ):
        errors.barh(rows, [value or 0.0 for value in values], color=colour, label=label)
    errors.set_xlabel("error, trunk lengths")
    for axes in (shares, errors):
        axes.grid(axis="x", color="#cccccc", linewidth=0.5)
        axes.set_axisbelow(True)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    figure.suptitle(f"{evaluation.model.name} on {evaluation.data.file}")
    with written_aside(path) as aside:
        figure.savefig(aside, format="png")
