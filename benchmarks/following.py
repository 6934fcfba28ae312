"""What following costs in accuracy: against crops from labels, turned films, and a second infant.

Each film needs its ground truth beside it (`aggpose synth film`). For each film:

- PCK@0.2 of visible keypoints in crops from labels, and as the pipeline follows; their difference.
- The same frames turned by 90, 180 and 270 degrees: how far keypoints are apart, turned back, in
  percent of the trunk (median over all).
- The next film lies beside it, and for two fifths of the time the half that is followed is
  blank: frames with the infant, with the other one, and with anybody while it was gone.

Run: python -m benchmarks.following FILM... --model POSE --detector DETECTOR [--frames 96]
"""

import argparse
import json
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.runtime.detector import Detector
from model.runtime.engines import EngineOptions
from model.runtime.pose import PoseEstimator
from model.spec.arrays import LabelledKeypoints
from model.spec.metrics import trunk_length
from model.spec.sequence import STATUSES, Rows
from model.spec.skeleton import load_skeleton
from model.spec.turning import turned_frame
from tests.films import ArrayPicture, ArraySource
from workers.pipeline.decoding.source import open_video
from workers.pipeline.extracting import Extraction
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.posing.poser import Poser
from workers.pipeline.timing import StageClock
from workers.pipeline.video import FrameSource

SETTINGS = ExtractionSettings()


