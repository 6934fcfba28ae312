"""Print what an image needs: python requirements.py [EXTRA]... beside pyproject.toml."""

import sys
import tomllib
from pathlib import Path


def requirements(project: Path, extras: list[str]) -> list[str]:
    """What a project needs, with these extras.

    Raises:
        KeyError: There is no such extra.
    """
    asked = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    groups = [asked["dependencies"], *(asked["optional-dependencies"][name] for name in extras)]
    return sorted({line for group in groups for line in group})


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(Path("pyproject.toml"), sys.argv[1:])) + "\n")
