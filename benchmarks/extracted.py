"""How right what `aggpose extract` wrote is: every frame, every time stamp, and the keypoints.

Run: python -m benchmarks.extracted OUT FILM...

Each FILM is one of `aggpose synth film` with its truth beside it, and OUT is the folder that they
were extracted into. Time stamps are held against PyAV's frames and the packets in the file.
"""

import argparse
from pathlib import Path

import av
import numpy as np

from benchmarks.following import Film
from model.spec.sequence import STATUSES, Rows
from model.spec.sequence_csv import read_csv


def main() -> None:
    """Print a row for each film."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("films", nargs="+", type=Path)
    given = parser.parse_args()
    print("| film | frames | pts | PCK@0.2, visible | frames by status |")
    print("|---|---|---|---|---|")
    right, counted = 0.0, 0
    for path in given.films:
        film = Film.truth_of(path)
        _, rows = read_csv(given.out / path.stem / "keypoints.csv")
        if not isinstance(rows, Rows):
            raise SystemExit(f"{path.stem}: expected the raw series, got the filtered one")
        same = rows.pts.tolist() == _frames_pts(path) == _packets_pts(path)
        pck, visible = film.pck(rows.keypoints_xy), int((film.labels.visibility == 2).sum())
        right, counted = right + pck * visible, counted + visible
        by_status = np.bincount(rows.status, minlength=len(STATUSES))
        said = ", ".join(f"{n} {name}" for n, name in zip(by_status, STATUSES, strict=True) if n)
        told = "exact" if same else "**not the film's**"
        print(f"| {path.name} | {len(rows)} | {told} | {pck:.1f} | {said} |", flush=True)
    print(f"\nall: {right / counted:.1f}")


def _frames_pts(path: Path) -> list[int | None]:
    with av.open(str(path)) as film:
        return [frame.pts for frame in film.decode(video=0)]


def _packets_pts(path: Path) -> list[int]:
    with av.open(str(path)) as film:
        found = [packet.pts for packet in film.demux(film.streams.video[0])]
    return sorted(pts for pts in found if pts is not None)


if __name__ == "__main__":
    main()
