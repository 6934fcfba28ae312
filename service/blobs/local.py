"""Blobs in a folder of one machine, or of a file server: a key is a path below it.

A blob is written to `.parts/`, synced to the disk and renamed, and then the folders that changed
are synced: when `commit` comes back, the blob outlives a power cut; before that there is nothing
under its key, or what was there before. Removing is synced too: what was erased stays so.
Only the service's own user can read any of it.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from service.blobs.keys import checked_key
from service.blobs.parts import new_part, sweep_parts, write_all
from service.blobs.store import LEFTOVER_S, BlobStore, checked_range
from service.blobs.streams import BlobReader, BlobWriter, Chunk, StoredBlob
from service.errors import BlobFullError, BlobKeyError, BlobMissingError, BlobUnavailableError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_PARTS = ".parts"
_RENAME_TRIES = 50


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn the system's errors into the store's.

    Raises:
        BlobFullError: There is no room on the disk.
        BlobUnavailableError: The disk failed, or may not be used.
    """
    try:
        yield
    except OSError as error:
        kind = BlobFullError if error.errno in _NO_ROOM else BlobUnavailableError
        raise kind(f"{what}: {error.strerror or error}") from error


@contextmanager
def _reading(key: str) -> Iterator[None]:
    """The same for a blob that should be there."""
    with disk_errors(key):
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise BlobMissingError(f"{key}: there is no such blob") from error


class LocalStore(BlobStore):
    """Blobs below a folder, which is made when it is not there.

    Raises:
        BlobUnavailableError: The folder cannot be made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        with disk_errors(str(root)):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def open_put(self, key: str, *, max_bytes: int) -> BlobWriter:
        """See `BlobStore.open_put`."""
        return _LocalWriter(self.root, key, max_bytes)

    def open(self, key: str, start: int | None = None, stop: int | None = None) -> BlobReader:
        """See `BlobStore.open`."""
        path = self._path(key)
        first, end = checked_range(start, stop)
        with _reading(key):
            file = path.open("rb", buffering=0)
        try:
            with _reading(key):
                size = os.fstat(file.fileno()).st_size
                file.seek(first)
        except BaseException:
            file.close()
            raise
        end = size if end is None else min(end, size)
        return BlobReader(file, max(0, end - first), lambda: _reading(key))

    def size(self, key: str, *, quickly: bool = False) -> int:  # noqa: ARG002 - it always is
        """See `BlobStore.size`."""
        path = self._path(key)
        with _reading(key):
            if path.is_dir():
                raise IsADirectoryError
            return path.stat().st_size

    @contextmanager
    def local_path(
        self,
        key: str,
        *,
        got_on: Callable[[], None] | None = None,  # noqa: ARG002 - nothing is fetched
    ) -> Iterator[Path]:
        """See `BlobStore.local_path`: the blob's own file."""
        self.size(key)
        yield self._path(key)

    def delete(self, key: str) -> None:
        """See `BlobStore.delete`."""
        path = self._path(key)
        with disk_errors(key):
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return
            _prune(path.parent, self.root)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """See `BlobStore.keys`."""
        folder = self._path(prefix) if prefix else self.root
        with disk_errors(prefix or str(self.root)):
            found = [
                (Path(where) / name).relative_to(self.root).as_posix()
                for where, folders, names in os.walk(folder, onerror=_unless_gone)
                if _PARTS not in Path(where).relative_to(self.root).parts
                for name in names
            ]
        return iter(sorted(found))

    def url(
        self,
        key: str,
        seconds: int,  # noqa: ARG002 - the store's interface
        *,
        media_type: str,  # noqa: ARG002 - likewise
        name: str,  # noqa: ARG002 - likewise
    ) -> str | None:
        """See `BlobStore.url`: a folder has no addresses."""
        checked_key(key)
        return None

    def check(self) -> None:
        """See `BlobStore.check`: a byte is written and removed."""
        with disk_errors(str(self.root)):
            path, descriptor = new_part(self.root / _PARTS)
            try:
                write_all(descriptor, b"\0")
            finally:
                os.close(descriptor)
                path.unlink()

    def sweep(self, older_s: float = LEFTOVER_S) -> int:
        """See `BlobStore.sweep`."""
        with disk_errors(str(self.root)):
            return sweep_parts(self.root / _PARTS, older_s)

    def close(self) -> None:
        """See `BlobStore.close`: there is nothing to give back."""

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)


class _LocalWriter(BlobWriter):
    """A file in `.parts/` that takes its place at the end."""

    def __init__(self, root: Path, key: str, max_bytes: int) -> None:
        super().__init__(key, max_bytes)
        self._root = root
        with disk_errors(key):
            self._part, self._descriptor = new_part(root / _PARTS)

    def _append(self, chunk: Chunk) -> None:
        with disk_errors(self.key):
            write_all(self._descriptor, chunk)

    def _publish(self, blob: StoredBlob) -> None:
        with disk_errors(blob.key):
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
            _rename(self._part, self._root, blob.key)

    def _discard(self) -> None:
        with disk_errors(self.key):
            if self._descriptor >= 0:
                os.close(self._descriptor)
            self._part.unlink(missing_ok=True)


def _rename(part: Path, root: Path, key: str) -> None:
    """Give a part its place; folders may vanish meanwhile, when their last blob is deleted."""
    target = root / key
    for tries_left in reversed(range(_RENAME_TRIES)):
        try:
            changed = _make_folders(target.parent, root)
            part.replace(target)
        except (NotADirectoryError, FileExistsError, IsADirectoryError) as error:
            raise BlobKeyError(f"{key}: another blob lies where it needs a folder") from error
        except FileNotFoundError:
            if not tries_left:
                raise
        else:
            for folder in {target.parent, *changed}:
                _sync(folder)
            return


def _make_folders(folder: Path, root: Path) -> list[Path]:
    """Make a folder below the root, and those above it; gives those that got a new entry."""
    changed = []
    for part in [*reversed(folder.relative_to(root).parents), folder.relative_to(root)]:
        try:
            (root / part).mkdir(mode=0o700)
        except FileExistsError:
            # One look, for between two it may go and come again. Gone: the caller tries again.
            if not stat.S_ISDIR((root / part).stat().st_mode):
                raise
        else:
            changed.append((root / part).parent)
    return changed


def _prune(folder: Path, root: Path) -> None:
    """Remove a folder and those above it as far as they are empty, for good."""
    while folder != root:
        try:
            folder.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise
            if error.errno != errno.ENOENT:
                break
        folder = folder.parent
    _sync(folder)


def _sync(folder: Path) -> None:
    """Write a folder's entries to the disk; one that is gone needs none."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unless_gone(error: OSError) -> None:
    """A folder that is not there, or vanishes while its keys are listed, has none."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
