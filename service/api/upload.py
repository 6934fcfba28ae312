"""A multipart form on its way into the blob store: read, hashed and written piece by piece.

The form has one file, `file`, and fields of text beside it, in any order. File names and declared
types are not read at all.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import UUID

from anyio import CapacityLimiter, WouldBlock
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from service.blobs import BlobStore, StoredBlob
from service.blobs.receiving import Receiver, receive
from service.errors import (
    BlobTooLargeError,
    UploadError,
    UploadsBusyError,
    VideoTooLargeError,
    VideoTypeError,
)
from service.media_types import JUDGED_BYTES, media_type
from service.videos import Upload, source_key

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE: Final = "file"
GATHER_BYTES: Final = 256 << 10
"""So much of a file is gathered before a thread is asked to write it."""
AT_ONCE: Final = 64
"""So many videos arrive at a time: with 8 MiB each, half of what the container may have."""
FORM_BYTES: Final = 128 << 10
"""What the form may have beside the file: fields, and what stands between them."""


@dataclass(frozen=True)
class Form:
    """What arrived.

    Attributes:
        upload: The file, stored.
        fields: The text fields by name.
    """

    upload: Upload
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Intake:
    """Where uploads go.

    Attributes:
        store: The blob store.
        max_bytes: The largest video.
        threads: They open, hash, write and commit, for all uploads: more of them would gain
            nothing, and keep all other requests from the interpreter.
        places: For videos on their way: each may hold a part of S3's in memory.
    """

    store: BlobStore
    max_bytes: int
    threads: CapacityLimiter
    places: CapacityLimiter = field(default_factory=partial(CapacityLimiter, AT_ONCE))


async def read_form(request: Request, intake: Intake, video_id: UUID) -> Form:
    """Read an upload's form into the store. Whatever goes wrong, nothing is left behind.

    Raises:
        UploadError: It is no such form, or ends early.
        VideoTypeError: The file is no video.
        VideoTooLargeError: The file is larger than the intake takes.
        BlobError: The store failed.
        UploadsBusyError: Too many are on their way.
        ClientDisconnect: Nobody is there any more.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise UploadError("expected multipart/form-data with a boundary")
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > intake.max_bytes + FORM_BYTES:
        raise _too_large(intake.max_bytes)
    async with AsyncExitStack() as stack:
        parts = _Parts()
        video = _Video(intake, source_key(video_id), stack)
        try:
            parser = MultipartParser(options[b"boundary"], parts.callbacks())
            async for chunk in request.stream():
                parser.write(chunk)
                for piece in parts.take():
                    await video.write(piece)
            parser.finalize()
        except FormParserError as error:
            raise UploadError("the form is cut short, or not one") from error
        if not parts.ended or not parts.has_file:
            raise UploadError(f"expected a whole form with one file, {FILE}")
        fields = parts.texts()
        blob, kind_of_video = await video.commit()
    return Form(Upload(video_id, blob, kind_of_video), fields)


class _Video:
    """The file, which is not let into the store before its first bytes are a video's."""

    def __init__(self, intake: Intake, key: str, stack: AsyncExitStack) -> None:
        self._intake = intake
        self._key = key
        self._stack = stack
        self._gathered = bytearray()
        self._kind = ""
        self._receiver: Receiver | None = None

    async def write(self, piece: bytes) -> None:
        """Take bytes."""
        self._gathered += piece
        if self._receiver is None and len(self._gathered) >= JUDGED_BYTES:
            self._receiver = await self._begin()
        if self._receiver is not None and len(self._gathered) >= GATHER_BYTES:
            gathered, self._gathered = self._gathered, bytearray()
            async with self._errors():
                await self._receiver.write(gathered)

    async def commit(self) -> tuple[StoredBlob, str]:
        """Give the blob its place."""
        receiver = self._receiver or await self._begin()
        async with self._errors():
            await receiver.write(self._gathered)
            return await receiver.commit(), self._kind

    async def _begin(self) -> Receiver:
        kind = media_type(bytes(self._gathered[:JUDGED_BYTES]))
        if kind is None:
            raise VideoTypeError(
                "expected an MP4, QuickTime, Matroska, WebM, AVI, MPEG (TS or PS) or DV file"
            )
        self._kind = kind
        self._take_place()
        opening = receive(
            self._intake.store, self._key, max_bytes=self._intake.max_bytes,
            threads=self._intake.threads,
        )  # fmt: skip
        return await self._stack.enter_async_context(opening)

    def _take_place(self) -> None:
        places = self._intake.places
        try:
            places.acquire_on_behalf_of_nowait(self)
        except WouldBlock:
            raise UploadsBusyError(
                f"{places.total_tokens:g} uploads are on their way: try again"
            ) from None
        self._stack.callback(places.release_on_behalf_of, self)

    @asynccontextmanager
    async def _errors(self) -> AsyncIterator[None]:
        try:
            yield
        except BlobTooLargeError as error:
            raise _too_large(self._intake.max_bytes) from error


@dataclass
class _Parts:
    """What the parser told: the file's pieces, to be taken after each chunk, and the fields."""

    ended: bool = False
    has_file: bool = False
    _name: str = ""
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _pieces: list[bytes] = field(default_factory=list)
    _fields: dict[str, bytearray] = field(default_factory=dict)
    _beside: int = 0

    def callbacks(self) -> "MultipartCallbacks":
        """For the parser."""
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_to_header,
            "on_header_value": self._add_to_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def take(self) -> list[bytes]:
        """The file's pieces since the last time."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def texts(self) -> dict[str, str]:
        """The fields.

        Raises:
            UploadError: One is not in UTF-8.
        """
        try:
            return {name: bytes(value).decode() for name, value in self._fields.items()}
        except UnicodeDecodeError as error:
            raise UploadError("expected fields in UTF-8") from error

    def _begin_part(self) -> None:
        self._name = ""

    def _add_to_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._count(len(self._header) + len(self._value))
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            self._name = options.get(b"name", b"").decode("latin-1")
        self._header.clear()
        self._value.clear()

    def _end_headers(self) -> None:
        twice = self.has_file if self._name == FILE else self._name in self._fields
        if not self._name or twice:
            raise UploadError("expected parts with a name each, and each name once")
        if self._name == FILE:
            self.has_file = True
        else:
            self._fields[self._name] = bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._name == FILE:
            self._pieces.append(data[start:end])
            return
        self._count(end - start)
        self._fields[self._name] += data[start:end]

    def _end(self) -> None:
        self.ended = True

    def _count(self, size: int) -> None:
        """What is not the file is kept in memory, so there must not be much of it."""
        self._beside += size
        if self._beside > FORM_BYTES:
            raise UploadError(f"expected at most {FORM_BYTES} bytes beside the file")


def _too_large(max_bytes: int) -> VideoTooLargeError:
    return VideoTooLargeError(f"expected a video of at most {max_bytes} bytes")
