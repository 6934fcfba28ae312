"""Blobs that arrive in an event loop, as uploads do: the disk and S3 are waited for in threads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.to_thread import run_sync

from service.blobs.store import BlobStore
from service.blobs.streams import BlobWriter, Chunk, StoredBlob

GATHER_BYTES = 1 << 20
"""So much of an upload is gathered before a thread is asked to write it."""


class Receiver:
    """A blob that arrives piece by piece; see `receive`."""

    def __init__(self, writer: BlobWriter) -> None:
        self._writer = writer
        self._gathered = bytearray()

    async def write(self, chunk: Chunk) -> None:
        """Add bytes at the end.

        Raises:
            BlobTooLargeError: The blob would pass its `max_bytes`; told once a mebibyte at most.
            BlobFullError: The store has no room.
            BlobUnavailableError: The store failed.
        """
        self._gathered += chunk
        if len(self._gathered) >= GATHER_BYTES:
            await self._flush()

    async def commit(self) -> StoredBlob:
        """Put what arrived under its key.

        Raises:
            BlobTooLargeError: There are more bytes than `max_bytes`.
            BlobFullError: The store has no room.
            BlobUnavailableError: The store failed.
        """
        await self._flush()
        return await run_sync(self._writer.commit)

    async def _flush(self) -> None:
        gathered, self._gathered = self._gathered, bytearray()
        await run_sync(self._writer.write, gathered)


@asynccontextmanager
async def receive(store: BlobStore, key: str, *, max_bytes: int) -> AsyncIterator[Receiver]:
    """`BlobStore.open_put` for an event loop. Leaving without `commit` drops what arrived.

    Raises:
        BlobKeyError: The key cannot be one.
        BlobFullError: The store has no room.
        BlobUnavailableError: The store failed.
    """
    writer = await run_sync(lambda: store.open_put(key, max_bytes=max_bytes))
    try:
        yield Receiver(writer)
    finally:
        # A request that is cancelled clears up all the same.
        with anyio.CancelScope(shield=True):
            await run_sync(writer.close)
