"""What a video may cost; everything beyond is a typed error."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on a video and on the process that decodes it.

    Attributes:
        size_bytes: Of the file.
        pixels: Of a picture, as coded and as displayed. The default holds 4K.
        pixel_aspect: Of a pixel's longer side to its shorter one. Cameras know up to 16:9.
        duration_s: Of the video, both as its header claims and as its frames show.
        frames: As for the duration.
        frame_rate: Frames/s, as the first few hundred packets show.
        ring_bytes: Of the frames that lie decoded between the two processes.
        decoder_bytes: Address space that the decoder may take beside those frames.
        decoder_cpu_s: Processor time of the decoding process, all threads together.
        stall_s: Seconds without a sign of life from it, while frames are waited for.
    """

    size_bytes: int = 32 * 2**30
    pixels: int = 4096 * 2304
    pixel_aspect: float = 4.0
    duration_s: float = 2 * 3600.0
    frames: int = 1_000_000
    frame_rate: float = 250.0
    ring_bytes: int = 512 * 2**20
    decoder_bytes: int = 1536 * 2**20
    decoder_cpu_s: int = 4 * 3600
    stall_s: float = 8.0

    @classmethod
    def from_json(cls, values: Mapping[str, float]) -> Self:
        """The same limits from their mapping, as `dataclasses.asdict` gives it."""
        return cls(**values)  # type: ignore[arg-type]  # JSON keeps whole numbers whole
