"""What a folder of labelled pictures holds, in numbers and as a plot."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.spec.errors import DatasetError, OutputError
from model.synthetic.dataset import Row, read_rows, read_settings
from model.synthetic.files import reason
from model.synthetic.landmarks import infant21

_COUNTED = ("shape", "place", "light", "outfit", "hair", "skin", "walls")
PLOT = "stats.png"


@dataclass(frozen=True, eq=False)
class Statistics:
    """Numbers over a data set.

    Attributes:
        pictures: How many.
        infants: How many hold an infant.
        heads: How many show a head.
        visibility: float64 (K, 3) share of infants whose point is out, occluded, visible.
        box_share: float64 (N,) side of each infant's box as a share of the picture's, the
            tighter axis.
        orientation_deg: float64 (N,) where the head points: 0 up, 90 right.
        tilt_deg: float64 (N,) of the camera from the vertical.
        counts: By name of what varies, how often each kind occurs.
    """

    pictures: int
    infants: int
    heads: int
    visibility: NDArray[np.float64]
    box_share: NDArray[np.float64]
    orientation_deg: NDArray[np.float64]
    tilt_deg: NDArray[np.float64]
    counts: dict[str, Counter[str]]


def read_statistics(folder: Path) -> Statistics:
    """Count what a folder of pictures holds.

    Raises:
        DatasetError: It is no such folder, or holds no pictures.
    """
    read_settings(folder)
    rows = list(read_rows(folder).values())
    if not rows:
        raise DatasetError(f"expected pictures in {folder}, got none")
    return count_rows(rows)


def count_rows(rows: list[Row]) -> Statistics:
    """Count what records hold; at least one."""
    infants = [row for row in rows if row["infant"] is not None]
    points = np.array([row["infant"]["keypoints"] for row in infants]).reshape(len(infants), -1, 3)
    visibility = (
        np.stack([(points[..., 2] == v).mean(0) for v in range(3)], 1)
        if infants
        else (np.zeros((infant21().num_keypoints, 3)))
    )
    counts = {name: Counter[str]() for name in (*_COUNTED, "things", "cloths", "habits", "extras")}
    for row in rows:
        record: dict[str, Any] = row["record"]
        for name in _COUNTED:
            if name in record:
                counts[name][str(record[name])] += 1
        for name in ("things", "cloths", "extras"):
            counts[name].update(set(record.get(name, ())))
        counts["habits"].update(record.get("habits", {}).values())
    return Statistics(
        pictures=len(rows),
        infants=len(infants),
        heads=sum(row["head"] is not None for row in rows),
        visibility=np.asarray(visibility),
        box_share=np.array(
            [
                max(
                    row["infant"]["bbox"][2] / row["width"],
                    row["infant"]["bbox"][3] / row["height"],
                )
                for row in infants
            ]
        ),
        orientation_deg=np.array([row["record"]["orientation_deg"] for row in infants]),
        tilt_deg=np.array([row["record"]["tilt_deg"] for row in rows]),
        counts=counts,
    )


def lines(stats: Statistics) -> list[str]:
    """The statistics as text."""
    out = [
        f"{stats.pictures} pictures, {stats.infants} with an infant, {stats.heads} with a head",
        "",
        f"{'keypoint':20s} {'visible':>8s} {'occluded':>9s} {'outside':>8s}",
    ]
    for name, (outside, occluded, visible) in zip(
        infant21().keypoints, stats.visibility, strict=True
    ):
        out.append(f"{name:20s} {visible:8.1%} {occluded:9.1%} {outside:8.1%}")
    out.append("")
    for title, values in (
        ("box / picture", stats.box_share), ("camera tilt, degrees", stats.tilt_deg),
    ):  # fmt: skip
        if len(values):
            low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
            out.append(f"{title}: median {middle:.2f}, 5 to 95 % {low:.2f} to {high:.2f}")
    quarters = Counter(_quarter(angle) for angle in stats.orientation_deg)
    out.append("head points " + _shares(quarters, max(1, len(stats.orientation_deg))))
    for name, counter in stats.counts.items():
        total = 4 * stats.infants if name == "habits" else stats.pictures
        out.append(f"{name}: {_shares(counter, max(1, total))}")
    return out


def _quarter(angle_deg: float) -> str:
    return ("up", "right", "down", "left")[round(angle_deg / 90) % 4]


def _shares(counter: Counter[str], total: int) -> str:
    return ", ".join(f"{name} {count / total:.1%}" for name, count in counter.most_common())


def plot(stats: Statistics, path: Path) -> None:
    """Plot the statistics as a PNG.

    Raises:
        OutputError: It cannot be written.
    """
    # matplotlib is slow to import and only this needs it.
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(14, 11), layout="constrained")
    axes = figure.subplots(3, 3).ravel()
    names = infant21().keypoints
    left = np.zeros(len(names))
    for column, word, colour in (
        (2, "visible", "#4a9"),
        (1, "occluded", "#fb5"),
        (0, "outside", "#bbb"),
    ):
        axes[0].barh(names, stats.visibility[:, column], left=left, color=colour, label=word)
        left += stats.visibility[:, column]
    axes[0].set_title("visibility")
    axes[0].tick_params(axis="y", labelsize=6)
    axes[0].legend(fontsize=7)
    axes[0].invert_yaxis()
    for axis, values, title in (
        (axes[1], stats.box_share, "infant's box / picture"),
        (axes[2], stats.orientation_deg, "head points to (0 up, 90 right)"),
        (axes[3], stats.tilt_deg, "camera tilt, degrees"),
    ):
        axis.hist(values, bins=24, color="#59c")
        axis.set_title(title)
    for axis, name in zip(axes[4:], ("place", "light", "outfit", "habits", "things"), strict=True):
        common = stats.counts[name].most_common()
        axis.barh([key for key, _ in common], [count for _, count in common], color="#59c")
        axis.set_title(name)
        axis.tick_params(axis="y", labelsize=7)
        axis.invert_yaxis()
    try:
        figure.savefig(path, dpi=80)
    except OSError as error:
        raise OutputError(f"expected to write {path}, got: {reason(error)}") from error
