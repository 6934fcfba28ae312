"""What several processes share: a flag over forks, and folders that outlive nobody."""

import multiprocessing
import os
import shutil
import time
from pathlib import Path

import pytest

from workers.scratch import scratch_folder, sweep_scratch
from workers.stopping import StopFlag


def wait_for(flag: StopFlag) -> None:
    deadline = time.monotonic() + 10
    while not flag.is_set():
        if time.monotonic() > deadline:
            os._exit(1)
        time.sleep(0.01)


def test_a_flag_that_is_raised_after_the_fork_is_seen_in_the_child() -> None:
    flag = StopFlag()
    child = multiprocessing.get_context("fork").Process(target=wait_for, args=(flag,))
    child.start()
    assert not flag.is_set()
    flag.set()
    child.join()
    assert child.exitcode == 0


def test_a_folder_goes_with_its_maker(tmp_path: Path) -> None:
    parent = tmp_path / "scratch"
    with scratch_folder(parent) as folder:
        (folder / "film.mp4").write_bytes(b"film")
        assert folder.stat().st_mode & 0o077 == 0
    assert list(parent.iterdir()) == []
    with pytest.raises(ZeroDivisionError), scratch_folder(parent):
        raise ZeroDivisionError
    assert list(parent.iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as used:
        left = tmp_path / "making-left"
        shutil.copytree(used, left)
        (left / "film.mp4").write_bytes(b"film")
        young, foreign = tmp_path / "making-young", tmp_path / "somebody's"
        young.mkdir()
        foreign.mkdir()
        fetched = tmp_path / "0f.part"
        fetched.write_bytes(b"somebody's face")
        for path in (used, left, foreign, fetched):
            os.utime(path, (0, 0))
        assert sweep_scratch(tmp_path) == 2
        assert {path.name for path in tmp_path.iterdir()} == {used.name, young.name, foreign.name}
    assert sweep_scratch(tmp_path / "not there") == 0
