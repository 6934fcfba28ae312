"""A decoded frame's planes as 8-bit planar 4:2:0 in shared memory, and what its colours mean."""

import mmap
import time

from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, ColorTrc

from workers.pipeline.decoding.protocol import Frame

_PLANAR = ("yuv420p", "yuvj420p")
_MATRICES = {1: "bt709", 4: "bt601", 5: "bt601", 6: "bt601", 7: "bt601", 9: "bt2020", 10: "bt2020"}
"""By the codes of ITU-T H.273; BT.470BG, SMPTE 170M, FCC and SMPTE 240M are as good as BT.601."""
_TRANSFERS = {int(ColorTrc.SMPTE2084): "pq", int(ColorTrc.ARIB_STD_B67): "hlg"}
_HD_PX = 720


def write(
    frame: VideoFrame, memory: mmap.mmap, *, slot: int, slot_bytes: int, pts: int | None
) -> Frame:
    """Write a frame's planes into a place of the ring, one copy each, and say how they lie there.

    Whatever is not 8-bit planar 4:2:0 is converted, with its matrix and range kept; RGB becomes
    BT.709.
    """
    matrix = _MATRICES.get(frame.colorspace)
    if matrix is None:  # players' convention
        matrix = "bt709" if min(frame.width, frame.height) >= _HD_PX else "bt601"
    full_range = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    transfer = _TRANSFERS.get(frame.color_trc, "sdr")
    if frame.format.is_rgb:
        matrix, full_range = "bt709", False
        frame = frame.reformat(
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
    elif frame.format.name not in _PLANAR:
        frame = frame.reformat(format="yuv420p", threads=1)
    strides = _copy(frame, memory, slot * slot_bytes, slot_bytes)
    return Frame(slot, pts, strides, matrix, full_range, transfer, time.process_time())


def _copy(frame: VideoFrame, memory: mmap.mmap, at: int, slot_bytes: int) -> list[int]:
    planes = frame.planes
    if sum(plane.buffer_size for plane in planes) <= slot_bytes:
        for plane in planes:
            memory[at : at + plane.buffer_size] = memoryview(plane)
            at += plane.buffer_size
        return [plane.line_size for plane in planes[:2]]
    for plane in planes:  # rows with more padding than usual
        pixels = memoryview(plane)
        for start in range(0, plane.buffer_size, plane.line_size):
            memory[at : at + plane.width] = pixels[start : start + plane.width]
            at += plane.width
    return [plane.width for plane in planes[:2]]
