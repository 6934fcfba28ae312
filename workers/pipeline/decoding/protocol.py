"""What the two processes say to each other: one JSON value a message, whole or not at all."""

import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

LARGEST_BYTES = 1 << 16
"""Of a message."""


@dataclass(frozen=True)
class Start:
    """Parent: read the facts, within these limits (`Limits` as a mapping)."""

    limits: dict[str, float]


@dataclass(frozen=True)
class Ring:
    """Parent: decode, into this many places of this size."""

    slots: int
    slot_bytes: int


@dataclass(frozen=True)
class Free:
    """Parent: these places may be written again."""

    slots: Sequence[int]


@dataclass(frozen=True)
class Facts:
    """Child: what the file says of itself, as `VideoFacts` says it; pairs are lists in JSON.

    Attributes:
        mirrored: Whether the picture is displayed mirrored, after it was turned.
        step_s: From frame to frame, usually.
    """

    container: str
    codec: str
    pixel_format: str
    bit_depth: int
    coded_wh: Sequence[int]
    pixel_aspect_ratio: Sequence[int]
    rotation_deg: int
    mirrored: bool
    time_base: Sequence[int]
    frame_rate_header: float | None
    duration_s_header: float | None
    num_frames_header: int | None
    variable_frame_rate: bool
    interlaced: bool
    size_bytes: int
    step_s: float


@dataclass(frozen=True)
class Frame:
    """Child: a frame lies in a place of the ring, planes one behind the other.

    Attributes:
        slot: The place.
        pts: None where there is none.
        strides: Bytes from row to row, of luma and of chroma.
        matrix: `bt601`, `bt709` or `bt2020`.
        full_range: Whether black is 0 and white 255, not 16 and 235.
        transfer: `sdr`, `pq` or `hlg`.
        cpu_s: Processor time of the child so far.
    """

    slot: int
    pts: int | None
    strides: Sequence[int]
    matrix: str
    full_range: bool
    transfer: str
    cpu_s: float


@dataclass(frozen=True)
class Lost:
    """Child: a frame that could not be decoded, or only in parts."""

    pts: int | None


@dataclass(frozen=True)
class Alive:
    """Child: no frame yet, but work goes on."""


@dataclass(frozen=True)
class End:
    """Child: no more frames.

    Attributes:
        cpu_s: Processor time of the child.
        cut_short: Whether there should be more: the file ends early, or in faults.
    """

    cpu_s: float
    cut_short: bool


@dataclass(frozen=True)
class Failed:
    """Child: it cannot go on; the code is that of an error class."""

    code: str
    message: str


Message = Start | Ring | Free | Facts | Frame | Lost | Alive | End | Failed
_KINDS = {
    kind.__name__: kind for kind in (Start, Ring, Free, Facts, Frame, Lost, Alive, End, Failed)
}


class Channel:
    """One end of the line between the two processes."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    @classmethod
    def pair(cls) -> tuple[Self, socket.socket]:
        """An end for this process, and the socket that the other one gets."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), theirs

    def send(self, message: Message) -> None:
        """Send one message; waits where the other side does not read.

        Raises:
            OSError: The other side is gone.
        """
        self._line.sendall(json.dumps([type(message).__name__, vars(message)]).encode())

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """The next message; None where the other side is gone.

        Raises:
            TimeoutError: Nothing came in time.
            ValueError: What came is no message.
        """
        self._line.settimeout(timeout_s)
        try:
            data = self._line.recv(LARGEST_BYTES)
        except ConnectionResetError:  # said once, where the other side left something unread
            data = self._line.recv(LARGEST_BYTES)
        finally:
            self._line.settimeout(None)
        if not data:
            return None
        try:
            kind, fields = json.loads(data)
            return _KINDS[kind](**fields)
        except (KeyError, TypeError) as error:
            raise ValueError(f"expected a message, got {error}") from error

    def close(self) -> None:
        """Hang up."""
        self._line.close()
