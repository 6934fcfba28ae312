"""Make docs/settings.md: python -m service.settings_table > docs/settings.md."""

import sys
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from service.settings import PREFIX, ClientSettings, Settings

_HEAD = """\
# Settings

Environment variables, read when a process starts. An `AGGPOSE_` variable that is not listed here
is an error, so that a misspelt one is noticed; an empty one counts as not set. Everything has a
default that suits one machine. For several machines, set `AGGPOSE_DATABASE_URL`,
`AGGPOSE_BROKER_URL` and `AGGPOSE_BLOB_URL` to the same on all of them.

This page is made by `python -m service.settings_table > docs/settings.md`.
"""

_S3 = """\
## What S3 must allow

On the bucket: `ListBucket` and `ListBucketMultipartUploads`; on the objects under the prefix:
`GetObject`, `PutObject`, `DeleteObject` and `AbortMultipartUpload`. The bucket must not keep
versions: a video that is deleted would stay in them.
"""


def settings_page() -> str:
    """The page as Markdown."""
    parts = [_HEAD, "## API, workers and sweeper\n", _table(Settings)]
    parts += ["## Commands that speak to a running service\n", _table(ClientSettings), _S3]
    return "\n".join(parts)


def _table(settings: type[BaseSettings]) -> str:
    """One row a setting."""
    rows = ["| Variable | Default | What it is |", "|---|---|---|"]
    rows += [
        f"| `{PREFIX}{name.upper()}` | {_default(field)} | {field.description} |"
        for name, field in settings.model_fields.items()
    ]
    return "\n".join(rows) + "\n"


def _default(field: FieldInfo) -> str:
    """A setting's default as it would be written, in a data folder called /DATA_DIR."""
    default = field.get_default(
        call_default_factory=True, validated_data={"data_dir": Path("/DATA_DIR")}
    )
    text = default.get_secret_value() if isinstance(default, SecretStr) else str(default)
    return "" if default is None or not text else f"`{text.replace('/DATA_DIR', '<data_dir>')}`"


if __name__ == "__main__":
    sys.stdout.write(settings_page())
