"""Writing files so that nothing half done ever lies under a real name."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from model.spec.errors import OutputError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say which file or folder it is where the block's writing fails.

    Raises:
        OutputError: The block met an OSError: no room, no permission, or the like.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a path to write to; when the block ends well, it takes the place of `path`.

    Raises:
        OutputError: `path` cannot be written; what stood there before still does.
    """
    with writing(path):
        if path.is_dir():
            raise OutputError(f"{path}: expected the name of a file, got a folder")
        if not path.parent.is_dir():
            raise OutputError(f"{path}: cannot be written: there is no folder {path.parent}")
        aside = path.with_name(f".{path.name}.part")
        aside.touch()
    try:
        with writing(path):
            yield aside
            aside.replace(path)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


@contextmanager
def folder_made_aside(path: Path) -> Iterator[Path]:
    """Give a new folder to fill; when the block ends well, it takes the place of `path`.

    Raises:
        OutputError: `path` holds something or cannot be written, or another run is making it or
            was ended while it did.
    """
    aside = path.with_name(f".{path.name}.part")
    with writing(path):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise OutputError(
                f"{path}: expected a new or empty folder, got one that holds something"
            )
        if aside.exists():
            raise OutputError(f"{aside}: left by a run that was ended; delete it, then run again")
        aside.mkdir(parents=True)
    try:
        with writing(path):
            yield aside
            aside.replace(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
