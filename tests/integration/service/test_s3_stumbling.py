"""The store in S3 when the server stumbles: against one that plays a script, and one that dies."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from service.blobs import open_store
from service.blobs.s3_writer import PART_BYTES
from service.errors import BlobError, BlobFullError, BlobUnavailableError
from tests.blob_store import LARGE
from tests.s3_server import access_to, s3_server


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


def test_a_size_is_asked_for_once_where_somebody_waits(tmp_path: Path) -> None:
    with scripted_server(SLOW_DOWN) as (address, asked):
        store = open_store("s3://bucket", s3=access_to(address, tmp_path))
        with pytest.raises(BlobUnavailableError):
            store.size("a", quickly=True)
        assert asked == ["HEAD /bucket/a"]
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
    fetched = tmp_path / "long in use.part"
    fetched.touch()
    yesterday = (now - ages["old"]).timestamp()
    os.utime(fetched, (yesterday, yesterday))
    with scripted_server((200, listing), (204, "")) as (address, asked):
        store = open_store("s3://bucket", s3=access_to(address, tmp_path))
        assert store.sweep() == 1
        assert [line.partition("?")[0] for line in asked] == ["GET /bucket", "DELETE /bucket/old"]
        store.close()
    assert fetched.exists()  # whether its process lives, `sweep_scratch` knows


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
