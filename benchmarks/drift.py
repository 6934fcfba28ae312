"""What another engine or precision does to the keypoints of a trained model.

Run: python benchmarks/drift.py MODEL.onnx DATA [--limit 300]

Crops of labelled infants with the trunk down go through each engine and precision; each keypoint is
held against float32 on ONNX Runtime's CPU.
"""

import argparse
from pathlib import Path

import numpy as np

from model.runtime.engines import EngineName, EngineOptions, Precision
from model.runtime.pose import PoseEstimator
from model.spec.arrays import CropBatch
from model.spec.metrics import trunk_length
from model.spec.turning import turned_frame
from model.training.data.folder import read_folder
from model.training.evaluation.judging import spread
from model.training.pose.samples import cut

RUNS: tuple[tuple[EngineName, Precision], ...] = (
    ("cpu", "float32"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, default=300)
    options = parser.parse_args()
    folder = spread(read_folder(options.data), options.limit)
    found = {}
    for engine, precision in RUNS:
        pose = PoseEstimator.open(options.model, EngineOptions(engine=engine, precision=precision))
        height, width = pose.manifest.input_hw
        frames = [
            turned_frame(one.box_xyxy, one.labels.keypoints_xy[0], folder.skeleton, (width, height))
            for one in folder.instances
        ]
        crops = np.stack(
            [cut(one.picture, at) for one, at in zip(folder.instances, frames, strict=True)]
        )
        found[engine, precision] = pose.run(CropBatch(crops))["keypoints"]
    plain = found[RUNS[0]]
    scale = np.array([frame.scale for frame in frames])
    trunk = np.array([trunk_length(one.labels, folder.skeleton)[0] for one in folder.instances])
    known = np.isfinite(trunk)
    print(f"{len(plain)} infants, {plain.shape[1]} keypoints each; against float32 on cpu\n")
    print("| engine | precision | median, crop px | 95 % | 99 % | 99 %, trunks | scores, 95 % |")
    print("|---|---|---|---|---|---|---|")
    for engine, precision in RUNS[1:]:
        apart = found[engine, precision] - plain
        px = np.linalg.norm(apart[..., :2], axis=-1)
        trunks = (px * scale[:, None] / trunk[:, None])[known]
        middle, most, last = np.percentile(px, (50, 95, 99))
        print(
            f"| {engine} | {precision} | {middle:.3f} | {most:.2f} | {last:.2f} "
            f"| {np.percentile(trunks, 99):.3f} | {np.percentile(abs(apart[..., 2]), 95):.4f} |"
        )


if __name__ == "__main__":
    main()
