"""Writing so that a full disk or a stopped run leaves nothing half done."""

import json
from pathlib import Path
from typing import Any

from model.spec.errors import OutputError
from model.spec.files import written_aside


def reason(error: OSError) -> str:
    """What the system says, without the path."""
    return error.strerror or str(error)


def write_aside(path: Path, data: bytes) -> None:
    """Write a file under another name and move it into place when it is whole.

    Raises:
        OutputError: It cannot be written; what stood at `path` before still does.
    """
    with written_aside(path) as aside:
        aside.write_bytes(data)


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write a JSON value aside and move it into place.

    Raises:
        OutputError: It cannot be written.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    write_aside(path, (text + "\n").encode())


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        OutputError: It cannot be made, or something else has its name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"expected a folder at {path}, got: {reason(error)}") from error
