"""Make the bucket that AGGPOSE_BLOB_URL names, where it is not there yet; safe to run again."""

import sys
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from service.blobs.s3_client import S3Clients, s3_errors
from service.errors import ServiceError
from service.settings import Settings


def create_bucket(settings: Settings) -> None:
    """Make the bucket.

    Raises:
        BlobUnavailableError: The store does not let us, or does not answer.
    """
    bucket = urlsplit(settings.blob_url).netloc
    client = S3Clients.of(settings.s3_access()).patient
    with s3_errors():
        try:
            client.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] != "404":
                raise
            client.create_bucket(Bucket=bucket)


if __name__ == "__main__":
    try:
        create_bucket(Settings.read())
    except ServiceError as error:
        sys.exit(f"{error} [{error.code}]")
