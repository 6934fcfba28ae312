"""The store in S3 over real HTTP, against moto's server."""
# ruff: noqa: ANN401 - boto3 makes its clients' classes as it runs

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from service.blobs import BlobStore, S3Access, open_store
from service.blobs.s3 import S3Store
from service.blobs.s3_writer import PART_BYTES
from service.errors import BlobChecksumError, BlobFullError, BlobUnavailableError
from tests.blob_store import LARGE, BlobStoreTests, content_of, some_bytes
from tests.s3_server import access_to, s3_server
from workers.scratch import sweep_scratch


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture(scope="module")
def access(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> S3Access:
    scratch_dir = tmp_path_factory.mktemp("s3") / "scratch"
    return access_to(endpoint, scratch_dir, public_endpoint_url=endpoint)


@pytest.fixture(scope="module")
def outside(endpoint: str) -> Iterator[Any]:
    """A client beside the store, to look at what it does."""
    session = boto3.session.Session("me", "hush", region_name="us-east-1")
    client = session.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="bucket")
    yield client
    client.close()


@pytest.fixture(scope="module")
def opened(access: S3Access) -> Iterator[S3Store]:
    store = open_store("s3://bucket/some/prefix/", s3=access)
    assert isinstance(store, S3Store)
    yield store
    store.close()


@pytest.fixture
def store(opened: S3Store, outside: Any) -> S3Store:
    """The store, with nothing in its bucket but what is another service's."""
    for entry in outside.list_objects_v2(Bucket="bucket").get("Contents", []):
        outside.delete_object(Bucket="bucket", Key=entry["Key"])
    for upload in outside.list_multipart_uploads(Bucket="bucket").get("Uploads", []):
        outside.abort_multipart_upload(
            Bucket="bucket", Key=upload["Key"], UploadId=upload["UploadId"]
        )
    outside.put_object(Bucket="bucket", Key="another/service", Body=b"not ours")
    return opened


class TestS3Store(BlobStoreTests):
    @pytest.fixture(autouse=True)
    def _look(self, outside: Any, access: S3Access) -> None:
        self.outside = outside
        self.scratch_dir = access.scratch_dir

    def leftovers(self, store: BlobStore) -> list[str]:
        assert isinstance(store, S3Store)
        found = self.outside.list_objects_v2(Bucket=store.bucket)["Contents"]
        ours = {f"some/prefix/{key}" for key in list(store.keys())} | {"another/service"}
        uploads = self.outside.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])
        scratch = self.scratch_dir.iterdir() if self.scratch_dir.exists() else ()
        return [
            *sorted({entry["Key"] for entry in found} - ours),
            *(upload["Key"] for upload in uploads),
            *(path.name for path in scratch),
        ]


