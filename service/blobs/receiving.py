"""Blobs that arrive in an event loop, as uploads do: the disk and S3 are waited for in threads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from service.blobs.store import BlobStore
from service.blobs.streams import BlobWriter, Chunk, StoredBlob


class Receiver:
    """A blob that arrives piece by piece; see `receive`."""

    def __init__(self, writer: BlobWriter, threads: CapacityLimiter) -> None:
        self._writer = writer
        self._threads = threads

    async def write(self, chunk: Chunk) -> None:
        """Add bytes at the end, best many at a time: each call asks a thread.

        Raises:
            BlobTooLargeError: The blob would pass its `max_bytes`.
            BlobFullError: The store has no room.
            BlobUnavailableError: The store failed.
        """
        await run_sync(self._writer.write, chunk, limiter=self._threads)

    async def commit(self) -> StoredBlob:
        """Put what arrived under its key.

        Raises:
            BlobTooLargeError: There are more bytes than `max_bytes`.
            BlobFullError: The store has no room.
            BlobUnavailableError: The store failed.
        """
        return await run_sync(self._writer.commit, limiter=self._threads)


@asynccontextmanager
async def receive(
    store: BlobStore, key: str, *, max_bytes: int, threads: CapacityLimiter
) -> AsyncIterator[Receiver]:
    """`BlobStore.open_put` for an event loop. Leaving without `commit` drops what arrived.

    Args:
        store: Where the blob goes.
        key: Its key.
        max_bytes: The most bytes that it may have.
        threads: As many wait for the store at a time.

    Raises:
        BlobKeyError: The key cannot be one.
        BlobFullError: The store has no room.
        BlobUnavailableError: The store failed.
    """
    opening = partial(store.open_put, key, max_bytes=max_bytes)
    writer = await run_sync(opening, limiter=threads)
    try:
        yield Receiver(writer, threads)
    finally:
        # A request that is cancelled clears up all the same.
        with anyio.CancelScope(shield=True):
            await run_sync(writer.close)
