"""An evaluation as Markdown and as JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from model.training.evaluation.accuracy import Share
from model.training.evaluation.judging import Evaluation


def as_json(evaluation: Evaluation) -> str:
    """The evaluation as JSON; keys in a fixed order, null where there was nothing to measure."""
    return json.dumps(asdict(evaluation), indent=2, allow_nan=False) + "\n"


def as_markdown(evaluation: Evaluation) -> str:
    """The evaluation for people; shares in percent."""
    accuracy = evaluation.accuracy
    parts = [
        f"# {evaluation.model.name} on {evaluation.data.file}",
        "\n".join(f"- {line}" for line in _setting(evaluation)),
        "## Object keypoint similarity",
        f"pycocotools, with the constants of {evaluation.data.skeleton}; percent.",
        _table(evaluation.oks, [[_percent(value) for value in evaluation.oks.values()]]),
        "## Within 0.1 and 0.2 trunk lengths (PCK)",
        ("Percent, with one standard error from infant to infant; a keypoint of an infant that was "
        "missed counts as wrong."),
        _table(
            ("", "percent", "keypoints"),
            [
                [name, _with_error(share), str(share.count)]
                for name, share in (
                    ("PCK@0.1", accuracy.pck10),
                    ("PCK@0.2", accuracy.pck20),
                    ("PCK@0.2, visible", accuracy.pck20_visible),
                    ("PCK@0.2, occluded", accuracy.pck20_occluded),
                    *(
                        (f"PCK@0.2, head {direction}", share)
                        for direction, share in accuracy.pck20_by_direction.items()
                    ),
                )
            ],
        ),
        "## Keypoints",
        "Errors of what was found: median and 95th percentile.",
        _table(
            (
                "keypoint", "labelled", "PCK@0.1", "PCK@0.2",
                "median px", "95 % px", "median trunks", "95 % trunks",
            ),
            [
                [
                    one.name, str(one.labelled), _percent(one.pck10), _percent(one.pck20),
                    _number(one.median_px, 1), _number(one.p95_px, 1),
                    _number(one.median_trunk, 3), _number(one.p95_trunk, 3),
                ]
                for one in accuracy.keypoints
            ],
        ),
        "## Left and right swapped",
        ("Pairs whose exchange would bring both keypoints nearer to their labels, and within 0.2 "
        "trunk lengths."),
        _table(
            ("pair", "percent", "pairs"),
            [
                [name, _percent(share.share), str(share.count)]
                for name, share in (
                    ("all", accuracy.swaps),
                    *((one.pair, one.swapped) for one in accuracy.swaps_by_pair),
                )
            ],
        ),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _setting(evaluation: Evaluation) -> list[str]:
    model, data, boxes = evaluation.model, evaluation.data, evaluation.boxes
    version = "" if model.version is None else f" {model.version}"
    untrained = "" if model.trained else ", NOT TRAINED"
    flip = "with" if model.flip_test else "without"
    lines = [
        (
            f"model: {model.name}{version}{untrained}; {model.engine}, {model.precision}, "
            f"{flip} flip test"
        ),
        (
            f"data: {data.pictures} pictures, {data.infants} infants, "
            f"{data.labelled_keypoints} labelled keypoints ({data.skeleton})"
        ),
        (
            f"boxes: {boxes.source}, {boxes.boxes} in all; {boxes.missed} infants missed, "
            f"{boxes.surplus} boxes of nobody labelled"
        ),
        f"turn: {boxes.turn}; {boxes.turned} crops turned",
    ]
    if model.weights_sha256 is not None:
        lines.insert(1, f"weights: {model.weights_sha256}")
    return lines


def _table(head: Iterable[str], rows: Sequence[Sequence[str]]) -> str:
    titles = list(head)
    rules = ["---", *["---:"] * (len(titles) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (titles, rules, *rows))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _with_error(share: Share) -> str:
    if share.standard_error is None:
        return _percent(share.share)
    return f"{_percent(share.share)} ± {100 * share.standard_error:.1f}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
