"""Machine code follows the sources; OpenCV on one thread as long as any block wants it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copy

import cv2
import pytest

from model.synthetic import compiled
from model.synthetic.compiled import one_thread


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    yield
    cv2.setNumThreads(before)


def test_blocks_that_overlap_end_in_any_order() -> None:
    first, second = one_thread(), one_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert cv2.getNumThreads() == 1, "the second block still works"
    second.__exit__(None, None, None)
    assert cv2.getNumThreads() == 2


def test_an_error_sets_the_number_back() -> None:
    @one_thread()
    def fail() -> None:
        raise ValueError(cv2.getNumThreads())

    with pytest.raises(ValueError, match="1"):
        fail()
    assert cv2.getNumThreads() == 2


def test_kept_machine_code_sees_a_changed_callee(tmp_path: Path) -> None:
    """Two files of a package: the kernel's own file stays as it is, its callee's changes."""
    package = tmp_path / "package"
    package.mkdir()
    copy(compiled.__file__, package)
    callee = "from package.compiled import kernel\n\n@kernel\ndef inner(x):\n    return x + {}\n"
    (package / "callee.py").write_text(callee.format(1))
    (package / "caller.py").write_text(
        "from package.compiled import kernel\nfrom package.callee import inner\n\n"
        "@kernel\ndef outer(x):\n    return inner(x)\n\n"
        "print(outer(10), sum(outer.stats.cache_hits.values()))\n"
    )

    def run() -> list[str]:
        words = [sys.executable, "-m", "package.caller"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert run() == ["11", "0"]
    assert run() == ["11", "1"], "it is kept"
    (package / "callee.py").write_text(callee.format(2))
    assert run() == ["12", "0"]
