"""What a keypoint's score is worth: how often keypoints with such a score are right.

Run: python benchmarks/scores.py EVALUATION DATA

EVALUATION is what `aggpose evaluate MODEL DATA --out EVALUATION` left; pictures with one infant
count. The last lines have the same for infants, by the mean of their scores, and PCK@0.2 picture by
picture.
"""

import argparse
import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.spec.metrics import trunk_length
from model.training.data.folder import read_folder

STEPS = np.array([0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 1.01])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("data", type=Path)
    given = parser.parse_args()
    data = read_folder(given.data)
    found = {
        row["image_id"]: row for row in json.loads((given.evaluation / "results.json").read_bytes())
    }
    content = json.loads(data.file.read_bytes())
    names = next(c["keypoints"] for c in content["categories"] if c.get("keypoints"))
    order = [names.index(name) for name in data.skeleton.keypoints]
    alone = Counter(one.picture.id for one in data.instances)
    scores, off, means, right = [], [], [], []
    for one in data.instances:
        row = found.get(one.picture.id)
        trunk = float(trunk_length(one.labels, data.skeleton)[0])
        if row is None or alone[one.picture.id] > 1 or not np.isfinite(trunk):
            continue
        points = np.array(row["keypoints"]).reshape(-1, 3)[order]
        labelled = one.labels.visibility[0] > 0
        apart = np.linalg.norm(points[:, :2] - one.labels.keypoints_xy[0], axis=1) / trunk
        scores.append(points[labelled, 2])
        off.append(apart[labelled])
        means.append(points[:, 2].mean())
        right.append(np.mean(apart[labelled] <= 0.2))
    print("| score | share of keypoints | within 0.2 | within 0.1 |\n|---|---|---|---|")
    every_score, every_off = np.concatenate(scores), np.concatenate(off)
    for name, here in _steps(every_score):
        shares = [float(np.mean(every_off[here] <= limit)) for limit in (0.2, 0.1)]
        print(f"| {name} | {here.mean():.1%} ({here.sum()}) | {shares[0]:.1%} | {shares[1]:.1%} |")
    print("\n| mean score | share of infants | PCK@0.2 |\n|---|---|---|")
    for name, here in _steps(np.array(means)):
        print(f"| {name} | {here.mean():.1%} | {np.array(right)[here].mean():.1%} |")
    print("\nby picture, sorted:", *(f"{100 * share:.0f}" for share in sorted(right)[:50]))


def _steps(scores: NDArray[np.float64]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Scores by step, those steps that have any."""
    steps = []
    for low, high in itertools.pairwise(STEPS):
        here = (scores >= low) & (scores < high)
        if here.any():
            steps.append((f"{low:.1f} to {min(high, 1.0):.1f}", here))
    return steps


if __name__ == "__main__":
    main()
