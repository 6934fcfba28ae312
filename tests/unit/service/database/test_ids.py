"""Identifiers: of version 7, never twice, in the order of time."""

import time
from datetime import UTC

import pytest

from service.database.ids import made_at, new_id


def test_they_are_of_version_7() -> None:
    made = [new_id() for _ in range(1000)]
    assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}
    assert len({*made}) == 1000


def test_they_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0, 1, 1.001, 1_700_000_000, 4_000_000_000]
    clock = iter(round(each * 1e9) for each in seconds)
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))
    made = [new_id() for _ in seconds]
    assert made == sorted(made)
    assert [each.int >> 80 for each in made] == [round(each * 1000) for each in seconds]
    assert [each.hex for each in made] == sorted(each.hex for each in made)


def test_they_say_when_they_were_made() -> None:
    before = time.time()
    moment = made_at(new_id())
    assert moment.tzinfo is UTC
    assert before - 0.002 <= moment.timestamp() <= time.time()
