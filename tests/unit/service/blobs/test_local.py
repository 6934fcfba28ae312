"""The store in a folder: nothing half, nothing left, nothing for others' eyes."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.blobs import BlobStore, open_store
from service.blobs.local import LocalStore
from service.errors import BlobFullError, BlobKeyError, BlobStoreUrlError, BlobUnavailableError
from tests.blob_store import LARGE, BlobStoreTests, content_of, some_bytes

DISK_BYTES = 1 << 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root)


class TestLocalStore(BlobStoreTests):
    def leftovers(self, store: BlobStore) -> list[str]:
        assert isinstance(store, LocalStore)
        files = [path for path in store.root.rglob("*") if path.is_file()]
        names = {path.relative_to(store.root).as_posix() for path in files}
        return sorted(names - set(store.keys()))


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that holds a mebibyte: a real file system where one may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if (
        os.geteuid() == 0
        and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    ):
        yield folder
        subprocess.run(["/bin/umount", str(folder)], check=True)
        return
    really_write = os.write

    def write(descriptor: int, data: memoryview) -> int:
        used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if used >= DISK_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return really_write(descriptor, data[: DISK_BYTES - used])

    monkeypatch.setattr(os, "write", write)
    yield folder


def test_a_full_disk_says_so_and_keeps_what_it_has(small_disk: Path) -> None:
    store = LocalStore(small_disk / "store")
    store.put("kept", [some_bytes(DISK_BYTES // 2)], max_bytes=LARGE)
    for key in ("fresh", "kept"):
        with pytest.raises(BlobFullError, match="No space left") as caught:
            store.put(key, (some_bytes(65_536) for _ in range(100)), max_bytes=LARGE)
        assert caught.value.code == "blob.full"
    assert list(store.keys()) == ["kept"]
    assert content_of(store, "kept") == some_bytes(DISK_BYTES // 2)
    assert list((small_disk / "store" / ".parts").iterdir()) == []
    store.check()
    filling = store.open_put("half", max_bytes=LARGE)
    with pytest.raises(BlobFullError):
        filling.write(bytes(2 * DISK_BYTES))
    with pytest.raises(BlobFullError):
        store.check()
    filling.close()
    store.check()


def test_only_the_owner_reads(store: LocalStore, root: Path) -> None:
    before = os.umask(0)
    try:
        store.put("videos/7/source", [b"x"], max_bytes=1)
    finally:
        os.umask(before)
    found = {path.relative_to(root).as_posix(): path.stat().st_mode for path in root.rglob("*")}
    assert found == {
        ".parts": 0o40700, "videos": 0o40700, "videos/7": 0o40700, "videos/7/source": 0o100600,
    }  # fmt: skip
    assert root.stat().st_mode == 0o40700


def test_what_is_deleted_leaves_no_folder(store: LocalStore, root: Path) -> None:
    for key in ("videos/7/source", "videos/7/films/preview", "videos/8/source"):
        store.put(key, [b"x"], max_bytes=1)
    store.delete_prefix("videos/7")
    assert sorted(path.name for path in root.glob("videos/*")) == ["8"]
    store.delete("videos/8/source")
    assert sorted(path.name for path in root.iterdir()) == [".parts"]


def test_a_blob_is_on_the_disk_before_it_has_its_key(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str]] = []
    really_sync, really_replace = os.fsync, Path.replace

    def sync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        done.append(("sync", path.relative_to(root).as_posix().partition("/")[0]))
        really_sync(descriptor)

    def replace(path: Path, target: Path) -> Path:
        done.append(("rename", target.relative_to(root).as_posix()))
        return really_replace(path, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    store.put("videos/source", [b"x"], max_bytes=1)
    assert done[:2] == [("sync", ".parts"), ("rename", "videos/source")]
    assert sorted(done[2:]) == [("sync", "."), ("sync", "videos")]
    done.clear()
    store.delete("videos/source")
    assert done == [("sync", ".")]


def test_a_blob_and_a_folder_cannot_share_a_name(store: LocalStore) -> None:
    store.put("a/b", [b"x"], max_bytes=1)
    for key in ("a", "a/b/c", "a/b/c/d"):
        with pytest.raises(BlobKeyError, match="another blob lies where"):
            store.put(key, [b"y"], max_bytes=1)
    assert list(store.keys()) == ["a/b"]
    assert list((store.root / ".parts").iterdir()) == []


def test_reading_goes_on_while_a_blob_is_replaced_or_deleted(store: LocalStore) -> None:
    older, newer = some_bytes(900_000, 1), some_bytes(900_000, 2)
    store.put("a", [older], max_bytes=LARGE)
    with store.open("a") as reader:
        found = next(reader)
        store.put("a", [newer], max_bytes=LARGE)
        store.delete("a")
        assert found + b"".join(reader) == older


def test_a_file_that_shrinks_under_its_reader_is_noticed(store: LocalStore) -> None:
    store.put("a", [some_bytes(900_000)], max_bytes=LARGE)
    with store.open("a") as reader:
        os.truncate(store.root / "a", 400_000)
        with pytest.raises(BlobUnavailableError, match="ended 500000 bytes early"):
            list(reader)


PUTS_FOR_EVER = """
import sys
from pathlib import Path
from service.blobs.local import LocalStore

