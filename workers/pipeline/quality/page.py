"""One page that shows at a glance how well a film could be followed, and how limbs moved."""

import io
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from model.spec.sequence import FILLED, STATUSES, SWAPPED, FilteredRows, Rows, Status
from model.spec.skeleton import Skeleton
from workers.pipeline.quality.figures import Quality
from workers.pipeline.quality.timeline import Timeline, minutes
from workers.pipeline.smoothing.body_frame import in_body_frame

_STATUS_COLOURS: Final[dict[Status, str]] = {
    "ok": "#cfe0ec", "low_confidence": "#e69f00", "no_detection": "#8b3a8f", "decode_error": "#000",
}  # fmt: skip
"""From light to dark, so that they are told apart without colours too."""
_STATUS_WORDS: Final[dict[Status, str]] = {
    "ok": "ok", "low_confidence": "low confidence", "no_detection": "no infant",
    "decode_error": "damaged",
}  # fmt: skip
_SIDES: Final = {"left": "#0072b2", "right": "#d55e00"}
"""The infant's; blue and vermilion (Okabe and Ito's palette for all eyes)."""
_MIDLINE: Final = "#7f7f7f"
_INK, _QUIET, _FAINT = "#222222", "#555555", "#c8c8c8"
_PAGE_INCHES, _DPI = (11.7, 8.3), 120
_WARNING: Final = "#b00020"
_LEFT, _RIGHT = 0.018, 0.985
_LEAST_SPAN: Final = 0.5
"""Trunk lengths that a trace's axis shows at least, so that rest looks like rest."""


def draw_quality(rows: Rows, filtered: FilteredRows, quality: Quality, skeleton: Skeleton) -> bytes:
    """Draw a film's quality figure.

    From the top: what the film is; each moment's status; wrists and ankles in the body's frame
    (filtered; what was filled is pale, where nothing is known there is no line); the keypoints'
    scores along time. To the right the median score of each keypoint.

    Args:
        rows: The raw rows.
        filtered: The derived series of the same frames.
        quality: Their figures.
        skeleton: Their keypoints.

    Returns:
        A PNG, 1404x996 px; the same bytes for the same film.
    """
    figure = Figure(figsize=_PAGE_INCHES, dpi=_DPI, facecolor="white")
    across = {"width_ratios": (4, 1), "left": 0.085, "right": _RIGHT, "wspace": 0.28}
    band = figure.add_subplot(figure.add_gridspec(1, 2, top=0.867, bottom=0.812, **across)[0])
    grid = figure.add_gridspec(5, 2, top=0.778, bottom=0.062, hspace=0.16, **across)
    panels = [figure.add_subplot(grid[row, 0], sharex=band) for row in range(5)]
    timeline = Timeline(rows)
    _write_title(figure, quality)
    _draw_band(band, timeline, filtered, quality)
    _draw_traces(panels[:4], timeline, filtered, skeleton)
    _draw_scores(panels[4], timeline, rows)
    for axes in panels:
        timeline.shade(axes)
        axes.yaxis.set_label_coords(-0.06, 0.5)
    timeline.label(panels[4])
    _draw_bars(figure.add_subplot(grid[:, 1]), quality, skeleton)
    page = io.BytesIO()
    figure.savefig(page, format="png", metadata={"Software": None})
    return page.getvalue()


