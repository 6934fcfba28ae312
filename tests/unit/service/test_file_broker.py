"""A message is a whole file or none, whenever somebody looks."""

import errno
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu.connection import Connection
from kombu.exceptions import ChannelError


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Any]:
    folders = {"data_folder_in": str(tmp_path), "data_folder_out": str(tmp_path)}
    opened = Connection(  # type: ignore[no-untyped-call] # kombu's are not
        "filesystem://", transport="service.file_broker:Transport",
        transport_options=folders | {"control_folder": str(tmp_path / "control")},
    )  # fmt: skip
    with opened as connection:
        yield connection.channel()


def test_messages_come_out_in_the_order_in_which_they_went_in(channel: Any) -> None:  # noqa: ANN401 - kombu's
    for number in range(3):
        channel._put("extract", {"number": number})  # noqa: SLF001 - what kombu calls
    channel._put("preview", {"number": 9})  # noqa: SLF001 - likewise
    found = sorted(channel._get("extract")["number"] for _ in range(3))  # noqa: SLF001 - likewise
    assert found == [0, 1, 2]
    with pytest.raises(Empty):
        channel._get("extract")  # noqa: SLF001 - likewise
    assert channel._get("preview") == {"number": 9}  # noqa: SLF001 - likewise


def test_nobody_sees_a_message_that_is_being_written(
    channel: Any,  # noqa: ANN401 - kombu's
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replace = Path.replace

    def look_first(self: Path, target: Path) -> Path:
        assert self.stat().st_size > 0
        with pytest.raises(Empty):
            channel._get("extract")  # noqa: SLF001 - what kombu calls
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", look_first)
    channel._put("extract", {"number": 1})  # noqa: SLF001 - likewise
    assert channel._get("extract") == {"number": 1}  # noqa: SLF001 - likewise


def test_a_full_disk_leaves_nothing_behind(
    channel: Any,  # noqa: ANN401 - kombu's
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(self: Path, content: str, **_: object) -> int:
        self.write_bytes(content[:9].encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ChannelError, match="No space left"):
        channel._put("extract", {"number": 1})  # noqa: SLF001 - what kombu calls
    assert not [path for path in tmp_path.iterdir() if path.is_file()]