@pytest.mark.parametrize(
    "size", [0, 5, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES, 20_000_000]
)
def test_the_hash_lies_with_the_object(store: S3Store, outside: Any, size: int) -> None:
    content = some_bytes(size)
    chunks = (content[begin : begin + 1_000_003] for begin in range(0, size, 1_000_003))
    stored = store.put("videos/7/source", chunks, max_bytes=LARGE)
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    found = outside.get_object(Bucket=store.bucket, Key="some/prefix/videos/7/source")
    with found["Body"] as body:
        assert body.read() == content
    assert found["Metadata"] == {"sha256": stored.sha256}
    middle = content_of(store, "videos/7/source", size // 3, size // 2)
    assert middle == content[size // 3 : size // 2]


def test_one_large_chunk_is_cut_into_parts(store: S3Store) -> None:
    content = some_bytes(2 * PART_BYTES + 7)
    stored = store.put("a", [content], max_bytes=LARGE)
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    with store.local_path("a") as path:
        assert path.read_bytes() == content


def test_what_is_fetched_says_so_and_is_swept_only_when_its_process_is_gone(
    store: S3Store, access: S3Access
) -> None:
    store.put("a", [some_bytes(PART_BYTES)], max_bytes=LARGE)
    pieces: list[None] = []
    with store.local_path("a", got_on=lambda: pieces.append(None)) as path:
        assert len(pieces) > 1
        os.utime(path, (0, 0))
        assert sweep_scratch(access.scratch_dir) == 0
        left = path.with_name("left.part")
        shutil.copy2(path, left)
        assert sweep_scratch(access.scratch_dir) == 1
        assert not left.exists()
    assert list(access.scratch_dir.iterdir()) == []

    def enough() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), store.local_path("a", got_on=enough):
        pass
    assert list(access.scratch_dir.iterdir()) == []


def test_what_was_changed_meanwhile_is_not_decoded(store: S3Store, outside: Any) -> None:
    stored = store.put("a", [b"as it was"], max_bytes=LARGE)
    outside.put_object(
        Bucket=store.bucket,
        Key="some/prefix/a",
        Body=b"as it is",
        Metadata={"sha256": stored.sha256},
    )
    with (
        pytest.raises(BlobChecksumError, match="a: expected SHA-256") as caught,
        store.local_path("a"),
    ):
        pass
    assert caught.value.code == "blob.checksum"
    outside.put_object(Bucket=store.bucket, Key="some/prefix/a", Body=b"brought by somebody")
    with store.local_path("a") as path:
        assert path.read_bytes() == b"brought by somebody"


def test_no_room_to_fetch_to(
    store: S3Store, access: S3Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", [some_bytes(2_000_000)], max_bytes=LARGE)
    really_write = os.write

    def write(_: int, data: memoryview) -> int:
        # The kernel's own answer, without a disk to fill.
        full = os.open("/dev/full", os.O_WRONLY)
        try:
            return really_write(full, data)
        finally:
            os.close(full)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(BlobFullError, match="No space left"), store.local_path("a"):
        pass
    assert list(access.scratch_dir.iterdir()) == []


def test_a_presigned_address_reads_and_runs_out(store: S3Store, endpoint: str) -> None:
    store.put("videos/7/film", [b"a film"], max_bytes=LARGE)
    film = {"media_type": "video/mp4", "name": "0197-preview.mp4"}
    url = store.url("videos/7/film", 60, **film)
    assert url is not None
    assert url.startswith(f"{endpoint}/{store.bucket}/some/prefix/videos/7/film?")
    assert "X-Amz-Expires=60" in url
    assert "hush" not in url
    answer = httpx.get(url, timeout=30)
    assert (answer.status_code, answer.content) == (200, b"a film")
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == 'attachment; filename="0197-preview.mp4"'
    missing = store.url("videos/8/film", 60, **film)
    assert missing is not None
    assert httpx.get(missing, timeout=30).status_code in (403, 404)
    for seconds in (0, 604_801):
        with pytest.raises(ValueError, match="expected 1 to 604800 seconds"):
            store.url("videos/7/film", seconds, **film)


def test_addresses_are_given_only_where_clients_are(tmp_path: Path) -> None:
    inside = access_to("http://minio:9000", tmp_path)
    shown = access_to(
        "http://minio:9000", tmp_path, public_endpoint_url="https://s3.example", region="eu-north-1"
    )
    amazon = access_to(None, tmp_path, region="eu-north-1")
    begins = []
    for access in (inside, shown, amazon):
        store = open_store("s3://bucket", s3=access)
        url = store.url("a", 60, media_type="video/mp4", name="film.mp4")
        begins.append(url and url.partition("?")[0])
        store.close()
    assert begins == [
        None, "https://s3.example/bucket/a", "https://bucket.s3.eu-north-1.amazonaws.com/a",
    ]  # fmt: skip


def test_sweeping_leaves_other_prefixes_alone(store: S3Store, outside: Any) -> None:
    other = outside.create_multipart_upload(Bucket=store.bucket, Key="another/upload")
    outside.create_multipart_upload(Bucket=store.bucket, Key="some/prefix/upload")
    assert store.sweep() == 1
    left = outside.list_multipart_uploads(Bucket=store.bucket)["Uploads"]
    assert [upload["UploadId"] for upload in left] == [other["UploadId"]]


def test_a_bucket_that_is_not_there_is_unavailable(access: S3Access) -> None:
    store = open_store("s3://no-such-bucket/x", s3=access)
    calls: list[Callable[[], object]] = [
        store.check,
        lambda: store.put("a", [b"x"], max_bytes=1),
        lambda: store.open("a"),
        lambda: list(store.keys()),
        lambda: store.delete("a"),
        store.sweep,
    ]
    for call in calls:
        with pytest.raises(BlobUnavailableError, match="the blob store answers") as caught:
            call()
        assert caught.value.code == "blob.unavailable"
    store.close()


PUTS_MUCH = """
import sys
from pathlib import Path
from service.blobs import S3Access, open_store

def peak_kb():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])

access = S3Access(scratch_dir=Path(sys.argv[3]), endpoint_url=sys.argv[1], access_key_id="me",
                  secret_access_key="hush")
store = open_store(sys.argv[2], s3=access)
chunk = bytes(range(256)) * 256
store.put("warm", (chunk for _ in range(150)), max_bytes=1 << 30)
before = peak_kb()
store.put("large", (chunk for _ in range(1024)), max_bytes=1 << 30)
with store.local_path("large") as path:
    assert path.stat().st_size == 1 << 26
print(before, peak_kb())
"""


def test_memory_does_not_grow_with_the_blob(store: S3Store, endpoint: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PUTS_MUCH, endpoint, f"s3://{store.bucket}", str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    before_kb, after_kb = map(int, done.stdout.split())
    assert after_kb < before_kb + 16 * 1024
