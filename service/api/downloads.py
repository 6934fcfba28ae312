"""Files from the blob store as answers: ETags, ranges, and gzip for those who take it."""

import re
import zlib
from asyncio import Semaphore
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final

from anyio.to_thread import run_sync
from fastapi import Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from service.api.headers import knows
from service.api.problems import problem
from service.blobs import BlobStore
from service.database.tables import Artifact

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_LINK_S: Final = 300
"""How long an address in S3 that is handed out can be used."""
_PIECE_BYTES: Final = 1 << 16
"""So much is made in one turn."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_PACKED: Final = ("text/", "application/json")

FILE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    206: {"description": "The range that was asked for"},
    304: {"description": "You know this already"},
    307: {"description": "The file is to be had from the file store itself, for some minutes"},
}
"""What a download may answer beside 200 and problems."""


def download(request: Request, store: BlobStore, artifact: Artifact, *, name: str) -> Response:
    """A finished file, whole or in part; for HEAD, what is said of the whole.

    Raises:
        BlobMissingError: It was deleted at this moment.
        BlobUnavailableError: The store failed.
    """
    plain, packed = f'"{artifact.sha256}"', f'"{artifact.sha256}-gzip"'
    headers = {
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Accept-Ranges": "bytes",
        "ETag": plain,
    }
    may_pack = artifact.media_type.startswith(_PACKED)
    if may_pack:
        headers["Vary"] = "Accept-Encoding"
    packs = may_pack and takes_gzip(request)
    if knows(request.headers.get("if-none-match"), plain, packed):
        headers["ETag"] = packed if packs else plain
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        # Not sent on to the store's own address, which is signed for GET; and it knows no ranges.
        size = store.size(artifact.blob_key)
        coded = {"ETag": packed, "Content-Encoding": "gzip"}
        headers |= coded if packs else {"Content-Length": str(size)}
        return StreamingResponse((), 200, headers, media_type=artifact.media_type)
    url = store.url(artifact.blob_key, _LINK_S, media_type=artifact.media_type, name=name)
    if url is not None:
        return RedirectResponse(url, 307, {"Cache-Control": "no-store"})
    asked = request.headers.get("range")
    if request.headers.get("if-range", plain) != plain:
        asked = None
    if asked is None and packs:
        headers |= {"ETag": packed, "Content-Encoding": "gzip"}
        content = packing(store.open(artifact.blob_key))
        return StreamingResponse(content, 200, headers, media_type=artifact.media_type)
    return _part(request, store, artifact, asked, headers)


def stream(
    request: Request, content: Iterable[bytes], turns: Semaphore, *, media_type: str, name: str
) -> Response:
    """What is made while it is sent, piece by piece in turns; it has no ETag and no ranges."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Vary": "Accept-Encoding"}
    if takes_gzip(request):
        headers["Content-Encoding"] = "gzip"
        content = packing(content)
    if request.method == "HEAD":
        content = ()
    return StreamingResponse(_in_turns(content, turns), 200, headers, media_type=media_type)


async def _in_turns(content: Iterable[bytes], turns: Semaphore) -> AsyncIterator[bytes]:
    pieces = iter(content)
    while True:
        async with turns:
            piece = await run_sync(_gather, pieces)
        if not piece:
            return
        yield piece


def _gather(pieces: Iterator[bytes]) -> bytes:
    """The next of these pieces in one, which are lines at times; nothing at the end."""
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        if len(gathered) >= _PIECE_BYTES:
            break
    return bytes(gathered)


def takes_gzip(request: Request) -> bool:
    """Whether the client says that it takes gzip."""
    for item in request.headers.get("accept-encoding", "").split(","):
        coding, _, quality = item.strip().partition(";")
        if coding.strip().lower() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", quality)
    return False


def packing(content: Iterable[bytes]) -> Iterator[bytes]:
    """The content in gzip, piece by piece."""
    packer = zlib.compressobj(4, zlib.DEFLATED, _GZIP)
    for piece in content:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def _part(
    request: Request,
    store: BlobStore,
    artifact: Artifact,
    asked: str | None,
    headers: dict[str, str],
) -> Response:
    """The file, or the range of it that is asked for."""
    size = artifact.size_bytes
    span = None if asked is None else byte_range(asked, size)
    if span is None:
        start, stop, status = 0, size, 200
    elif span[0] >= span[1]:
        headers = {"Content-Range": f"bytes */{size}"}
        return problem(request.url.path, "range.not_satisfiable", headers=headers)
    else:
        (start, stop), status = span, 206
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    headers["Content-Length"] = str(stop - start)
    content = store.open(artifact.blob_key, start, stop)
    return StreamingResponse(content, status, headers, media_type=artifact.media_type)


def byte_range(asked: str, size: int) -> tuple[int, int] | None:
    """First byte, and the one behind the last, of a Range header for a file of this size.

    None where the header is not understood, or asks for several ranges: then the whole file is the
    answer. The range is empty where the file has no such bytes.
    """
    found = _RANGE.fullmatch(asked.strip())
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    return int(first), min(size, int(last) + 1) if last else size