with LocalStore(Path(sys.argv[1])).open_put("videos/7/source", max_bytes=1 << 40) as writer:
    for _ in range(64):
        writer.write(bytes(100_000))
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_leaves_no_blob_and_what_it_leaves_is_swept(
    store: LocalStore, root: Path
) -> None:
    command = [sys.executable, "-c", PUTS_FOR_EVER, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
    assert list(store.keys()) == []
    (part,) = (root / ".parts").iterdir()
    assert part.stat().st_size == 6_400_000
    assert store.sweep() == 0
    yesterday = time.time() - 25 * 3600
    os.utime(part, (yesterday, yesterday))
    (root / ".parts" / "notes.txt").touch()
    os.utime(root / ".parts" / "notes.txt", (yesterday, yesterday))
    assert store.sweep() == 1
    assert [path.name for path in (root / ".parts").iterdir()] == ["notes.txt"]


PUTS_IN_TURN = """
import itertools
import sys
from pathlib import Path
from service.blobs.local import LocalStore

store = LocalStore(Path(sys.argv[1]))
for turn in itertools.count():
    store.put("videos/7/film", [bytes([turn % 256]) * 100_000] * 3, max_bytes=1 << 20)
    print(turn, flush=True)
"""


def test_a_blob_is_whole_whenever_its_writer_is_killed(store: LocalStore, root: Path) -> None:
    command = [sys.executable, "-c", PUTS_IN_TURN, str(root)]
    for number in range(5):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(number * 0.003)
            process.kill()
        content = content_of(store, "videos/7/film")
        assert content == content[:1] * 300_000
    assert list(store.keys()) == ["videos/7/film"]


def test_a_folder_needs_no_boto3(root: Path) -> None:
    program = (
        "import sys; from service.blobs import open_store; open_store(sys.argv[1]); "
        "import service.settings; print(sorted({'boto3', 'botocore'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, root.as_uri()]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


PUTS_A_GIBIBYTE = """
import sys
from pathlib import Path
from service.blobs.local import LocalStore

def peak_kb():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])

chunk = bytes(range(256)) * 256
store = LocalStore(Path(sys.argv[1]))
store.put("small", [chunk], max_bytes=1 << 20)
before = peak_kb()
store.put("large", (chunk for _ in range(1 << 14)), max_bytes=1 << 30)
with store.open("large") as reader:
    assert sum(map(len, reader)) == 1 << 30
print(before, peak_kb())
"""


def test_a_gibibyte_takes_next_to_no_memory(root: Path) -> None:
    command = [sys.executable, "-c", PUTS_A_GIBIBYTE, str(root)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    (root / "large").unlink()
    before_kb, after_kb = map(int, done.stdout.split())
    assert after_kb < before_kb + 8 * 1024
    assert after_kb < 32 * 1024


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BlobUnavailableError, match="Not a directory") as caught:
        LocalStore(tmp_path / "file" / "store")
    assert caught.value.code == "blob.unavailable"


def test_a_folder_that_vanished_is_unavailable(store: LocalStore, root: Path) -> None:
    root.rmdir()
    root.touch()
    for call in (store.check, lambda: store.put("a", [b"x"], max_bytes=1)):
        with pytest.raises(BlobUnavailableError, match=r"Not a directory|File exists"):
            call()


def test_the_address_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a folder of 100 %"
    store = open_store(folder.as_uri())
    store.put("a", [b"x"], max_bytes=1)
    assert (folder / "a").read_bytes() == b"x"
    assert store.url("a", 60, media_type="video/mp4", name="film.mp4") is None
    with store.local_path("a") as path:
        assert path == folder / "a"
    store.close()


@pytest.mark.parametrize(
    "url", ["", "blobs", "/blobs", "file:", "file://host/blobs", "file:///a?b", "ftp://a/b", "s3:///b",
            "s3://bucket/prefix"],
)  # fmt: skip
def test_an_address_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(BlobStoreUrlError, match="expected file:///folder") as caught:
        open_store(url)
    assert caught.value.code == "blob.url"
