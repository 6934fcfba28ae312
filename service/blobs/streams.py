"""Bytes on their way into a blob store and out of it."""

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from service.blobs.keys import checked_key
from service.errors import BlobError, BlobTooLargeError, BlobUnavailableError

CHUNK_BYTES = 1 << 18
"""How much is read at a time, and so what one download costs in memory."""

Chunk = bytes | bytearray | memoryview


@runtime_checkable
class ByteStream(Protocol):
    """What bytes are read from: an open file, or the body of an HTTP answer."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; empty at the end."""

    def close(self) -> None:
        """Give back what it holds."""


@dataclass(frozen=True)
class StoredBlob:
    """What was stored.

    Attributes:
        key: Where it lies.
        sha256: The SHA-256 of its bytes, 64 hex digits.
        size_bytes: How many there are.
    """

    key: str
    sha256: str
    size_bytes: int


class BlobWriter(ABC):
    """A blob that is being written. It comes to be with `commit`; leaving without that drops it.

    The calls may come from different threads, one after the other; a thread that closes waits for
    one that still writes.
    """

    def __init__(self, key: str, max_bytes: int) -> None:
        self.key = checked_key(key)
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._sha256 = hashlib.sha256()
        self._lock = threading.Lock()
        self._open = True

    def write(self, chunk: Chunk) -> None:
        """Add bytes at the end.

        Raises:
            BlobTooLargeError: The blob would pass its `max_bytes`.
            BlobFullError: The store has no room.
            BlobUnavailableError: The store failed.
        """
        with self._lock:
            self._check_open()
            if self.size_bytes + len(chunk) > self._max_bytes:
                raise BlobTooLargeError(
                    f"{self.key}: expected at most {self._max_bytes} bytes, got more"
                )
            self._append(chunk)
            self._sha256.update(chunk)
            self.size_bytes += len(chunk)

    def commit(self) -> StoredBlob:
        """Put what was written under its key, in place of what stood there, and end.

        Raises:
            BlobFullError: The store has no room.
            BlobUnavailableError: The store failed.
        """
        with self._lock:
            self._check_open()
            blob = StoredBlob(self.key, self._sha256.hexdigest(), self.size_bytes)
            self._publish(blob)
            self._open = False
            return blob

    def close(self) -> None:
        """Drop what was written, unless it was committed; closing twice does nothing."""
        with self._lock:
            if self._open:
                self._open = False
                self._discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except BlobError as second:
            if error is None:
                raise
            error.add_note(f"and then: {second}")  # the first trouble is the one to tell of

    def _check_open(self) -> None:
        if not self._open:
            raise ValueError(f"{self.key}: expected an open writer, got one that has ended")

    @abstractmethod
    def _append(self, chunk: Chunk) -> None:
        """Take bytes; the chunk is the caller's again afterwards."""

    @abstractmethod
    def _publish(self, blob: StoredBlob) -> None:
        """Make the blob real. Where this fails, `_discard` is called in the end."""

    @abstractmethod
    def _discard(self) -> None:
        """Leave nothing behind."""


class BlobReader(Iterator[bytes]):
    """A blob's bytes, or a range of them, in chunks; read once.

    It closes itself at its end; whoever stops earlier closes it, or uses it as a context.

    Attributes:
        size_bytes: How many bytes it gives in all.
    """

    def __init__(
        self,
        stream: ByteStream,
        size_bytes: int,
        errors: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.size_bytes = size_bytes
        self._left = size_bytes
        self._stream = stream
        self._errors = errors

    def __next__(self) -> bytes:
        if not self._left:
            self.close()
            raise StopIteration
        with self._errors():
            chunk = self._stream.read(min(CHUNK_BYTES, self._left))
        if not chunk:
            self.close()
            raise BlobUnavailableError(f"a blob ended {self._left} bytes early")
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        """Give the file or the connection back; twice does nothing."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
