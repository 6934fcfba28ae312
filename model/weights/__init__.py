"""The models that ship with the package, and how to name them."""

from importlib import resources
from pathlib import Path
from typing import Any

import click

SUFFIXES = (".onnx", ".pt")


def shipped() -> dict[str, Path]:
    """The shipped files by name: `aggpose-t-infant21.onnx` and the like."""
    folder = Path(str(resources.files("model.weights")))
    return {path.name: path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES}


class ModelPath(click.Path):
    """A file that is there, or the name of a shipped one."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """The path; a shipped file's where no other is there."""
        found = Path(str(super().convert(value, param, ctx)))
        return found if found.exists() else shipped().get(str(value), found)
