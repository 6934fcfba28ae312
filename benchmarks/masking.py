"""Whether covers hold every head and leave the infant clear, and what they cost.

Films are synthetic infants' geometry (tests/disturbed.py); with --data also the pictures of a COCO
data set with segmentations and heads (`aggpose synth images`), each a film of one frame. With
--drawn films are drawn and two networks look at them, as in an extraction: nothing is disturbed but
by what the networks get wrong.

Run: python -m benchmarks.masking [--films 45] [--seconds 5] [--first-seed 40000] [--data DIR]
     python -m benchmarks.masking --drawn [--model POSE] [--detector DETECTOR] [--films 45] ...
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.runtime.detector import Detector
from model.runtime.engines import EngineOptions
from model.runtime.pose import PoseEstimator
from model.spec.head_mask import region_mask
from model.spec.sequence import Rows, Sightings
from model.spec.skeleton import load_skeleton
from model.synthetic.film import FilmPlan, frames_of, prepare
from model.weights import shipped
from tests.disturbed import (
    DISTURBANCES,
    Disturbance,
    Truth,
    below_shoulders,
    cut_through_heads,
    film_truth,
    found,
)
from tests.films import ArrayPicture, ArraySource
from workers.pipeline.commands import DETECTOR, POSE
from workers.pipeline.extracting import Extraction
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.masking.plan import MaskPlan, MaskSettings
from workers.pipeline.masking.planning import plan_masks
from workers.pipeline.preview.picture import PreviewPainter, PreviewSettings
from workers.pipeline.timing import StageClock

SKELETON: Final = load_skeleton("infant21")
TABLE_HEAD: Final = (
    "| | frames | head px | uncovered | in frames | second head, uncovered | clear, mean "
    "| clear, 5th centile | most squares across a head | plan, ms a frame |\n" + "|---" * 10 + "|"
)


@dataclass(eq=False)
class Score:
    """What masks held and left, over many frames.

    Attributes:
        frames: How many.
        head_px: Pixels of heads.
        bare_px: Of these, uncovered.
        bare_frames: Frames with such a pixel.
        other_px: Pixels of second heads outside of the infant's grown box.
        other_bare_px: Of these, uncovered.
        clear: Of each frame the share of the infant's pixels below the shoulders that is clear.
        most_cells: The most squares across a head's longer side.
        plan_s: CPU seconds spent on planning.
    """

    frames: int = 0
    head_px: int = 0
    bare_px: int = 0
    bare_frames: int = 0
    other_px: int = 0
    other_bare_px: int = 0
    clear: list[float] = field(default_factory=list)
    most_cells: float = 0.0
    plan_s: float = 0.0

    def judge(self, truth: Truth, disturbance: Disturbance, rng: np.random.Generator) -> None:
        """Mask a film by what is found in it, and compare with the truth."""
        truth = cut_through_heads(truth, rng) if disturbance.half_out else truth
        self.compare(truth, *found(truth, disturbance, SKELETON, rng), rng)

    def compare(
        self, truth: Truth, rows: Rows, sightings: Sightings, rng: np.random.Generator
    ) -> None:
        """Mask a film by what was found in it, and compare with the truth."""
        begun = time.process_time()
        plan = plan_masks(rows, sightings, SKELETON, truth.size_wh, MaskSettings())
        self.plan_s += time.process_time() - begun
        self.frames += len(plan)
        for i, head_xy in enumerate(truth.heads_xy):
            mask = plan.mask(i, truth.size_wh)
            body = truth.bodies[i] & below_shoulders(truth.keypoints_xy[i], SKELETON, truth.size_wh)
            if len(head_xy):
                head = region_mask(head_xy, truth.size_wh)
                bare = int((head & ~mask).sum())
                self.head_px += int(head.sum())
                self.bare_px += bare
                self.bare_frames += bare > 0
                cells = float(np.ptp(head_xy, 0).max() + 1) / float(plan.cell_px[i])
                self.most_cells = max(self.most_cells, cells)
                body &= ~head
                other = _second_head(head_xy, plan, i, rng)
                self.other_px += int(other.sum())
                self.other_bare_px += int((other & ~mask).sum())
            if body.any():
                self.clear.append(float((body & ~mask).sum() / body.sum()))

    def line(self, name: str) -> str:
        """A row of the table."""
        clear = np.array(self.clear)
        return (
            f"| {name} | {self.frames} | {self.head_px} | {self.bare_px} | {self.bare_frames} "
            f"| {self.other_bare_px} of {self.other_px} | {clear.mean():.1%} "
            f"| {np.quantile(clear, 0.05):.1%} | {self.most_cells:.1f} "
            f"| {self.plan_s / self.frames * 1e3:.2f} |"
        )


def _second_head(
    head_xy: NDArray[np.float32], plan: MaskPlan, i: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Pixels of the head once more, anywhere in the picture, but for the infant's grown box."""
    place = rng.random(2) * plan.displayed_wh
    head = region_mask(np.asarray(head_xy - head_xy.mean(0) + place, np.float32), plan.displayed_wh)
    box = plan.clear_corners[i]
    if np.isfinite(box).all():
        head &= ~region_mask(box, plan.displayed_wh)
    return head


