"""Identifiers that sort by the time they were made."""

import secrets
import time
from datetime import UTC, datetime
from uuid import UUID


def new_id() -> UUID:
    """A UUID of version 7 (RFC 9562): milliseconds since 1970 in front, then 74 random bits.

    Rows made one after the other lie side by side in every index.
    """
    bits = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    bits = bits & ~(0xF << 76) | 0x7 << 76
    return UUID(int=bits & ~(0x3 << 62) | 0x2 << 62)


def made_at(identifier: UUID) -> datetime:
    """When `new_id` gave this identifier, to the millisecond, by the clock of its machine."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)
