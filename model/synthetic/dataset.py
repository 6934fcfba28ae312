"""A folder of labelled pictures: made by several processes, resumable, never half written.

The folder holds `dataset.json` (the settings), `images/`, `records.jsonl` (one line a finished
picture) and, when a run ends, `annotations.json` (COCO). Pictures follow from split, seed and
number alone, so that what one process or several, one run or several make is the same.
"""

import json
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from io import RawIOBase
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Any

from model.spec.errors import DatasetError, OutputError, SyntheticError
from model.spec.progress import Progress
from model.synthetic.coco import annotations_of, dataset
from model.synthetic.files import make_folder, reason, write_aside, write_json
from model.synthetic.sample import EMPTY_SHARE, Size, check_size, make_sample
from model.synthetic.seeds import PICTURES_PER_SUBJECT, PictureSeed

RECIPE = 1
"""Number of the recipe; it rises when the same seed gives other pictures."""
SETTINGS, RECORDS, ANNOTATIONS, IMAGES = (
    "dataset.json", "records.jsonl", "annotations.json", "images",
)  # fmt: skip
SPLITS_OF_DATA = ("train", "val", "test")
Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What a folder was made with; a second run must ask for the same.

    Attributes:
        split: train, val or test.
        seed: The data set's seed.
        size_wh: Of its 4:3 pictures.
        empty_share: Of its pictures, how many show no infant, 0 to 1.
        recipe: RECIPE at the time.
    """

    split: str
    seed: int
    size_wh: Size
    empty_share: float = EMPTY_SHARE
    recipe: int = RECIPE

    def __post_init__(self) -> None:
        check_size(self.size_wh)
        if self.split not in SPLITS_OF_DATA:
            raise SyntheticError(
                f"expected a split of {', '.join(SPLITS_OF_DATA)}, got {self.split!r}"
            )
        if not 0 <= self.empty_share <= 1:
            raise SyntheticError(f"expected an empty share of 0 to 1, got {self.empty_share}")
        PictureSeed(self.split, self.seed, 0)


def write_dataset(out: Path, settings: Settings, *, count: int, workers: int = 1) -> int:
    """Make pictures 0 to count - 1 of a data set; those that are there are kept.

    Args:
        out: Folder, new or of an earlier run with the same settings.
        settings: Which data set.
        count: How many pictures.
        workers: Processes.

    Returns:
        How many pictures were made in this run.

    Raises:
        SyntheticError: A count or number of processes out of range, or a process that was killed.
        DatasetError: The folder holds something else.
        OutputError: It cannot be written, or another run writes it; what is there stays valid.
    """
    if count < 1 or workers < 1:
        raise SyntheticError(f"expected a count and workers of 1 or more, got {count}, {workers}")
    PictureSeed(settings.split, settings.seed, count - 1)
    make_folder(out / IMAGES)
    with _locked(out / RECORDS) as log:
        _claim(out, settings)
        rows = read_rows(out)
        _mend(log, out / RECORDS)
        missing = [i for i in range(count) if i not in rows]
        groups: dict[int, list[int]] = {}
        for i in missing:
            groups.setdefault(i // PICTURES_PER_SUBJECT, []).append(i)
        jobs = [(out, settings, numbers) for numbers in groups.values()]
        with Progress(count, "pictures", done=count - len(missing)) as progress:
            for made in _run(jobs, workers):
                for row in made:
                    rows[row["index"]] = row
                    _append(log, out / RECORDS, row)
                progress.step(len(made))
        ordered = [rows[i] for i in sorted(rows)]
        write_json(out / ANNOTATIONS, dataset(ordered, _about(settings)))
    return len(missing)


def _about(settings: Settings) -> dict[str, Any]:
    return {"description": "Synthetic supine infants (infant21)", **asdict(settings)}


def _claim(out: Path, settings: Settings) -> None:
    """Write the folder's settings, or check that they are these."""
    path = out / SETTINGS
    if not path.exists():
        write_json(path, asdict(settings))
        return
    there = read_settings(out)
    if there != settings:
        raise DatasetError(
            f"expected {out} to hold {_words(settings)}, got a data set of {_words(there)}"
        )


