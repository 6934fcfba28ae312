"""How the store in S3 is spoken to: boto3's clients, and its errors as the store's."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from service.blobs.access import S3Access
from service.errors import BlobFullError, BlobMissingError, BlobUnavailableError

_MISSING = ("NoSuchKey", "404")
_NO_ROOM = ("XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "507")


@contextmanager
def s3_errors(key: str | None = None) -> Iterator[None]:
    """Turn boto3's errors into the store's.

    Args:
        key: The blob that should be there; without it, nothing is missing but the bucket.

    Raises:
        BlobMissingError: There is no such blob.
        BlobFullError: The store has no room.
        BlobUnavailableError: Anything else.
    """
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if key is not None and code in _MISSING:
            raise BlobMissingError(f"{key}: there is no such blob") from error
        kind = BlobFullError if code in _NO_ROOM else BlobUnavailableError
        raise kind(f"the blob store answers {code or 'with an error'}: {error}") from error
    except BotoCoreError as error:
        raise BlobUnavailableError(f"the blob store does not answer: {error}") from error


@dataclass(frozen=True)
class S3Clients:
    """boto3's clients for one store, which threads may share; boto3 makes their class as it runs.

    Attributes:
        patient: For work: four tries, a minute each.
        quick: For what somebody waits for: one try of three seconds.
        public: For addresses that clients are given; None where they cannot reach the store.
    """

    patient: Any
    quick: Any
    public: Any

    @classmethod
    def of(cls, access: S3Access) -> Self:
        """The clients for this way of access; they ask nothing yet."""
        session = boto3.session.Session(access.access_key_id, access.secret_access_key)
        endpoint_url, public_url = access.endpoint_url, access.public_endpoint_url
        quick = _client(session, access, endpoint_url, attempts=1, timeout_s=3)
        public = quick if endpoint_url is None else None
        if public_url is not None:
            public = _client(session, access, public_url, attempts=1, timeout_s=3)
        return cls(_client(session, access, endpoint_url, attempts=4, timeout_s=60), quick, public)

    def close(self) -> None:
        """Give their connections back."""
        for client in (self.patient, self.quick, self.public):
            if client is not None:
                client.close()


def _client(
    session: Any,  # noqa: ANN401 - see S3Clients
    access: S3Access,
    endpoint_url: str | None,
    *,
    attempts: int,
    timeout_s: float,
) -> Any:  # noqa: ANN401 - see S3Clients
    """A client for one endpoint."""
    style: str = access.addressing_style
    if style == "auto":
        # Few others have a host name for every bucket. For Amazon's own, boto3's auto would presign
        # addresses that lead through another region.
        style = "virtual" if endpoint_url is None else "path"
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": style},
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=min(timeout_s, 10),
        read_timeout=timeout_s,
        max_pool_connections=64,
        # Amazon's newer checksums travel in a way that other stores do not all understand.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return session.client("s3", region_name=access.region, endpoint_url=endpoint_url, config=config)
