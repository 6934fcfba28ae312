"""How fast AggPose trains here: images per second by crop size and precision.

Run: python benchmarks/training.py [--size aggpose-t] [--seconds 10]

Forward, backward and AdamW on made-up crops, without loading; and how long a sample takes to make.
"""

import argparse
import os
import time

import numpy as np
import torch

from model.network.aggpose import build_aggpose
from model.network.pixels import normalise
from model.spec.codec import HeatmapCodec
from model.training.pose.loss import pose_loss, target_heatmaps
from model.training.pose.recipe import LossPart

GRIDS = (((128, 96), 32), ((256, 192), 16))


def rate(size: str, grid: tuple[tuple[int, int], int], precision: str, seconds: float) -> float:
    """Images per second of one setting."""
    (height, width), batch_size = grid
    device = "cuda" if torch.cuda.is_available() else "cpu"
    codec = HeatmapCodec.for_input((width, height))
    rng = np.random.default_rng(0)
    crops = torch.from_numpy(rng.integers(0, 256, (batch_size, height, width, 3), np.uint8))
    points = torch.from_numpy(rng.uniform(0, width, (batch_size, 21, 2)).astype(np.float32))
    crops, points = crops.to(device), points.to(device)
    weights = torch.ones(batch_size, 21, device=device)
    torch.manual_seed(0)
    network = build_aggpose(size).train().to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            heatmaps = network(normalise(crops))
        loss = pose_loss(heatmaps, target_heatmaps(points, codec), weights, LossPart())
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad()
        loss.item()

    for _ in range(3):
        step()
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        step()
        count += batch_size
    return count / (time.perf_counter() - begun)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="aggpose-t")
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    print(f"{options.size}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    print("| crops | batch | float32 | bfloat16 |\n|---|---|---|---|")
    for grid in GRIDS:
        rates = [rate(options.size, grid, p, options.seconds) for p in ("float32", "bfloat16")]
        (height, width), batch_size = grid
        print(f"| {height}x{width} | {batch_size} | {rates[0]:.1f} | {rates[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
