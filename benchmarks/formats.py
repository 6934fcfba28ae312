"""keypoints.csv and keypoints.json: rows per CPU-second, against Python's csv and json modules.

    python benchmarks/formats.py [--rows 6000] [--rounds 3]

Rows are as a network gives them: 21 keypoints, x and y anywhere in 0..1920, scores in 0..1, all in
full float32 precision, a twentieth of the frames without an infant. What is compared takes turns,
and the best round counts. The plain writers hand `tolist()` to csv.writer and json.dumps, so their
numbers have float64's up to 17 digits; the plain readers make arrays of what csv.reader and
json.loads give, and check nothing.
"""

import argparse
import csv
import io
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.spec.sequence import (
    STATUSES,
    FilteredRows,
    ModelIdentity,
    Rows,
    SequenceHeader,
    SequenceSkeleton,
    SequenceVideo,
    Series,
)
from model.spec.sequence_csv import CsvWriter, csv_columns, read_csv
from model.spec.sequence_json import JsonWriter, read_json
from model.spec.skeleton import load_skeleton

Run = Callable[[], Any]


def rows_of(count: int) -> Rows:
    """Rows of a film that nobody took."""
    random = np.random.default_rng(0)
    gone = random.random(count) < 0.05
    corner = random.uniform(0, 900, (count, 2))
    boxes = np.concatenate([corner, corner + random.uniform(100, 900, (count, 2))], axis=1)
    points, scores = random.uniform(0, 1920, (count, 21, 2)), random.uniform(0, 1, (count, 21))
    box_score = random.uniform(0.5, 1, count)
    for values in (boxes, points, scores, box_score):
        values[gone] = np.nan
    index = np.arange(count)
    return Rows(
        frame_index=index,
        pts=index * 512,
        time_s=index * 512 / 12800,
        status=np.where(gone, STATUSES.index("no_detection"), 0).astype(np.uint8),
        box_xyxy=boxes.astype(np.float32),
        box_score=box_score.astype(np.float32),
        keypoints_xy=points.astype(np.float32),
        scores=scores.astype(np.float32),
    )


def header_of(series: Series) -> SequenceHeader:
    """A header for infant21."""
    skeleton = load_skeleton("infant21")
    model = ModelIdentity("benchmark", "0", "0" * 64, "0" * 64)
    return SequenceHeader(
        series=series,
        skeleton=SequenceSkeleton(skeleton.id, skeleton.keypoints, skeleton.edges),
        pose_model=model,
        detector=model,
        engine="openvino",
        precision="float32",
        video=SequenceVideo(
            container="mov",
            codec="h264",
            pixel_format="yuv420p",
            bit_depth=8,
            coded_wh=(1920, 1080),
            displayed_wh=(1920, 1080),
            rotation_deg=0,
            time_base=(1, 12800),
            frame_rate_header=25.0,
            duration_s_header=None,
            num_frames_header=None,
            variable_frame_rate=False,
            interlaced=False,
        ),
        parameters={"window": 64},
    )


def written(writer: CsvWriter | JsonWriter, block: Rows | FilteredRows) -> bytes:
    """The whole file."""
    return writer.header() + b"".join(writer.rows(block)) + writer.end()


def plain_values(rows: Rows, flags: NDArray[np.uint8] | None) -> list[list[Any]]:
    """Rows as Python values, None where missing."""
    xyxy = rows.box_xyxy
    xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2] + 1], axis=1)
    points = np.concatenate([rows.keypoints_xy, rows.scores[..., None]], axis=2)
    numbers = np.concatenate([xywh, rows.box_score[:, None], points.reshape(len(rows), -1)], axis=1)
    some = numbers.astype(object)
    some[np.isnan(numbers)] = None
    words = [STATUSES[status] for status in rows.status]
    marks = [[]] * len(rows) if flags is None else flags.tolist()
    firsts = zip(rows.frame_index.tolist(), rows.pts.tolist(), rows.time_s.tolist(), strict=True)
    return [
        [*first, word, *values, *mark]
        for first, word, values, mark in zip(firsts, words, some.tolist(), marks, strict=True)
    ]


def plain_csv(header: SequenceHeader, rows: Rows, flags: NDArray[np.uint8] | None) -> bytes:
    """By csv.writer."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(csv_columns(header.skeleton.keypoints, filtered=flags is not None))
    writer.writerows(plain_values(rows, flags))
    return text.getvalue().encode()


def plain_json(header: SequenceHeader, rows: Rows, flags: NDArray[np.uint8] | None) -> bytes:
    """By json.dumps."""
    names = csv_columns(header.skeleton.keypoints, filtered=flags is not None)
    table = [dict(zip(names, row, strict=True)) for row in plain_values(rows, flags)]
    return json.dumps(table, separators=(",", ":")).encode()


def plain_read_csv(content: bytes) -> NDArray[np.float64]:
    """By csv.reader: the numbers from bbox_x on."""
    reader = csv.reader(io.StringIO(content.decode()))
    next(reader)
    return np.array([[float(v) if v else np.nan for v in row[4:]] for row in reader])


def plain_read_json(content: bytes) -> NDArray[np.float64]:
    """By json.loads: the keypoints."""
    nothing = [None] * 3
    frames = json.loads(content)["frames"]
    return np.array([[p or nothing for p in f["keypoints"]] for f in frames], np.float64)


def compare(title: str, ours: Run, plain: Run, rows: int, rounds: int) -> None:
    """Print rows per CPU-second of both, and their ratio."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for run, taken in zip((ours, plain), times, strict=True):
            start = time.process_time()
            run()
            taken.append(time.process_time() - start)
    best, best_plain = map(min, times)
    print(f"| {title} | {rows / best:,.0f} | {rows / best_plain:,.0f} | {best_plain / best:.1f} |")


def compare_all(series: Series, block: Rows | FilteredRows, rounds: int) -> None:
    """Print the lines of one series."""
    header = header_of(series)
    rows, flags = (block.rows, block.flags) if isinstance(block, FilteredRows) else (block, None)
    table, document = written(CsvWriter(header), block), written(JsonWriter(header), block)
    runs: list[tuple[str, Run, Run]] = [
        ("write CSV", lambda: written(CsvWriter(header), block),
         partial(plain_csv, header, rows, flags)),
        ("write JSON", lambda: written(JsonWriter(header), block),
         partial(plain_json, header, rows, flags)),
        ("read CSV", lambda: read_csv(io.BytesIO(table)), partial(plain_read_csv, table)),
        ("read JSON", lambda: read_json(io.BytesIO(document)), partial(plain_read_json, document)),
    ]  # fmt: skip
    for title, ours, plain in runs:
        compare(f"{title}, {series}", ours, plain, len(rows), rounds)
    sizes = len(table) / len(rows), len(document) / len(rows)
    print(f"\n{series}: {sizes[0]:.0f} bytes a row in CSV, {sizes[1]:.0f} in JSON\n")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rows = rows_of(arguments.rows)
    flags = np.random.default_rng(1).integers(0, 8, rows.scores.shape).astype(np.uint8)
    blocks: list[tuple[Series, Rows | FilteredRows]] = [
        ("raw", rows),
        ("filtered", FilteredRows(rows, flags)),
    ]
    for series, block in blocks:
        print("| rows per CPU-second | ours | plain | ratio |\n| --- | --- | --- | --- |")
        compare_all(series, block, arguments.rounds)


if __name__ == "__main__":
    main()
