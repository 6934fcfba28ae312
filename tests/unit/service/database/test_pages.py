"""Cursors: what was handed out comes back, all else is refused."""

from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.database.pages import Cursor
from service.errors import CursorError

MOMENTS = st.datetimes(timezones=st.just(UTC))


@given(created_at=MOMENTS, number=st.uuids())
def test_a_cursor_comes_back(created_at: datetime, number: UUID) -> None:
    text = Cursor(created_at, number).text()
    assert text.isascii()
    assert text.replace("-", "").replace("_", "").isalnum()
    assert len(text) == 32
    assert Cursor.parse(text) == Cursor(created_at, number)


@given(text=st.text(max_size=40) | st.binary(max_size=40).map(lambda b: b.decode("latin-1")))
def test_any_other_text_is_refused(text: str) -> None:
    # Some texts of that length are cursors by chance: those alone are read.
    with suppress(CursorError):
        assert Cursor.parse(text).text() == text


@pytest.mark.parametrize("text", ["", "A" * 31, "A" * 36, "f" * 32, "é" * 32, "A" * 30 + "=="])
def test_texts_that_look_like_one_are_refused(text: str) -> None:
    with pytest.raises(CursorError, match="cursor: expected one that a list gave") as caught:
        Cursor.parse(text)
    assert caught.value.code == "list.cursor"
