"""Which code trained a model."""

import shutil
import subprocess
import sys
from pathlib import Path

import model.training.commit
from model.training.commit import code_commit


def test_the_commit_is_the_checkout_s() -> None:
    here = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    head = subprocess.run(here, capture_output=True, text=True, check=False)
    commit = code_commit()
    if head.returncode == 0:
        assert commit is not None
        assert commit.removesuffix("-dirty") == head.stdout.strip()
    else:  # unpacked from an archive
        assert commit is None


def test_code_installed_inside_another_repository_has_none(tmp_path: Path) -> None:
    source = Path(str(model.training.commit.__file__))
    shutil.copy(source, tmp_path / "commit.py")
    for words in (["init", "-q"], ["-c", "user.name=a", "-c", "user.email=b@c.de", "commit", "-q",
                  "--allow-empty", "-m", "x"]):  # fmt: skip
        subprocess.run(["git", *words], cwd=tmp_path, check=True)  # noqa: S607
    words = [sys.executable, "-c", "import commit; print(commit.code_commit())"]
    found = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout == "None\n"
