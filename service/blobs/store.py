"""What a blob store is: the words that every kind of store shares, and what each of them keeps.

A blob is a run of bytes under a key that the server made, such as `videos/0197.../source`. It is
there whole or not at all: it is written aside, hashed on the way, and takes its key in one step.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from service.blobs.keys import checked_key
from service.blobs.streams import (
    CHUNK_BYTES,
    BlobReader,
    BlobWriter,
    ByteStream,
    Chunk,
    StoredBlob,
)

LEFTOVER_S = 24 * 3600.0
"""Longer than any upload lasts: what is older was left by a process that died."""


class BlobStore(ABC):
    """Where blobs are kept. Every method may be called from any thread.

    Each of them raises BlobKeyError for a key that cannot be one, and BlobUnavailableError when
    the store cannot be reached or fails.
    """

    @abstractmethod
    def open_put(self, key: str, *, max_bytes: int) -> BlobWriter:
        """Begin a blob that is written piece by piece: `with ... as writer`, then `commit`.

        Raises:
            BlobFullError: The store has no room.
        """

    def put(self, key: str, content: Iterable[Chunk] | ByteStream, *, max_bytes: int) -> StoredBlob:
        """Store chunks, or a file from where it stands, under a key; what was there is replaced.

        Nothing is left behind when this, or what gives the chunks, fails.

        Raises:
            BlobTooLargeError: There are more than `max_bytes`.
            BlobFullError: The store has no room.
        """
        chunks = _chunks(content) if isinstance(content, ByteStream) else content
        with self.open_put(key, max_bytes=max_bytes) as writer:
            for chunk in chunks:
                writer.write(chunk)
            return writer.commit()

    @abstractmethod
    def open(self, key: str, start: int | None = None, stop: int | None = None) -> BlobReader:
        """Read the bytes from `start` up to, not including, `stop`.

        Like a slice, a range that reaches past the end gives what there is of it.

        Raises:
            BlobMissingError: There is no such blob.
            ValueError: The range is negative.
        """

    @abstractmethod
    def size(self, key: str, *, quickly: bool = False) -> int:
        """A blob's size in bytes.

        Args:
            key: The blob's.
            quickly: A store that is away is asked once and for seconds, as by `check`.

        Raises:
            BlobMissingError: There is no such blob.
        """

    @abstractmethod
    def local_path(
        self, key: str, *, got_on: Callable[[], None] | None = None
    ) -> AbstractContextManager[Path]:
        """A file with the blob's bytes, to read while the context lasts and never to change.

        Args:
            key: The blob's.
            got_on: Called after each piece that was fetched; what it raises ends the fetching.

        Raises:
            BlobMissingError: There is no such blob.
            BlobChecksumError: What was fetched is not what was stored.
            BlobFullError: There is no room to fetch it to.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove a blob for good; one that is not there is no error."""

    def delete_prefix(self, prefix: str) -> int:
        """Remove every blob under a folder of keys.

        `videos/7` takes `videos/7/source` along, and not `videos/70/source`.

        Returns:
            How many there were.
        """
        found = list(self.keys(checked_key(prefix)))
        for key in found:
            self.delete(key)
        return len(found)

    @abstractmethod
    def keys(self, prefix: str = "") -> Iterator[str]:
        """The keys under a folder of keys, or all of them, in order."""

    @abstractmethod
    def url(self, key: str, seconds: int, *, media_type: str, name: str) -> str | None:
        """An address from which anybody may read the blob for so long; None where there is none.

        It answers with this media type, and as a file of this name.
        """

    @abstractmethod
    def check(self) -> None:
        """Come back when blobs can be stored and read.

        Raises:
            BlobFullError: The store has no room at all.
        """

    @abstractmethod
    def sweep(self, older_s: float = LEFTOVER_S) -> int:
        """Remove what processes that died left behind `older_s` seconds ago or more; how many."""

    @abstractmethod
    def close(self) -> None:
        """Give connections back; the store is not used afterwards."""


def checked_range(start: int | None, stop: int | None) -> tuple[int, int | None]:
    """The range's first byte, and where it ends (None for the blob's end), not before it begins.

    Raises:
        ValueError: One of them is negative.
    """
    first = start or 0
    if first < 0 or (stop is not None and stop < 0):
        raise ValueError(f"expected a range from 0 on, got {start}..{stop}")
    return first, None if stop is None else max(first, stop)


def _chunks(stream: ByteStream) -> Iterator[bytes]:
    """A stream's bytes from where it stands."""
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk
