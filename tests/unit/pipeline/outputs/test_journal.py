"""The journal: what was appended is there again, whatever happened to the file's end."""

import resource
from pathlib import Path

import numpy as np
import pytest

from model.spec.errors import OutputError
from model.spec.sequence import Rows, Sightings
from workers.pipeline.outputs.journal import Entry, Journal


def entry(first: int, count: int = 3) -> Entry:
    rng = np.random.default_rng(first)
    rows = Rows(
        frame_index=np.arange(first, first + count),
        pts=np.arange(first, first + count) * 3600,
        time_s=np.arange(first, first + count) / 25,
        status=np.zeros(count, np.uint8),
        box_xyxy=np.full((count, 4), np.nan, np.float32),
        box_score=np.full(count, np.nan, np.float32),
        keypoints_xy=rng.normal(size=(count, 21, 2)).astype(np.float32),
        scores=rng.random((count, 21), np.float32),
    )
    seen = Sightings(
        looked_at=np.array([first]), frame_index=np.array([first, first]),
        class_id=np.array([0, 1], np.uint8), xyxy=rng.random((2, 4), np.float32),
        score=rng.random(2, np.float32),
    )  # fmt: skip
    return Entry(rows, seen, {"next": first + count, "box": [1.5, None]})


def same(one: Entry, other: Entry) -> bool:
    return one.state == other.state and all(
        np.array_equal(vars(mine)[name], vars(theirs)[name], equal_nan=True)
        for mine, theirs in ((one.rows, other.rows), (one.sightings, other.sightings))
        for name in vars(mine)
    )


def written(path: Path, *entries: Entry) -> None:
    journal = Journal(path)
    for one in entries:
        journal.append(one)
    journal.close()


def read(path: Path) -> list[Entry]:
    journal = Journal(path)
    journal.close()
    return journal.entries


def test_what_was_appended_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written(path, entry(0))
    written(path, entry(3), entry(6, 0))
    found = read(path)
    assert [one.state["next"] for one in found] == [3, 6, 6]
    assert all(same(*pair) for pair in zip(found, (entry(0), entry(3), entry(6, 0)), strict=True))


def test_a_cut_end_loses_the_last_entry_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written(path, entry(0), entry(3))
    whole = path.read_bytes()
    written(tmp_path / "one", entry(0))
    first = (tmp_path / "one").stat().st_size
    for end in (0, 5, 18, 25, first - 1, first, first + 3, first + 40, len(whole) - 1):
        path.write_bytes(whole[:end])
        assert len(read(path)) == (end >= first), end
        written(path, entry(3))  # goes on behind what is whole
        assert same(read(path)[-1], entry(3)), end


def test_a_flipped_bit_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written(path, entry(0), entry(3))
    spoilt = bytearray(path.read_bytes())
    spoilt[-100] ^= 4
    path.write_bytes(spoilt)
    assert [one.state["next"] for one in read(path)] == [3]


@pytest.mark.parametrize(
    "tail", [bytes(4096), bytes(12), b"\xff" * 64, bytes([16, 0, 0, 0, 0, 0, 0, 0]) * 8]
)
def test_an_end_of_anything_is_no_entry(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "journal"
    written(path, entry(0))
    with path.open("ab") as file:
        file.write(tail)
    assert len(read(path)) == 1
    written(path, entry(3))
    assert same(read(path)[-1], entry(3))


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear colleague,")
    with pytest.raises(OutputError, match="expected the journal"):
        Journal(path)
    assert path.read_text() == "Dear colleague,"


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        Journal(tmp_path / "nowhere" / "journal")


def test_a_full_disk_is_an_error_with_a_code_and_spoils_nothing_before(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written(path, entry(0))
    journal = Journal(path)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, usual[1]))
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            journal.append(entry(3))
        journal.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert [one.state["next"] for one in read(path)] == [3]


def test_it_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written(path, entry(0), entry(3))
    journal = Journal(path)
    journal.restart()
    assert journal.entries == []
    journal.append(entry(6))
    journal.close()
    assert [one.state["next"] for one in read(path)] == [9]
