"""Does aggregation pay, and which? The same short training of each fusion, by the same seeds.

Run: python benchmarks/fusion.py --data TRAIN --val VAL --out FOLDER [--seeds 0 1] [--steps 800]
    [--fusions none released paper]

`none` is the same backbone without aggregation (Table 5's question). Interrupted, it goes on where
it was; runs that have ended are only printed. The table is printed as Markdown.
"""

import argparse
import time
from pathlib import Path

import torch

from model.network.arithmetic import count_multiply_adds, count_parameters
from model.training.data.folder import read_folder
from model.training.pose.commands import usual_precision
from model.training.pose.processes import Processes
from model.training.pose.recipe import load_recipe
from model.training.pose.trainer import Settings, Trainer

FUSIONS = ("none", "released", "paper")


def main() -> None:
    """Train all, print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--fusions", nargs="+", choices=FUSIONS, default=FUSIONS)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    recipe = load_recipe("compare")
    train, val = read_folder(options.data), read_folder(options.val)
    print(f"{options.steps} steps, {len(train.instances)} infants, {device}, from random weights\n")
    print("| fusion | parameters | G mult-adds | AP, by seed | PCK@0.2, by seed | minutes a run |")
    print("|---|---|---|---|---|---|")
    for fusion in options.fusions:
        found, minutes = [], []
        for seed in options.seeds:
            wanted = recipe.model_copy(
                update={
                    "network": recipe.network.model_copy(update={"fusion": fusion}),
                    "phases": (recipe.phases[0].model_copy(update={"steps": options.steps}),),
                }
            )
            out = options.out / f"{fusion}-{seed}"
            out.mkdir(parents=True, exist_ok=True)
            settings = Settings(out, device=device, precision=usual_precision(device), seed=seed)
            trainer = Trainer(wanted, [train], val, settings, Processes())
            begun = time.monotonic()
            for row in trainer.run():
                print(f"  {fusion} {seed}: {row}, {time.monotonic() - begun:.0f} s", flush=True)
            found.append(trainer.state.metrics)
            minutes.append(trainer.state.seconds / 60)
        network = trainer.network
        adds = count_multiply_adds(network, recipe.phases[0].grids[0].input_hw) / 1e9
        columns = [
            ", ".join(f"{one[name]:.1f}" for one in found) for name in ("val_ap", "val_pck20")
        ]
        print(
            f"| {fusion} | {count_parameters(network) / 1e6:.2f} M | {adds:.2f} | {columns[0]} "
            f"| {columns[1]} | {', '.join(f'{one:.1f}' for one in minutes)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
