"""Writing a blob to S3, a part at a time.

A blob that fits into one part is put in one request. A longer one is a multipart upload, which is
nothing under its key until it is completed: an upload costs one part of memory however long it is.
The SHA-256 lies in the object's metadata. S3 wants metadata before the first byte, when no hash is
known yet, so a multipart object is copied onto itself with it, inside the store. Tags would save
the copy, but several stores have none.
"""

from contextlib import suppress
from typing import Any

from boto3.s3.transfer import TransferConfig

from service.blobs.s3_client import s3_errors
from service.blobs.streams import BlobWriter, Chunk, StoredBlob

PART_BYTES = 8 << 20
"""One part of a multipart upload: 10 000 of them, the most there may be, hold 78 GiB."""

SHA256 = "sha256"
"""The name of the hash in an object's metadata."""

# Inside the store, in parts of which several are on their way.
_COPY = TransferConfig(multipart_threshold=256 << 20, multipart_chunksize=256 << 20)


class S3Writer(BlobWriter):
    """Collects a part, sends it, and collects the next."""

    def __init__(self, client: Any, address: dict[str, str], key: str, max_bytes: int) -> None:  # noqa: ANN401 - see S3Clients
        super().__init__(key, max_bytes)
        self._client = client
        self._address = address
        self._part = bytearray()
        self._upload_id: str | None = None
        self._sent: list[dict[str, object]] = []
        self._completed = False

    def _append(self, chunk: Chunk) -> None:
        with memoryview(chunk) as view:
            begin = 0
            while begin < len(view):
                end = begin + PART_BYTES - len(self._part)
                self._part += view[begin:end]
                begin = end
                if len(self._part) >= PART_BYTES:
                    self._send()

    def _send(self) -> None:
        with s3_errors():
            if self._upload_id is None:
                self._upload_id = self._client.create_multipart_upload(**self._address)["UploadId"]
            number = len(self._sent) + 1
            answer = self._client.upload_part(
                **self._address, UploadId=self._upload_id, PartNumber=number, Body=self._part
            )
        self._sent.append({"PartNumber": number, "ETag": answer["ETag"]})
        self._part = bytearray()

    def _publish(self, blob: StoredBlob) -> None:
        metadata = {SHA256: blob.sha256}
        if self._upload_id is None:
            with s3_errors():
                self._client.put_object(**self._address, Body=self._part, Metadata=metadata)
            return
        if self._part:
            self._send()
        with s3_errors():
            self._client.complete_multipart_upload(
                **self._address, UploadId=self._upload_id, MultipartUpload={"Parts": self._sent}
            )
            self._completed = True
            changed = {"Metadata": metadata, "MetadataDirective": "REPLACE"}
            self._client.copy(self._address, **self._address, ExtraArgs=changed, Config=_COPY)

    def _discard(self) -> None:
        if self._completed:
            with s3_errors():
                self._client.delete_object(**self._address)
        elif self._upload_id is not None:
            abort_upload(
                self._client, self._address["Bucket"], self._address["Key"], self._upload_id
            )


def abort_upload(client: Any, bucket: str, key: str, upload_id: str) -> None:  # noqa: ANN401 - see S3Clients
    """Drop an upload's parts; it may be gone already."""
    with s3_errors(), suppress(client.exceptions.NoSuchUpload):
        client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
