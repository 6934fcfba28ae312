"""How S3 is reached: what settings say and the store in S3 needs, without loading boto3."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class S3Access:
    """How S3, or a store that speaks like it, is reached.

    Attributes:
        scratch_dir: The folder that videos are fetched to for decoding, the service's alone.
        endpoint_url: Where the store is; None for Amazon's own.
        public_endpoint_url: Where clients reach it. Presigned addresses are made for this one, and
            for Amazon's own: another store's is often inside a network that no client is in.
        region: The bucket's region.
        access_key_id: Who asks; without it, boto3 looks where it always does (roles, profiles).
        secret_access_key: The secret that goes with it.
        addressing_style: Whether the bucket is in the host's name (`virtual`) or in the path;
            `auto` is the host's name for Amazon's own, and the path for other endpoints.
    """

    scratch_dir: Path
    endpoint_url: str | None = None
    public_endpoint_url: str | None = None
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
