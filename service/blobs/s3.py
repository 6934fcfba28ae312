"""Blobs in S3, Amazon's or any store that speaks like it, under a prefix of one bucket."""

import fcntl
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from botocore.exceptions import ClientError

from service.blobs.access import S3Access
from service.blobs.keys import checked_key
from service.blobs.local import disk_errors
from service.blobs.parts import new_part, write_all
from service.blobs.s3_client import S3Clients, s3_errors
from service.blobs.s3_writer import SHA256, S3Writer, abort_upload
from service.blobs.store import LEFTOVER_S, BlobStore, checked_range
from service.blobs.streams import BlobReader, BlobWriter
from service.errors import BlobChecksumError, BlobMissingError, BlobUnavailableError

_MAX_URL_S = 7 * 24 * 3600


class S3Store(BlobStore):
    """Blobs under `prefix` of `bucket`. Nothing is asked of the store before the first call.

    Requests are repeated as boto3's standard mode does it: up to four times where the connection
    or the store fails, with growing pauses.
    """

    def __init__(self, bucket: str, prefix: str, access: S3Access) -> None:
        self.bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._scratch = access.scratch_dir
        self._clients = S3Clients.of(access)
        self._client = self._clients.patient

    def open_put(self, key: str, *, max_bytes: int) -> BlobWriter:
        """See `BlobStore.open_put`."""
        return S3Writer(self._client, self._address(key), key, max_bytes)

    def open(self, key: str, start: int | None = None, stop: int | None = None) -> BlobReader:
        """See `BlobStore.open`."""
        return self._fetch(key, start, stop)[0]

    def size(self, key: str, *, quickly: bool = False) -> int:
        """See `BlobStore.size`."""
        address, client = self._address(key), self._clients.quick if quickly else self._client
        with s3_errors(key):
            return int(client.head_object(**address)["ContentLength"])

    @contextmanager
    def local_path(self, key: str, *, got_on: Callable[[], None] | None = None) -> Iterator[Path]:
        """See `BlobStore.local_path`: the blob is fetched, and its hash compared."""
        reader, stored = self._fetch(key)
        with reader:
            with disk_errors(str(self._scratch)):
                path, descriptor = new_part(self._scratch)
            try:
                # Ends with this process: whatever is found without it was left by a killed one.
                with disk_errors(str(path)):
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                found = _fetched(reader, path, descriptor, got_on)
                if stored is not None and found != stored:
                    raise BlobChecksumError(f"{key}: expected SHA-256 {stored}, got {found}")
                yield path
            finally:
                path.unlink(missing_ok=True)
                os.close(descriptor)

    def delete(self, key: str) -> None:
        """See `BlobStore.delete`. In a bucket that keeps versions, the older ones stay."""
        address = self._address(key)
        with suppress(BlobMissingError), s3_errors(key):
            self._client.delete_object(**address)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """See `BlobStore.keys`."""
        under = self._prefix + (f"{checked_key(prefix)}/" if prefix else "")
        with s3_errors():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=under):
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(self._prefix)

    def url(self, key: str, seconds: int, *, media_type: str, name: str) -> str | None:
        """See `BlobStore.url`: at most seven days.

        Raises:
            ValueError: `seconds` is not in 1..604800.
        """
        address = self._address(key)
        if not 1 <= seconds <= _MAX_URL_S:
            raise ValueError(f"expected 1 to {_MAX_URL_S} seconds, got {seconds}")
        public = self._clients.public
        if public is None:
            return None
        address["ResponseContentType"] = media_type
        address["ResponseContentDisposition"] = f'attachment; filename="{name}"'
        with s3_errors():
            return str(public.generate_presigned_url("get_object", address, ExpiresIn=seconds))

    def check(self) -> None:
        """See `BlobStore.check`: one quick question for the bucket."""
        with s3_errors():
            self._clients.quick.head_bucket(Bucket=self.bucket)

    def sweep(self, older_s: float = LEFTOVER_S) -> int:
        """See `BlobStore.sweep`: uploads that were never completed."""
        swept, before = 0, datetime.now(UTC) - timedelta(seconds=older_s)
        with s3_errors():
            pages = self._client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self._prefix):
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"] <= before:
                        abort_upload(self._client, self.bucket, upload["Key"], upload["UploadId"])
                        swept += 1
        return swept

    def close(self) -> None:
        """See `BlobStore.close`."""
        self._clients.close()

    def _address(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self._prefix + checked_key(key)}

    def _fetch(
        self, key: str, start: int | None = None, stop: int | None = None
    ) -> tuple[BlobReader, str | None]:
        """A reader of a range, and the SHA-256 in the whole blob's metadata, where there is one."""
        request = self._address(key)
        first, end = checked_range(start, stop)
        if end == first:  # no HTTP range is empty
            self.size(key)
            return BlobReader(io.BytesIO(), 0, s3_errors), None
        if first or end is not None:
            request["Range"] = f"bytes={first}-{'' if end is None else end - 1}"
        try:
            with s3_errors(key):
                answer = self._client.get_object(**request)
        except BlobUnavailableError as error:
            if not _is_beyond_the_end(error):
                raise
            return BlobReader(io.BytesIO(), 0, s3_errors), None
        reader = BlobReader(answer["Body"], int(answer["ContentLength"]), s3_errors)
        return reader, answer["Metadata"].get(SHA256)


def _is_beyond_the_end(error: BlobUnavailableError) -> bool:
    """Whether a range was refused because the blob ends before it."""
    cause = error.__cause__
    return isinstance(cause, ClientError) and cause.response["Error"]["Code"] == "InvalidRange"


def _fetched(
    reader: BlobReader, path: Path, descriptor: int, got_on: Callable[[], None] | None
) -> str:
    """Write what a reader gives to an open file; gives the SHA-256."""
    found = hashlib.sha256()
    for chunk in reader:
        found.update(chunk)
        with disk_errors(str(path)):
            write_all(descriptor, chunk)
        if got_on is not None:
            got_on()
    return found.hexdigest()
