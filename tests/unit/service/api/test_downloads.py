"""What is made while it is sent: in pieces of some size, in turns, and given up with its reader."""

import asyncio
import threading
from collections.abc import Iterable, Iterator

from fastapi import Request
from fastapi.responses import StreamingResponse

from service.api.downloads import stream

LINES = [b"%099d\n" % number for number in range(5000)]


def streamed(content: Iterable[bytes], turns: asyncio.Semaphore) -> StreamingResponse:
    request = Request({"type": "http", "method": "GET", "headers": []})
    answer = stream(request, content, turns, media_type="text/csv", name="lines.csv")
    assert isinstance(answer, StreamingResponse)
    return answer


def test_lines_are_sent_many_at_a_time() -> None:
    async def read() -> list[object]:
        return [piece async for piece in streamed(LINES, asyncio.Semaphore(1)).body_iterator]

    pieces = asyncio.run(read())
    assert b"".join(map(bytes, pieces)) == b"".join(LINES)  # type: ignore[arg-type] # all bytes
    assert 1 < len(pieces) <= 10


def test_a_reader_that_goes_away_gives_its_turn_and_the_content_back() -> None:
    making, goes_on, closed = threading.Event(), threading.Event(), threading.Event()

    def content() -> Iterator[bytes]:
        try:
            yield b"x" * (1 << 16)
            making.set()
            goes_on.wait(10)
            yield b"x" * (1 << 16)
        finally:
            closed.set()

    async def read_all(turns: asyncio.Semaphore) -> None:
        async for _ in streamed(content(), turns).body_iterator:
            pass

    async def go_away() -> bool:
        turns = asyncio.Semaphore(1)
        reading = asyncio.create_task(read_all(turns))
        await asyncio.to_thread(making.wait, 10)
        reading.cancel()
        goes_on.set()
        await asyncio.wait([reading])
        assert reading.cancelled()
        return turns.locked()

    assert not asyncio.run(go_away())
    assert closed.is_set()
