"""Folders of pictures: the same from one process or two, resumable, valid after a full disk."""

import errno
import json
from fcntl import LOCK_EX, flock
from multiprocessing import active_children
from pathlib import Path

import pytest

from model.spec.errors import DatasetError, OutputError, SyntheticError
from model.spec.progress import Progress
from model.synthetic import dataset
from model.synthetic.dataset import Settings, read_rows, write_dataset
from model.synthetic.files import make_folder, write_aside

SETTINGS = Settings("train", 3, (96, 64))


def _contents(folder: Path) -> dict[str, bytes]:
    wanted = [folder / dataset.ANNOTATIONS, *sorted((folder / dataset.IMAGES).iterdir())]
    return {str(path.relative_to(folder)): path.read_bytes() for path in wanted}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    assert write_dataset(out, SETTINGS, count=10) == 10
    return out


def test_two_processes_make_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "two", SETTINGS, count=10, workers=2)
    assert _contents(tmp_path / "two") == _contents(whole)


def test_a_second_call_continues(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "parts"
    assert write_dataset(out, SETTINGS, count=3) == 3
    stamp = (out / "images/00000000.jpg").stat().st_mtime_ns
    assert write_dataset(out, SETTINGS, count=10) == 7
    assert (out / "images/00000000.jpg").stat().st_mtime_ns == stamp
    assert _contents(out) == _contents(whole)
    assert write_dataset(out, SETTINGS, count=10) == 0


def test_a_line_cut_short_and_a_lost_picture_are_made_again(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "cut"
    write_dataset(out, SETTINGS, count=6)
    records = out / dataset.RECORDS
    records.write_bytes(records.read_bytes()[:-40])
    (out / "images/00000001.jpg").unlink()
    assert write_dataset(out, SETTINGS, count=10) == 6
    assert _contents(out) == _contents(whole)


def test_reading_beside_a_writer_changes_nothing(whole: Path, tmp_path: Path) -> None:
    """A line that is not yet whole is left out, and stays for the run that is writing it."""
    out = tmp_path / "growing"
    write_dataset(out, SETTINGS, count=2)
    records = out / dataset.RECORDS
    lines = (whole / dataset.RECORDS).read_bytes().splitlines(keepends=True)
    records.write_bytes(lines[0] + lines[1][:-40])
    file = records.stat().st_ino
    assert sorted(read_rows(out)) == [0]
    assert records.read_bytes() == lines[0] + lines[1][:-40]
    assert write_dataset(out, SETTINGS, count=2) == 1
    assert records.stat().st_ino == file, "mended in place"
    assert records.read_bytes() == lines[0] + lines[1]


def test_a_second_run_at_the_same_folder_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "taken"
    write_dataset(out, SETTINGS, count=1)
    with (out / dataset.RECORDS).open("ab") as log:
        flock(log, LOCK_EX)
        with pytest.raises(OutputError, match=r"records.jsonl alone, got another run"):
            write_dataset(out, SETTINGS, count=2)
    assert write_dataset(out, SETTINGS, count=2) == 1


def test_a_killed_worker_is_told_and_the_next_call_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "killed"
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "step", lambda *_: active_children()[0].kill())
        with pytest.raises(SyntheticError, match=r"got one that ended .*; call again to go on"):
            write_dataset(out, SETTINGS, count=2000, workers=2)
    kept = set(read_rows(out))
    assert kept
    write_dataset(out, SETTINGS, count=8)
    assert set(read_rows(out)) == kept | set(range(8))


def test_other_settings_are_refused(whole: Path) -> None:
    before = _contents(whole)
    with pytest.raises(DatasetError, match=r"of train, seed 3, 96x64, 0\.05 of it empty, recipe 1"):
        write_dataset(whole, Settings("train", 4, (96, 64)), count=12)
    assert _contents(whole) == before


def test_a_full_disk_leaves_what_was_written_valid(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "full"
    write_dataset(out, SETTINGS, count=4)
    annotations = (out / dataset.ANNOTATIONS).read_bytes()
    real = Path.write_bytes

    def fail_after_some(path: Path, data: bytes) -> int:
        if "00000006" in path.name:
            real(path, data[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", fail_after_some)
    with pytest.raises(OutputError, match=r"00000006.jpg: cannot be written: No space left"):
        write_dataset(out, SETTINGS, count=10)
    assert not list((out / dataset.IMAGES).glob("*.part"))
    assert (out / dataset.ANNOTATIONS).read_bytes() == annotations
    assert sorted(read_rows(out)) == [0, 1, 2, 3]
    monkeypatch.setattr(Path, "write_bytes", real)
    write_dataset(out, SETTINGS, count=10)
    assert _contents(out) == _contents(whole)


def test_a_disk_that_is_full_for_the_records(tmp_path: Path) -> None:
    """The kernel's own full device stands in for the file of records."""
    out = tmp_path / "full"
    make_folder(out)
    (out / dataset.RECORDS).symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left on device"):
        write_dataset(out, SETTINGS, count=1)
    (out / dataset.RECORDS).unlink()
    assert write_dataset(out, SETTINGS, count=1) == 1


def test_writing_aside_keeps_what_stood_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_aside(path, b"old")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError):
        write_aside(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_folders_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"expected dataset.json"):
        dataset.read_settings(tmp_path)
    (tmp_path / dataset.RECORDS).write_text('{"index": 0}\n{"index": 1}\n')
    with pytest.raises(DatasetError, match="line 1 of"):
        read_rows(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="expected a folder"):
        make_folder(tmp_path / "file")


@pytest.mark.parametrize(("count", "workers"), [(0, 1), (-2, 1), (4, 0)])
def test_bad_counts_are_refused(tmp_path: Path, count: int, workers: int) -> None:
    with pytest.raises(SyntheticError, match="1 or more"):
        write_dataset(tmp_path / "out", SETTINGS, count=count, workers=workers)


def test_bad_splits_are_refused() -> None:
    with pytest.raises(SyntheticError, match="expected a split of train, val, test, got 'film'"):
        Settings("film", 0, (96, 64))


def test_rows_are_json(whole: Path) -> None:
    lines = (whole / dataset.RECORDS).read_text().splitlines()
    assert {json.loads(line)["index"] for line in lines} == set(range(10))