def film_plans(count: int, seconds: float, first_seed: int) -> Iterator[FilmPlan]:
    """Films of as many infants: one in four upright, one in five of uneven rate."""
    for k in range(count):
        yield FilmPlan(
            seed=first_seed + k, seconds=seconds, portrait=k % 4 == 3, variable_rate=k % 5 == 4
        )


def drawn(plans: Iterable[FilmPlan], pose: PoseEstimator, detector: Detector) -> None:
    """Draw films, let the networks look at them, and print a row for each film and for all."""
    every = Score()
    print(TABLE_HEAD)
    for plan in plans:
        source = ArraySource([frame.picture for frame in frames_of(prepare(plan))])
        results = list(Extraction(source, pose, detector, ExtractionSettings()))
        rows = Rows.joined([result.rows for result in results])
        sightings = Sightings.joined([result.sightings for result in results])
        truth, one = film_truth(plan), Score()
        for score in (one, every):
            score.compare(truth, rows, sightings, np.random.default_rng(plan.seed))
        print(one.line(str(plan.seed)), flush=True)
    print(every.line("all"))


def pictures(folder: Path) -> Iterator[Truth]:
    """A data set's infants whose head is labelled, each a film of one frame."""
    from pycocotools.mask import decode  # noqa: PLC0415 - only this part needs it

    data = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    heads = {one["image_id"]: one for one in data["annotations"] if one["category_id"] == 2}
    sizes = {one["id"]: (one["width"], one["height"]) for one in data["images"]}
    for one in data["annotations"]:
        if one["category_id"] == 1 and one["image_id"] in heads:
            marks = np.array(one["keypoints"], np.float32).reshape(1, -1, 3)
            points = np.where(marks[..., 2:] > 0, marks[..., :2], np.float32(np.nan))
            head = heads[one["image_id"]]["segmentation"][0]
            yield Truth(
                sizes[one["image_id"]], np.zeros(1), points,
                [np.array(head, np.float32).reshape(-1, 2)], [decode(one["segmentation"]) > 0],
            )  # fmt: skip


def table(truths: Iterable[Truth], kinds: Iterable[str]) -> None:
    """Judge all and print a row for each kind of disturbance."""
    scores = {kind: Score() for kind in kinds}
    for k, truth in enumerate(truths):
        for number, (kind, score) in enumerate(scores.items()):
            score.judge(truth, DISTURBANCES[kind], np.random.default_rng([k, number]))
    print(TABLE_HEAD)
    for kind, score in scores.items():
        print(score.line(kind))


def cost(truth: Truth) -> str:
    """CPU time of covering and drawing a frame at a preview's usual size."""
    rng = np.random.default_rng(0)
    rows, sightings = found(truth, DISTURBANCES["undisturbed"], SKELETON, rng)
    plan = plan_masks(rows, sightings, SKELETON, truth.size_wh, MaskSettings())
    size_hw3 = (truth.size_wh[1], truth.size_wh[0], 3)
    picture = ArrayPicture(rng.integers(0, 256, size_hw3).astype(np.uint8))
    spent = []
    for names in (False, True):
        painter = PreviewPainter(plan, rows, SKELETON, PreviewSettings(names=names))
        begun = time.process_time()
        for i in range(len(plan)):
            painter.paint(i, picture, StageClock())
        spent.append((time.process_time() - begun) / len(plan) * 1e3)
    return (
        f"covering and drawing at {painter.picture_wh}: {spent[0]:.1f} ms of CPU a frame, "
        f"{spent[1]:.1f} with names"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--films", type=int, default=45)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--first-seed", type=int, default=40_000)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--drawn", action="store_true")
    parser.add_argument("--model", type=Path, default=shipped()[POSE])
    parser.add_argument("--detector", type=Path, default=shipped()[DETECTOR])
    options = parser.parse_args()
    plans = list(film_plans(options.films, options.seconds, options.first_seed))
    if options.drawn:
        pose = PoseEstimator.open(options.model, EngineOptions())
        drawn(plans, pose, Detector.open(options.detector, EngineOptions(batch_size=1)))
        return
    table(map(film_truth, plans), DISTURBANCES)
    if options.data is not None:
        table(pictures(options.data), ("undisturbed", "noise, missing, astray"))
    print(cost(film_truth(plans[0])))


if __name__ == "__main__":
    main()