@dataclass(frozen=True, eq=False)
class Film:
    """A film's first frames and its truth."""

    path: Path
    pictures: list[NDArray[np.uint8]]
    labels: LabelledKeypoints
    boxes_xyxy: NDArray[np.float32]

    @classmethod
    def truth_of(cls, path: Path, frames: int | None = None) -> "Film":
        """Read the truth alone."""
        truth = json.loads(path.with_suffix(".json").read_bytes())["frames"][:frames]
        labels = LabelledKeypoints(
            np.array([row["keypoints_xy"] for row in truth], np.float32),
            np.array([row["visibility"] for row in truth], np.uint8),
        )
        return cls(path, [], labels, np.array([row["infant_xyxy"] for row in truth], np.float32))

    @classmethod
    def read(cls, path: Path, frames: int) -> "Film":
        """Decode and read."""
        with open_video(path, window=SETTINGS.window) as source:
            pictures = []
            for window in islice(source, -(-frames // SETTINGS.window)):
                pictures += [one.picture.rgb() for one in window.frames if one.picture is not None]
                window.release()
        return replace(cls.truth_of(path, frames), pictures=pictures[:frames])

    def pck(self, keypoints_xy: NDArray[np.floating]) -> float:
        """PCK@0.2 of visible keypoints in percent; what is missing is wrong."""
        off = np.linalg.norm(keypoints_xy - self.labels.keypoints_xy, axis=-1)
        right = off <= 0.2 * self.trunk_px[:, None]
        return 100 * float(right[self.labels.visibility == 2].mean())

    @property
    def trunk_px(self) -> NDArray[np.float64]:
        """Lengths of the trunk, float64 (N,)."""
        return trunk_length(self.labels, load_skeleton("infant21"))


@dataclass(frozen=True, eq=False)
class Models:
    """The two networks."""

    pose: PoseEstimator
    detector: Detector

    def follow(self, source: FrameSource, frames: int) -> Rows:
        """The rows of the first frames."""
        windows = -(-frames // SETTINGS.window)
        extraction = Extraction(source, self.pose, self.detector, SETTINGS)
        return Rows.joined([result.rows for result in islice(extraction, windows)])[:frames]

    def by_labels(self, film: Film) -> NDArray[np.float32]:
        """Keypoints in crops that are turned and cut by the labels."""
        poser = Poser(self.pose, StageClock())
        crops = [
            turned_frame(box, points, poser.skeleton, poser.input_wh)
            for box, points in zip(film.boxes_xyxy, film.labels.keypoints_xy, strict=True)
        ]
        return poser.find([ArrayPicture(one) for one in film.pictures], crops).keypoints_xy

    def turned_apart(self, film: Film, straight: Rows, quarters: int) -> float:
        """Median distance of keypoints, turned back, in percent of the trunk."""
        pictures = [np.ascontiguousarray(np.rot90(one, quarters)) for one in film.pictures]
        rows = self.follow(ArraySource(pictures, window=SETTINGS.window), len(pictures))
        xy = rows.keypoints_xy.astype(np.float64)
        for turned in range(quarters, 0, -1):
            size_hw = film.pictures[0].shape[:2]
            width = size_hw[1] if turned % 2 else size_hw[0]  # of what this quarter was made from
            xy = np.stack([width - 1 - xy[..., 1], xy[..., 0]], axis=-1)
        apart = np.linalg.norm(xy - straight.keypoints_xy, axis=-1) / film.trunk_px[:, None]
        both = apart[np.isfinite(apart)]
        return 100 * float(np.median(both)) if len(both) else float("nan")

    def beside(self, film: Film, other: Film) -> "Beside":
        """Follow one of two infants that lie side by side, and is gone for a while."""
        count = min(len(film.pictures), len(other.pictures))
        pairs = [_side_by_side(film.pictures[i], other.pictures[i]) for i in range(count)]
        border_x = film.pictures[0].shape[1]
        looked = SETTINGS.window + 1  # the first two looks choose who is followed
        start = self.follow(ArraySource(pairs[:looked], window=SETTINGS.window), looked)
        first = slice(border_x, None) if _middle_x(start)[0] > border_x else slice(border_x)
        gone = slice(2 * count // 5, 4 * count // 5)
        for pair in pairs[gone]:
            pair[:, first] = 90
        middle_x = _middle_x(self.follow(ArraySource(pairs, window=SETTINGS.window), count))
        known = np.isfinite(middle_x)
        same = (middle_x > border_x) == (first.start is not None)
        return Beside(
            followed=int((known & same).sum()),
            switched=int((known & ~same).sum()),
            while_gone=int(known[gone].sum()),
            gone=len(pairs[gone]),
        )


@dataclass(frozen=True)
class Beside:
    """Frames in which the infant was followed, another was, and any while it was gone."""

    followed: int
    switched: int
    while_gone: int
    gone: int


def _side_by_side(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two pictures in one, grey below the lower one."""
    height = max(len(one), len(two))
    grey = [np.full((height, part.shape[1], 3), 90, np.uint8) for part in (one, two)]
    for whole, part in zip(grey, (one, two), strict=True):
        whole[: len(part)] = part
    return np.ascontiguousarray(np.hstack(grey))


def _middle_x(rows: Rows) -> NDArray[np.float32]:
    return np.asarray(rows.box_xyxy[:, ::2].mean(axis=1))


def _line(models: Models, film: Film, other: Film) -> str:
    count = len(film.pictures)
    with open_video(film.path, window=SETTINGS.window) as source:
        rows = models.follow(source, count)
    by_labels, followed = film.pck(models.by_labels(film)), film.pck(rows.keypoints_xy)
    statuses = np.bincount(rows.status, minlength=len(STATUSES))
    said = ", ".join(f"{n} {name}" for n, name in zip(statuses, STATUSES, strict=True) if n)
    turned = " ".join(f"{models.turned_apart(film, rows, quarters):.2f}" for quarters in (1, 2, 3))
    beside = models.beside(film, other)
    return (
        f"| {film.path.name} | {by_labels:.1f} | {followed:.1f} | {by_labels - followed:+.1f} "
        f"| {said} | {turned} | {beside.followed} followed, {beside.switched} switched, "
        f"{beside.while_gone} of {beside.gone} while gone |"
    )


def main() -> None:
    """Print a row for each film."""
    parser = argparse.ArgumentParser()
    parser.add_argument("films", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args()
    least = 5 * (SETTINGS.window + 2) // 2 + 1  # below, the infant is gone before it was chosen
    if given.frames < least:
        raise SystemExit(f"expected at least {least} frames, got {given.frames}")
    options = EngineOptions(precision=given.precision, threads=given.threads)
    models = Models(
        PoseEstimator.open(given.model, options),
        Detector.open(given.detector, EngineOptions(batch_size=1, threads=given.threads)),
    )
    films = [Film.read(path, given.frames) for path in given.films]
    print("| film | labels | followed | loss | frames | turned, % | beside another |")
    print("|---|---|---|---|---|---|---|")
    for film, other in zip(films, films[1:] + films[:1], strict=True):
        print(_line(models, film, other), flush=True)


if __name__ == "__main__":
    main()
