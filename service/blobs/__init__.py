"""Blobs: videos, preview films and finished files, in a folder or in S3, behind one interface."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from service.blobs.access import S3Access
from service.blobs.local import LocalStore
from service.blobs.store import BlobStore
from service.blobs.streams import BlobReader, BlobWriter, StoredBlob
from service.errors import BlobStoreUrlError

__all__ = [
    "BlobReader",
    "BlobStore",
    "BlobWriter",
    "LocalStore",
    "S3Access",
    "StoredBlob",
    "open_store",
]


def open_store(url: str, *, s3: S3Access | None = None) -> BlobStore:
    """The store at an address: `file:///folder` or `s3://bucket/prefix`.

    A process that forks opens its store afterwards.

    Args:
        url: The address; in a folder's, `%20` and the like stand for what they stand for in URLs.
        s3: How S3 is reached; needed with an address in S3 alone.

    Raises:
        BlobStoreUrlError: The address is none of these.
        BlobUnavailableError: The folder cannot be made.
    """
    parts = urlsplit(url)
    plain = not parts.query and not parts.fragment
    if plain and parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return LocalStore(Path(unquote(parts.path)))
    if plain and parts.scheme == "s3" and parts.netloc and s3 is not None:
        # Imported here, because boto3 takes longer to load than the rest of the service.
        from service.blobs.s3 import S3Store  # noqa: PLC0415

        return S3Store(parts.netloc, parts.path.strip("/"), s3)
    raise BlobStoreUrlError(
        "expected file:///folder, or s3://bucket/prefix and how S3 is reached, "
        f"got {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    )
