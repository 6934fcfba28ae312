"""The store in S3 over real HTTP: against moto's server, and against one that plays a script."""
# ruff: noqa: ANN401 - boto3 makes its clients' classes as it runs

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from service.blobs import BlobStore, S3Access, open_store
from service.blobs.s3 import S3Store
from service.blobs.s3_writer import PART_BYTES
from service.errors import BlobChecksumError, BlobError, BlobFullError, BlobUnavailableError
from tests.blob_store import LARGE, BlobStoreTests, content_of, some_bytes
from tests.s3_server import s3_server
from workers.scratch import sweep_scratch


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as address:
        yield address


def access_to(endpoint: str | None, scratch_dir: Path, **more: Any) -> S3Access:
    return S3Access(
        scratch_dir=scratch_dir,
        endpoint_url=endpoint,
        access_key_id="me",
        secret_access_key="hush",  # noqa: S106 - moto takes any
        **more,
    )


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


def error(code: str) -> str:
    return f"<Error><Code>{code}</Code></Error>"


SLOW_DOWN = (503, error("SlowDown"))


@contextmanager
def scripted_server(
    *answers: tuple[int, str], held_back_bytes: int = 0
) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers, the last one for ever; and what it was asked.

    It announces `held_back_bytes` more than it sends, and hangs up.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, text = answers[min(len(asked), len(answers) - 1)]
            asked.append(f"{self.command} {self.path}")
            self.send_response(status)
            self.send_header("ETag", '"etag"')
            self.send_header("Content-Length", str(len(text) + held_back_bytes))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text.encode())

        do_PUT = do_GET = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 - the base's names

        def log_message(self, format: str, *parts: object) -> None:  # noqa: A002 - likewise
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_store_that_stumbles_is_asked_again(tmp_path: Path) -> None:
    with scripted_server(SLOW_DOWN, (500, error("InternalError")), (200, "")) as (address, asked):
        store = open_store("s3://bucket", s3=access_to(address, tmp_path))
        assert store.put("a", [b"x"], max_bytes=1).size_bytes == 1
        assert asked == ["PUT /bucket/a"] * 3
        store.close()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (507, "XMinioStorageFull", BlobFullError),
        (403, "QuotaExceeded", BlobFullError),
        (403, "AccessDenied", BlobUnavailableError),
        (403, "InvalidAccessKeyId", BlobUnavailableError),
        (418, "", BlobUnavailableError),
    ],
)
def test_what_the_store_refuses_is_typed(
    tmp_path: Path, status: int, code: str, expected: type[BlobError]
) -> None:
    with scripted_server((status, error(code) if code else "")) as (address, _):
        store = open_store("s3://bucket", s3=access_to(address, tmp_path))
        with pytest.raises(expected) as caught:
            store.put("a", [b"x"], max_bytes=1)
        assert type(caught.value) is expected
        assert "hush" not in str(caught.value)
        store.close()


def test_readiness_is_told_at_once(tmp_path: Path) -> None:
    with scripted_server(SLOW_DOWN) as (address, asked):
        store = open_store("s3://bucket", s3=access_to(address, tmp_path))
        with pytest.raises(BlobUnavailableError):
            store.check()
        assert len(asked) == 1
        store.close()


def page(key: str, following: str) -> tuple[int, str]:
    return 200, (
        f"<ListBucketResult><Contents><Key>{key}</Key></Contents>{following}</ListBucketResult>"
    )


def test_many_keys_are_listed_by_pages(tmp_path: Path) -> None:
    more = "<IsTruncated>true</IsTruncated><NextContinuationToken>t2</NextContinuationToken>"
    pages = page("in/videos/1", more), page("in/videos/2", "<IsTruncated>false</IsTruncated>")
    with scripted_server(*pages) as (address, asked):
        store = open_store("s3://bucket/in", s3=access_to(address, tmp_path))
        assert list(store.keys("videos")) == ["videos/1", "videos/2"]
        assert ["prefix=in%2Fvideos%2F" in line for line in asked] == [True, True]
        assert "continuation-token=t2" in asked[1]
        store.close()


def test_a_download_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with scripted_server((200, "half of it"), held_back_bytes=5) as (address, _):
        store = open_store("s3://bucket", s3=access_to(address, tmp_path))
        with pytest.raises(BlobUnavailableError, match="does not answer"), store.local_path("a"):
            pass
        with store.open("a") as reader, pytest.raises(BlobUnavailableError):
            list(reader)
        store.close()
    assert list(tmp_path.iterdir()) == []


def test_only_old_uploads_are_swept(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ages = {"new": timedelta(hours=23), "old": timedelta(hours=25)}
    uploads = "".join(
        f"<Upload><Key>{name}</Key><UploadId>{name}-id</UploadId>"
        f"<Initiated>{(now - age).isoformat()}</Initiated></Upload>"
        for name, age in ages.items()
    )
    listing = f"<ListMultipartUploadsResult>{uploads}</ListMultipartUploadsResult>"
    (tmp_path / "new.part").touch()
    (tmp_path / "old.part").touch()
    yesterday = (now - ages["old"]).timestamp()
    os.utime(tmp_path / "old.part", (yesterday, yesterday))
    with scripted_server((200, listing), (204, "")) as (address, asked):
        store = open_store("s3://bucket", s3=access_to(address, tmp_path))
        assert store.sweep() == 2
        assert [line.partition("?")[0] for line in asked] == ["GET /bucket", "DELETE /bucket/old"]
        store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["new.part"]


def test_a_server_that_dies_during_an_upload(tmp_path: Path) -> None:
    with s3_server() as address:
        store = open_store("s3://bucket", s3=access_to(address, tmp_path))
        with pytest.raises(BlobUnavailableError):
            store.check()
        client = boto3.session.Session("me", "hush", region_name="us-east-1").client(
            "s3", endpoint_url=address
        )
        client.create_bucket(Bucket="bucket")
        client.close()
        store.check()
        writer = store.open_put("a", max_bytes=LARGE)
        writer.write(bytes(PART_BYTES))
    with pytest.raises(BlobUnavailableError, match="does not answer") as caught, writer:
        writer.write(bytes(PART_BYTES))
    assert any(
        "and then: the blob store does not answer" in note for note in caught.value.__notes__
    )
    with pytest.raises(BlobUnavailableError):
        store.check()
    store.close()
