"""What an image can import: the packages that it asks for and all that those ask for in turn."""

import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

OURS = {"aggpose-service"}


HIDE = """
import importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {modules}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


def missing_modules(requirements: Iterable[str]) -> set[str]:
    """The modules that are installed here, and would not be in an image with these requirements."""
    has = OURS | _closure(requirements)
    return {
        module
        for module, owners in metadata.packages_distributions().items()
        if not has & {_plain(owner) for owner in owners}
    }


def hide(folder: Path, modules: Iterable[str]) -> Path:
    """Write what hides modules from every Python that has this folder in its PYTHONPATH."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HIDE.format(modules=sorted(modules)))
    return folder


def _closure(requirements: Iterable[str]) -> set[str]:
    """The packages' names; one that is not installed here brings nothing along."""
    asked = [Requirement(line) for line in requirements]
    found: set[tuple[str, str]] = set()
    while asked:
        one = asked.pop()
        for extra in ("", *one.extras):
            key = (_plain(one.name), extra)
            if key not in found:
                found.add(key)
                asked += _asked_by(one.name, extra)
    return {name for name, _ in found}


def _asked_by(name: str, extra: str) -> list[Requirement]:
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
    every = [Requirement(line) for line in lines]
    return [one for one in every if one.marker is None or one.marker.evaluate({"extra": extra})]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
