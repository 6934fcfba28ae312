"""How fast synthetic infants are drawn: pictures by number of processes, and film frames.

Run: python benchmarks/synthetic.py [--pictures 200] [--size 640x480]
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import cv2

from model.synthetic.commands import parse_size
from model.synthetic.dataset import Settings, make_group, write_dataset
from model.synthetic.film import FilmPlan, frames_of, make_film, prepare


def _peak_mb(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / 1024


def _pictures(size_wh: tuple[int, int], count: int, workers: int) -> float:
    """Pictures per second, the processes' start left out by timing a small run first."""
    settings = Settings("train", 999, size_wh)
    seconds = []
    for number in (4 * workers, 4 * workers + count):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            write_dataset(Path(folder), settings, count=number, workers=workers)
            seconds.append(time.perf_counter() - begun)
    return count / (seconds[1] - seconds[0])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--size", default="640x480")
    options = parser.parse_args()
    size_wh = parse_size(options.size)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "images").mkdir()
        make_group((Path(folder), Settings("train", 998, size_wh), [0, 1, 2, 3]))  # compiles
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {options.size}")
    for workers in (1, 2):
        begun = time.process_time()
        rate = _pictures(size_wh, options.pictures, workers)
        spent = time.process_time() - begun
        note = (
            f", {spent / (options.pictures + 8) * 1000:.0f} ms of CPU each" if workers == 1 else ""
        )
        print(f"pictures, {workers} process(es): {rate:.1f}/s{note}")
    plans = [FilmPlan(seed=seed, seconds=1.2, size_wh=size_wh) for seed in range(11, 17)]
    shoots = [prepare(plan) for plan in plans]
    begun, spent = time.perf_counter(), time.process_time()
    frames = sum(1 for shoot in shoots for _ in frames_of(shoot))
    rate = frames / (time.perf_counter() - begun)
    spent = (time.process_time() - spent) / frames * 1000
    print(f"films of {len(plans)} infants, drawn: {rate:.1f} frames/s, {spent:.0f} ms of CPU each")
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        frames = sum(make_film(Path(folder) / "a.mp4", plan) for plan in plans)
        rate = frames / (time.perf_counter() - begun)
    print(f"films, whole: {rate:.1f} frames/s")
    own, children = _peak_mb(resource.RUSAGE_SELF), _peak_mb(resource.RUSAGE_CHILDREN)
    print(f"peak memory: {own:.0f} MB here, {children:.0f} MB in the largest child")


if __name__ == "__main__":
    main()