def _write_title(figure: Figure, quality: Quality) -> None:
    time, body = quality.time, quality.infant
    frames, looked_at = quality.second_person.frames, quality.second_person.looked_at_frames
    rate = "unknown rate" if time.frames_per_s is None else f"{time.frames_per_s:.1f} frames/s"
    trunk = "length unknown" if body.trunk_px is None else (
        f"{body.trunk_px:.0f} px, {_percent(body.trunk_share)} of the picture's shorter side"
    )  # fmt: skip
    lines = (
        (0.968, 16, _INK, ["Quality of the recording"]),
        (0.938, 12, _INK, [
            _duration(time.duration_s),
            f"{_count(quality.frames)} frame{'s' * (quality.frames != 1)}, {rate}",
            f"ok: {_percent(quality.coverage)} of the time",
        ]),
        (0.913, 8.5, _QUIET, [
            f"longest time without an infant: {_seconds(quality.longest_gap_s)}",
            f"whole body in view: {_percent(body.whole_body_share)}", f"trunk: {trunk}",
            f"second person: {_count(frames)} of {_count(looked_at)} frames looked at",
            f"dropped frames: {_count(time.dropped_frames)}",
        ]),
    )  # fmt: skip
    if warnings := _warnings(quality):
        words = "  ·  ".join(warnings)
        figure.text(_RIGHT, 0.968, words, fontsize=10, color=_WARNING, ha="right", va="center")
    for height, size, colour, parts in lines:
        weight = "bold" if size > 12 else "normal"
        words = "  ·  ".join(parts)
        figure.text(_LEFT, height, words, fontsize=size, color=colour, weight=weight, va="center")


def _warnings(quality: Quality) -> list[str]:
    """What nobody should overlook."""
    warnings = []
    if quality.cut_short:
        warnings.append("The file ends before the video does")
    if elsewhere := quality.taken_up_elsewhere:
        frames = [_count(frame) for frame in elsewhere[:3]] + ["..."] * (len(elsewhere) > 3)
        warnings.append(f"Perhaps another infant from frame {', '.join(frames)} on")
    return warnings


