"""What an extraction has found so far, window by window, in a file that a kill cannot spoil."""

import io
import json
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from model.spec.errors import OutputError
from model.spec.files import writing
from model.spec.sequence import Rows, Sightings

_MAGIC: Final = b"aggpose journal 1\n"
_HEAD: Final = struct.Struct("<QI")
"""Before every entry: how many bytes it has, and their CRC-32."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One window.

    Attributes:
        rows: Of its frames.
        sightings: Of the detector in them.
        state: What the extraction goes on from behind it, as JSON.
    """

    rows: Rows
    sightings: Sightings
    state: dict[str, Any]


class Journal:
    """Entries on disk, one behind the other.

    Args:
        path: The file; made if it is not there. What a killed run left half written is cut off.

    Attributes:
        entries: What was there already.

    Raises:
        OutputError: The file cannot be made, or is no journal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.entries: list[Entry] = []
        with writing(path):
            # Unbuffered: what a full disk refuses must not be tried again by `close`.
            self._file = path.open("r+b" if path.exists() else "x+b", buffering=0)
            try:
                self._read()
            except BaseException:
                self._file.close()
                raise

    def _read(self) -> None:
        begin = self._file.read(len(_MAGIC))
        if not _MAGIC.startswith(begin):
            raise OutputError(f"{self._path}: expected the journal of an extraction, got another")
        end = len(_MAGIC)
        if len(begin) < end:
            self._file.seek(0)
            self._write(_MAGIC)
        while (entry := _next_entry(self._file)) is not None:
            self.entries.append(entry)
            end = self._file.tell()
        self._file.seek(end)
        self._file.truncate()

    def append(self, entry: Entry) -> None:
        """Write an entry behind the others.

        Raises:
            OutputError: No room, or the like; the entries before it stay.
        """
        content = _packed(entry)
        with writing(self._path):
            self._write(_HEAD.pack(len(content), zlib.crc32(content)) + content)

    def restart(self) -> None:
        """Forget all entries.

        Raises:
            OutputError: The file cannot be written.
        """
        self.entries.clear()
        with writing(self._path):
            self._file.seek(len(_MAGIC))
            self._file.truncate()

    def close(self) -> None:
        """Close the file; it stays.

        Raises:
            OutputError: What was written did not arrive, as some network drives say only now.
        """
        with writing(self._path):
            self._file.close()

    def _write(self, content: bytes) -> None:
        """Write all of it: an unbuffered file takes a part where a disk is nearly full."""
        left = memoryview(content)
        while left:
            left = left[self._file.write(left) :]


def _next_entry(file: BinaryIO) -> Entry | None:
    """The next whole entry; None at the end, or where a write was cut short."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    size, checksum = _HEAD.unpack(head)
    left = os.fstat(file.fileno()).st_size - file.tell()
    # After a power cut a file may end in zeros, which are an empty entry's right checksum.
    if not 0 < size <= left:
        return None
    content = file.read(size)
    if zlib.crc32(content) != checksum:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as columns:
        state = json.loads(columns["state"].tobytes())
        rows = {name: columns[f"rows/{name}"] for name in Rows.__dataclass_fields__}
        seen = {name: columns[f"sightings/{name}"] for name in Sightings.__dataclass_fields__}
    return Entry(Rows(**rows), Sightings(**seen), state)


def _packed(entry: Entry) -> bytes:
    columns: dict[str, Any] = {
        "state": np.frombuffer(json.dumps(entry.state).encode(), np.uint8),
        **{f"rows/{name}": column for name, column in vars(entry.rows).items()},
        **{f"sightings/{name}": column for name, column in vars(entry.sightings).items()},
    }
    content = io.BytesIO()
    np.savez(content, **columns)
    return content.getvalue()
