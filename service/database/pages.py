"""Lists in pages, newest first: a cursor is the last row seen, so that new rows move nothing."""

import base64
import binascii
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, Self, TypeVar
from uuid import UUID

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.errors import CursorError

T = TypeVar("T")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FORM: Final = struct.Struct(">q16s")


@dataclass(frozen=True)
class Cursor:
    """The row that a page ended with.

    Attributes:
        created_at: When it was made.
        id: Which of those made at that moment.
    """

    created_at: datetime
    id: UUID

    def text(self) -> str:
        """As it is handed out: letters that mean nothing to the reader and fit in a URL."""
        moment_us = (self.created_at - _EPOCH) // timedelta(microseconds=1)
        packed = _FORM.pack(moment_us, self.id.bytes)
        return base64.urlsafe_b64encode(packed).decode()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor that was handed out.

        Raises:
            CursorError: It was not.
        """
        try:
            packed = base64.b64decode(text, altchars=b"-_", validate=True)
            moment_us, id_bytes = _FORM.unpack(packed)
            return cls(_EPOCH + timedelta(microseconds=moment_us), UUID(bytes=id_bytes))
        except (binascii.Error, struct.error, ValueError, OverflowError) as error:
            raise CursorError("cursor: expected one that a list gave") from error


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list.

    Attributes:
        items: Newest first.
        next: Where the next page goes on; None where this is the last.
    """

    items: tuple[T, ...]
    next: Cursor | None


def read_page(
    session: Session,
    query: Select[T],
    columns: tuple[InstrumentedAttribute[datetime], InstrumentedAttribute[UUID]],
    *,
    cursor: Cursor | None,
    limit: int,
) -> Page[T]:
    """One page of a query over a table that has these columns for `created_at` and `id`."""
    if cursor is not None:
        query = query.where(tuple_(*columns) < tuple_(cursor.created_at, cursor.id))
    # One row more than asked for says whether there is a next page.
    query = query.order_by(*(column.desc() for column in columns)).limit(limit + 1)
    rows: list[Any] = list(session.scalars(query))
    items = tuple(rows[:limit])
    more = len(rows) > limit
    return Page(items, Cursor(items[-1].created_at, items[-1].id) if more else None)