def _draw_band(axes: Axes, timeline: Timeline, filtered: FilteredRows, quality: Quality) -> None:
    for name, colour in _STATUS_COLOURS.items():
        chosen = filtered.rows.status == STATUSES.index(name)
        least = 0 if name == "ok" else 1.5  # so that a single frame is seen
        axes.broken_barh(timeline.spans(chosen, least), (0.42, 0.58), color=colour, linewidth=0)
    swapped = np.asarray((filtered.flags & SWAPPED > 0).any(1))
    axes.broken_barh(timeline.spans(swapped, 1.5), (0.06, 0.2), color=_INK, linewidth=0)
    axes.set_ylim(0, 1)
    axes.set_yticks([0.7, 0.16], ["status", "sides swapped"], fontsize=7.5)
    axes.tick_params(axis="both", length=0, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    legend = [
        Patch(color=colour, label=f"{_STATUS_WORDS[name]} {_count(quality.frames_by_status[name])}")
        for name, colour in _STATUS_COLOURS.items()
    ]
    legend.append(Patch(facecolor="white", edgecolor=_FAINT, label="no frames (dropped)"))
    axes.legend(
        handles=legend, loc="lower left", bbox_to_anchor=(-0.006, 0.97), ncols=5, frameon=False,
        fontsize=9, handlelength=1.1, handleheight=1.0, columnspacing=1.6, borderaxespad=0.2,
    )  # fmt: skip


def _draw_traces(
    panels: list[Axes], timeline: Timeline, filtered: FilteredRows, skeleton: Skeleton
) -> None:
    body = in_body_frame(filtered.rows.keypoints_xy, skeleton)
    traces = []
    for joint in ("wrist", "ankle"):
        pair = [skeleton.index(f"{side}_{joint}") for side in _SIDES]
        swapped = (filtered.flags[:, pair[0]] & SWAPPED > 0)[:, None]
        sides = np.where(swapped[..., None], body[:, pair[::-1]], body[:, pair])
        flags = np.where(swapped, filtered.flags[:, pair[::-1]], filtered.flags[:, pair])
        filled = flags & FILLED > 0
        traces += [(f"{joint}s", axis, sides[..., axis], filled) for axis in (0, 1)]
    span = max(_LEAST_SPAN, *(_middle_and_width(values)[1] for _, _, values, _ in traces))
    for axes, (name, axis, values, filled) in zip(panels, traces, strict=True):
        for side, (word, colour) in enumerate(_SIDES.items()):
            timeline.draw(axes, values[:, side], colour, alpha=0.35)
            measured = np.where(filled[:, side], np.nan, values[:, side])
            timeline.draw(axes, measured, colour, label=word)
        middle = _middle_and_width(values)[0]
        axes.set_ylim(middle - 0.58 * span, middle + 0.58 * span)
        axes.set_ylabel(f"{name}\n{('right  ↔  left', 'feet  ↔  head')[axis]}", fontsize=8.5)
        _tidy(axes, empty=bool(np.isnan(values).all()))
    panels[0].set_title(
        "Limbs seen from between the hips, in trunk lengths, smoothed.  Pale: filled.  "
        "Grey: not ok.  Swapped sides are drawn changed back.",
        loc="left", fontsize=7.5, color=_QUIET, pad=4,
    )  # fmt: skip


def _draw_scores(axes: Axes, timeline: Timeline, rows: Rows) -> None:
    """Percentiles over the keypoints of all frames that share a pixel."""
    percentiles = np.full((3, len(timeline.groups)), np.nan)
    stops = np.append(timeline.groups, len(rows))[1:]
    for group, (start, stop) in enumerate(zip(timeline.groups, stops, strict=True)):
        scores = rows.scores[start:stop]
        if (known := np.isfinite(scores)).any():
            percentiles[:, group] = np.percentile(scores[known], (10, 50, 90))
    at, low, middle, high = timeline.broken(*percentiles)
    axes.fill_between(at, low, high, color="#9a9a9a", alpha=0.5, linewidth=0)
    marker = "." if len(at) < 20 else ""
    axes.plot(at, middle, color=_INK, linewidth=0.9, marker=marker)
    axes.set_ylim(0, 1)
    axes.set_ylabel("scores: median\nand 8 of 10", fontsize=8.5)
    _tidy(axes, empty=not np.isfinite(rows.scores).any())


def _draw_bars(axes: Axes, quality: Quality, skeleton: Skeleton) -> None:
    partners = dict(skeleton.flip_pairs)
    paired = set(partners.values())
    order = [
        k for first in range(skeleton.num_keypoints) if first not in paired
        for k in (first, *([partners[first]] if first in partners else []))
    ]  # fmt: skip
    names = [skeleton.keypoints[k] for k in order]
    for place, name in enumerate(names):
        score = quality.score_median_by_keypoint[name]
        if score is None:
            axes.text(0.02, place, "none", fontsize=7.5, va="center", color=_QUIET)
        else:
            axes.barh(place, score, 0.72, color=_SIDES.get(name.split("_")[0], _MIDLINE))
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_title("Median scores", fontsize=9, color=_INK, pad=4)
    axes.legend(
        handles=[Patch(color=colour, label=f"infant's {side}") for side, colour in _SIDES.items()],
        loc="lower right", bbox_to_anchor=(1.02, 1.04), frameon=False, fontsize=9,
        handlelength=1.1, handleheight=1.0, borderaxespad=0.0,
    )  # fmt: skip
    axes.grid(axis="x", color=_FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    _tidy(axes)
    axes.tick_params(axis="x", labelbottom=True)
    axes.tick_params(axis="y", length=0)


def _tidy(axes: Axes, *, empty: bool = False) -> None:
    axes.tick_params(axis="both", labelsize=8, labelbottom=False, color=_FAINT)
    for name, spine in axes.spines.items():
        spine.set_visible(name in {"left", "bottom"})
        spine.set_color(_FAINT)
    if empty:
        axes.text(
            0.5, 0.5, "nothing known", transform=axes.transAxes, ha="center", va="center",
            fontsize=9, color=_QUIET,
        )  # fmt: skip
        axes.set_yticks([])


def _middle_and_width(values: NDArray[np.float64]) -> tuple[float, float]:
    """Where nearly all values are; 0 and 0 if there are none."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 0.0
    low, high = np.percentile(known, (0.5, 99.5))
    return float(low + high) / 2, float(high - low)


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}".replace(",", " ")


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.3g} %"


def _seconds(length_s: float | None) -> str:
    return "unknown" if length_s is None else f"{length_s:.1f} s"


def _duration(length_s: float | None) -> str:
    if length_s is None:
        return "unknown duration"
    return f"{minutes(length_s)} min" if length_s > 120 else f"{length_s:.1f} s"
