"""What a blob's key may be."""

import re

from service.errors import BlobKeyError

MAX_KEY = 512
_SEGMENT = r"[a-z0-9][a-z0-9._-]{0,99}"
_KEY = re.compile(rf"{_SEGMENT}(/{_SEGMENT})*")


def checked_key(key: str) -> str:
    """The key itself, when it can be one: words of a-z, 0-9, `.`, `_` and `-` between slashes.

    No word begins with a dot, so that no key climbs out of the store or meets what it keeps for
    itself; there are no capitals, because some file systems cannot tell them apart.

    Raises:
        BlobKeyError: It cannot.
    """
    if len(key) > MAX_KEY or not _KEY.fullmatch(key):
        raise BlobKeyError(
            f"expected a key such as videos/0197/source, of at most {MAX_KEY} characters, "
            f"got {key[:80]!r}"
        )
    return key
