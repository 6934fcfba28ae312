"""How much one API key may ask of this process: buckets that fill up evenly."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from service.errors import RateLimitError


@dataclass(slots=True)
class _Bucket:
    level: float
    at_s: float


class Buckets:
    """One bucket a key: `most` requests at once, and as many in every `per_s` seconds.

    Args:
        most: What a bucket holds.
        per_s: Seconds in which an empty one fills up.
        clock: Seconds that only grow.
    """

    def __init__(
        self, most: int, per_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._per_s = per_s
        self._clock = clock
        self._buckets: dict[UUID, _Bucket] = {}
        self._lock = Lock()

    def take(self, key_id: UUID) -> None:
        """Take one from a key's bucket.

        Raises:
            RateLimitError: It is empty.
        """
        now_s, rate = self._clock(), self._most / self._per_s
        with self._lock:
            bucket = self._buckets.setdefault(key_id, _Bucket(self._most, now_s))
            bucket.level = min(self._most, bucket.level + (now_s - bucket.at_s) * rate)
            bucket.at_s = now_s
            if bucket.level < 1:
                wait_s = (1 - bucket.level) / rate
                raise RateLimitError(
                    f"expected at most {self._most} in {self._per_s:g} s with one API key", wait_s
                )
            bucket.level -= 1


class Limits:
    """What one key may do.

    Args:
        requests_per_minute: Of any kind.
        uploads_per_hour: Of videos.
    """

    def __init__(self, *, requests_per_minute: int, uploads_per_hour: int) -> None:
        self.requests = Buckets(requests_per_minute, 60)
        self.uploads = Buckets(uploads_per_hour, 3600)
