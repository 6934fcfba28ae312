"""What every blob store must do, whatever it keeps its blobs in: tests to inherit from."""

import asyncio
import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import product
from pathlib import Path

import pytest
from anyio import CapacityLimiter

from service.blobs import BlobStore
from service.blobs.receiving import receive
from service.blobs.streams import Chunk
from service.errors import BlobKeyError, BlobMissingError, BlobTooLargeError

LARGE = 1 << 30
BAD_KEYS = (
    "", "/", "/etc/passwd", "..", "../a", "a/../b", "a/..", "a//b", "a/", "./a", ".parts/a",
    "a/.b", "a\\b", "A", "a b", "a\nb", "a\n", "\u00e4", "a\0b", "x" * 101, "/".join("x" * 300),
)  # fmt: skip


def content_of(
    store: BlobStore, key: str, start: int | None = None, stop: int | None = None
) -> bytes:
    with store.open(key, start, stop) as reader:
        content = b"".join(reader)
    assert reader.size_bytes == len(content)
    return content


def some_bytes(count: int, seed: int = 0) -> bytes:
    return hashlib.shake_128(bytes([seed])).digest(count)


class BlobStoreTests:
    """Subclasses bring a fixture `store`, empty and fresh, and say what lies beside the blobs."""

    @abstractmethod
    def leftovers(self, store: BlobStore) -> list[str]:
        """What the store holds that is no blob."""

    def test_what_is_put_is_what_is_read(self, store: BlobStore) -> None:
        chunks: list[Chunk] = [b"one", bytearray(b"two"), memoryview(b"three"), b""]
        stored = store.put("videos/7/source", chunks, max_bytes=11)
        assert (stored.key, stored.size_bytes) == ("videos/7/source", 11)
        assert stored.sha256 == hashlib.sha256(b"onetwothree").hexdigest()
        assert content_of(store, "videos/7/source") == b"onetwothree"
        assert store.size("videos/7/source") == 11
        assert self.leftovers(store) == []

    def test_a_file_is_put_from_where_it_stands(self, store: BlobStore, tmp_path: Path) -> None:
        content = some_bytes(700_000)
        (tmp_path / "film").write_bytes(content)
        with (tmp_path / "film").open("rb") as file:
            file.seek(10)
            assert store.put("a", file, max_bytes=LARGE).size_bytes == len(content) - 10
        assert content_of(store, "a") == content[10:]
        with store.open("a", 5) as reader:
            stored = store.put("b", reader, max_bytes=LARGE)
        assert stored.sha256 == hashlib.sha256(content[15:]).hexdigest()

    def test_an_empty_blob_is_a_blob(self, store: BlobStore) -> None:
        assert store.put("a", [], max_bytes=0).size_bytes == 0
        assert store.size("a") == 0
        assert content_of(store, "a") == content_of(store, "a", 3) == content_of(store, "a", 0, 5)

    def test_a_range_is_a_slice(self, store: BlobStore) -> None:
        edges = (None, 0, 2, 5, 8)
        for content in (b"", b"x", b"abcde"):
            store.put("a", [content], max_bytes=LARGE)
            for start, stop in product(edges, edges):
                assert content_of(store, "a", start, stop) == content[start:stop]

    @pytest.mark.parametrize(("start", "stop"), [(-1, None), (0, -1), (-3, -1)])
    def test_a_range_counts_from_the_beginning(
        self, store: BlobStore, start: int, stop: int | None
    ) -> None:
        store.put("a", [b"abc"], max_bytes=3)
        with pytest.raises(ValueError, match="from 0 on"):
            store.open("a", start, stop)

    def test_reading_may_stop_early(self, store: BlobStore) -> None:
        content = some_bytes(1_000_000)
        store.put("a", [content], max_bytes=LARGE)
        with store.open("a") as reader:
            assert content.startswith(next(reader))
        abandoned = store.open("a")
        next(abandoned)
        del abandoned  # closes itself, or a warning would fail this test

    def test_a_blob_is_replaced_whole(self, store: BlobStore) -> None:
        store.put("a/b", [b"older and longer"], max_bytes=LARGE)
        store.put("a/b", [b"newer"], max_bytes=LARGE)
        assert content_of(store, "a/b") == b"newer"
        assert list(store.keys()) == ["a/b"]

    @pytest.mark.parametrize("size", [10, 9 << 20])
    def test_a_source_that_fails_leaves_nothing(self, store: BlobStore, size: int) -> None:
        def breaks() -> Iterator[bytes]:
            yield some_bytes(size)
            raise OSError("the client is gone")

        store.put("kept", [b"before"], max_bytes=LARGE)
        for key in ("fresh/one", "kept"):
            with pytest.raises(OSError, match="the client is gone"):
                store.put(key, breaks(), max_bytes=LARGE)
        assert list(store.keys()) == ["kept"]
        assert content_of(store, "kept") == b"before"
        assert self.leftovers(store) == []

    @pytest.mark.parametrize("size", [10, 9 << 20])
    def test_no_more_than_allowed_is_stored(self, store: BlobStore, size: int) -> None:
        store.put("exact", [b"x" * size], max_bytes=size)
        assert store.size("exact") == size
        with pytest.raises(BlobTooLargeError, match=f"at most {size} bytes") as caught:
            store.put("more", [b"x" * size, b"x"], max_bytes=size)
        assert caught.value.code == "blob.too_large"
        assert list(store.keys()) == ["exact"]
        assert self.leftovers(store) == []

    def test_a_writer_ends_once(self, store: BlobStore) -> None:
        with store.open_put("dropped", max_bytes=5) as writer:
            writer.write(b"abc")
            assert list(store.keys()) == []
        with store.open_put("kept", max_bytes=5) as writer:
            writer.write(b"abc")
            writer.write(b"de")
            assert writer.size_bytes == 5
            assert writer.commit().size_bytes == 5
            with pytest.raises(ValueError, match="has ended"):
                writer.commit()
        writer.close()
        with pytest.raises(ValueError, match="has ended"):
            writer.write(b"")
        assert list(store.keys()) == ["kept"]
        assert self.leftovers(store) == []

    def test_what_is_not_there_is_missing(self, store: BlobStore) -> None:
        store.put("a/b", [b"x"], max_bytes=1)
        for key in ("nothing", "a", "a/c", "a/b/c", "nothing/at/all"):
            for ask in (store.size, store.open, lambda key: store.open(key, 3, 3)):
                with pytest.raises(BlobMissingError, match="no such blob") as caught:
                    ask(key)
                assert caught.value.code == "blob.missing"
            with pytest.raises(BlobMissingError), store.local_path(key):
                pass
            store.delete(key)
        assert list(store.keys()) == ["a/b"]

    def test_deleting_takes_whole_words_of_keys(self, store: BlobStore) -> None:
        keys = ["videos/7/preview/film", "videos/7/source", "videos/70/source", "videos/8/source"]
        for key in reversed(keys):
            store.put(key, [key.encode()], max_bytes=LARGE)
        assert list(store.keys()) == keys
        assert list(store.keys("videos")) == keys
        assert list(store.keys("videos/7")) == keys[:2]
        assert list(store.keys("video")) == list(store.keys("videos/7/source")) == []
        assert store.delete_prefix("videos/7") == 2
        assert store.delete_prefix("videos/7") == 0
        store.delete("videos/8/source")
        store.delete("videos/8/source")
        assert list(store.keys()) == ["videos/70/source"]
        assert content_of(store, "videos/70/source") == b"videos/70/source"

    def test_keys_that_cannot_be_are_refused(self, store: BlobStore) -> None:
        calls: list[Callable[[str], object]] = [
            lambda key: store.put(key, [b"x"], max_bytes=1),
            store.open,
            store.size,
            lambda key: ExitStack().enter_context(store.local_path(key)),
            store.delete,
            store.delete_prefix,
            lambda key: store.url(key, 60, media_type="video/mp4", name="film.mp4"),
            lambda key: list(store.keys(key or "/")),  # the empty prefix lists all
        ]
        for key in BAD_KEYS:
            for call in calls:
                with pytest.raises(BlobKeyError) as caught:
                    call(key)
                assert caught.value.code == "blob.key"
        assert list(store.keys()) == []

    def test_a_file_for_the_decoder(self, store: BlobStore) -> None:
        content = some_bytes(300_000)
        store.put("videos/7/source", [content], max_bytes=LARGE)
        with store.local_path("videos/7/source") as path:
            assert path.read_bytes() == content
            assert path.stat().st_mode & 0o777 == 0o600
        assert content_of(store, "videos/7/source") == content
        with pytest.raises(ZeroDivisionError), store.local_path("videos/7/source") as path:
            raise ZeroDivisionError
        assert self.leftovers(store) == []

    def test_what_dead_processes_left_is_swept(self, store: BlobStore) -> None:
        store.put("kept", [b"x"], max_bytes=1)
        left = store.open_put("half", max_bytes=LARGE)
        left.write(some_bytes(9 << 20))
        assert len(self.leftovers(store)) == 1
        assert store.sweep(older_s=0) == 1
        assert self.leftovers(store) == []
        left.close()
        assert store.sweep(older_s=0) == 0
        assert list(store.keys()) == ["kept"]

    def test_many_at_once(self, store: BlobStore) -> None:
        def rounds(which: int) -> None:
            content = some_bytes(50_000, which)
            for turn in range(10):
                key = f"videos/{which % 2}/file-{which}"
                store.put(key, [content[:turn], content[turn:]], max_bytes=LARGE)
                assert content_of(store, key) == content
                store.delete(key)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(rounds, range(8)))
        assert list(store.keys()) == []
        assert self.leftovers(store) == []

    def test_an_event_loop_receives(self, store: BlobStore) -> None:
        content = some_bytes(512 * 1024 + 12_345)

        async def upload() -> str:
            async with receive(
                store, "a", max_bytes=len(content), threads=CapacityLimiter(1)
            ) as receiver:
                for begin in range(0, len(content), 65_536):
                    await receiver.write(content[begin : begin + 65_536])
                return (await receiver.commit()).sha256

        assert asyncio.run(upload()) == hashlib.sha256(content).hexdigest()
        assert content_of(store, "a") == content

    def test_an_upload_that_is_broken_off_leaves_nothing(self, store: BlobStore) -> None:
        async def upload(writing: asyncio.Event) -> None:
            async with receive(store, "a", max_bytes=LARGE, threads=CapacityLimiter(1)) as receiver:
                while True:
                    await receiver.write(some_bytes(9 << 20))
                    writing.set()

        async def break_off() -> None:
            writing = asyncio.Event()
            task = asyncio.create_task(upload(writing))
            await writing.wait()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        async def too_much() -> None:
            async with receive(
                store, "a", max_bytes=2 << 20, threads=CapacityLimiter(1)
            ) as receiver:
                for _ in range(3):
                    await receiver.write(bytes(1 << 20))

        asyncio.run(break_off())
        with pytest.raises(BlobTooLargeError):
            asyncio.run(too_much())
        assert list(store.keys()) == []
        assert self.leftovers(store) == []

    def test_a_store_that_works_says_so(self, store: BlobStore) -> None:
        store.check()
        assert list(store.keys()) == []
        assert self.leftovers(store) == []
