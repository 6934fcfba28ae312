"""The memory that both processes share: places for decoded frames, seen from the parent."""

import fcntl
import mmap
import os

import numpy as np
from numpy.typing import NDArray

from model.spec.geometry import Size
from workers.pipeline.decoding.picture import Planes
from workers.pipeline.decoding.protocol import Frame, Ring
from workers.pipeline.errors import DecoderCrashedError, VideoMemoryError

_ALIGNMENT = 64
"""Of a row in bytes: decoders pad up to it, and by it."""


class SharedFrames:
    """A nameless file in memory, which goes away with its last user."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._memory: mmap.mmap | None = None
        self._layout = Ring(0, 0)
        self._coded_wh: Size = (0, 0)

    @staticmethod
    def slot_bytes(coded_wh: Size) -> int:
        """What a frame of this size takes."""
        width, height = coded_wh
        chroma_width, chroma_height = -(-width // 2), -(-height // 2)
        return _padded(width) * height + 2 * _padded(chroma_width) * chroma_height

    def lay_out(self, coded_wh: Size, slots: int, *, most_bytes: int) -> Ring:
        """Make room for so many frames.

        The file is sealed, so that the child cannot shrink it under the parent's feet.

        Raises:
            VideoMemoryError: They take more than is allowed.
        """
        width, height = coded_wh
        slot_bytes = self.slot_bytes(coded_wh)
        if slots * slot_bytes > most_bytes:
            raise VideoMemoryError(
                f"expected {slots} frames of {width}x{height} px to fit into "
                f"{most_bytes / 2**20:.0f} MiB, got {slots * slot_bytes / 2**20:.0f} MiB"
            )
        os.ftruncate(self.descriptor, slots * slot_bytes)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, seals)
        self._memory = mmap.mmap(self.descriptor, slots * slot_bytes, access=mmap.ACCESS_READ)
        self._layout = Ring(slots, slot_bytes)
        self._coded_wh = coded_wh
        return self._layout

    def planes(self, frame: Frame) -> Planes:
        """Views of a frame's luma and chroma, not to be written.

        Raises:
            DecoderCrashedError: What the child says cannot be.
        """
        width, height = self._coded_wh
        half_wh = -(-width // 2), -(-height // 2)
        try:
            luma_stride, chroma_stride = frame.strides
            begin = frame.slot * self._layout.slot_bytes
            second = begin + luma_stride * height
            third = second + chroma_stride * half_wh[1]
            return (
                self._view(begin, (width, height), luma_stride),
                self._view(second, half_wh, chroma_stride),
                self._view(third, half_wh, chroma_stride),
            )
        except (TypeError, ValueError) as error:
            raise DecoderCrashedError(
                "the decoder says that a frame lies where none can"
            ) from error

    def close(self) -> None:
        """Let go of it; the memory lives on while somebody still looks at a plane."""
        self._memory = None
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _view(self, begin: int, size_wh: Size, stride: int) -> NDArray[np.uint8]:
        shape, strides = size_wh[::-1], (stride, 1)
        return np.ndarray(shape, np.uint8, self._memory, begin, strides)


def _padded(width_px: int) -> int:
    return (-(-width_px // _ALIGNMENT) + 1) * _ALIGNMENT