def _words(settings: Settings) -> str:
    width, height = settings.size_wh
    return (
        f"{settings.split}, seed {settings.seed}, {width}x{height}, "
        f"{settings.empty_share:g} of it empty, recipe {settings.recipe}"
    )


def read_settings(out: Path) -> Settings:
    """The settings that a folder was made with.

    Raises:
        DatasetError: It is no folder of pictures.
    """
    try:
        value = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
        width, height = value["size_wh"]
        share = value.get("empty_share", EMPTY_SHARE)
        return Settings(value["split"], value["seed"], (width, height), share, value["recipe"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"expected {SETTINGS} of a data set in {out}, got: {error}") from error


def read_rows(out: Path) -> dict[int, Row]:
    """Finished pictures by number; a last line that is cut short, or not yet whole, is left out.

    Raises:
        DatasetError: A line in the middle is no record.
    """
    path = out / RECORDS
    if not path.is_file():
        return {}
    whole = path.read_bytes().split(b"\n")[:-1]
    rows: dict[int, Row] = {}
    for number, line in enumerate(whole, 1):
        try:
            row = json.loads(line)
            if (out / row["file_name"]).is_file():
                rows[row["index"]] = row
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"expected a record in line {number} of {path}, got: {error}"
            ) from error
    return rows


@contextmanager
def _locked(path: Path) -> Iterator[RawIOBase]:
    """The file of records, to append to; no other run may write it meanwhile."""
    try:
        log = path.open("ab", buffering=0)
    except OSError as error:
        raise OutputError(f"expected to write {path}, got: {reason(error)}") from error
    with log:
        try:
            flock(log, LOCK_EX | LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(f"expected to write {path} alone, got another run at it") from error
        except OSError as error:
            raise OutputError(f"expected to lock {path}, got: {reason(error)}") from error
        yield log


def _mend(log: RawIOBase, path: Path) -> None:
    """Take off a last line that a stopped run left cut short."""
    if not path.is_file():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole == len(data):
        return
    try:
        log.truncate(whole)
    except OSError as error:
        raise OutputError(f"expected to mend {path}, got: {reason(error)}") from error


def _append(log: RawIOBase, path: Path, row: Row) -> None:
    line = (json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n").encode()
    try:
        written = log.write(line)
    except OSError as error:
        raise OutputError(f"expected to write {path}, got: {reason(error)}") from error
    if written != len(line):
        raise OutputError(f"expected to write {len(line)} bytes to {path}, got {written}")


Job = tuple[Path, Settings, list[int]]


def _run(jobs: list[Job], workers: int) -> Iterator[list[Row]]:
    """Make groups of pictures, here or in other processes, in any order."""
    if workers == 1:
        yield from map(make_group, jobs)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        waiting: set[Future[list[Row]]] = set()
        try:
            for job in jobs:
                waiting.add(pool.submit(make_group, job))
                if len(waiting) >= 2 * workers:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield future.result()
            for future in waiting:
                yield future.result()
        except BrokenProcessPool as error:
            raise SyntheticError(
                "expected every worker to live, got one that ended (out of memory?); "
                "call again to go on"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """Let a worker end when the process that started it is gone, however that ended."""
    parent = parent_process()
    if parent is not None:
        Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def make_group(job: Job) -> list[Row]:
    """Make the pictures of one subject, write them, and return their records.

    Raises:
        OutputError: A picture cannot be written.
    """
    out, settings, numbers = job
    rows = []
    for index in numbers:
        which = PictureSeed(settings.split, settings.seed, index)
        sample = make_sample(which, settings.size_wh, settings.empty_share)
        name = f"{IMAGES}/{index:08d}.jpg"
        write_aside(out / name, sample.jpeg)
        rows.append(
            {
                "index": index, "file_name": name,
                "width": sample.size_wh[0], "height": sample.size_wh[1],
                **annotations_of(sample.labels), "record": sample.record,
            }
        )  # fmt: skip
    return rows
