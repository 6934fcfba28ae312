"""From YUV to RGB, by what the film says of its colours."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_WEIGHTS: Final = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
"""Of red and blue in luma."""
_WHITE_NITS: Final = 203.0
"""Of paper, in films of high dynamic range (ITU-R BT.2408)."""
_DISPLAY_GAMMA: Final = 2.4


@dataclass(frozen=True)
class Colour:
    """What the numbers of a picture mean.

    Attributes:
        matrix: `bt601`, `bt709` or `bt2020`.
        full_range: Whether black is 0 and white 255, not 16 and 235.
        transfer: `sdr`, `pq` or `hlg`: films of high dynamic range are brought to the usual one,
            with what is brighter than white paper cut off, and their wider primaries kept.
    """

    matrix: str
    full_range: bool
    transfer: str = "sdr"

    def to_rgb(
        self, y: NDArray[np.uint8], u: NDArray[np.uint8], v: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """RGB (H, W, 3) from three planes (H, W)."""
        rgb = cv2.transform(cv2.merge((y, u, v)), _rgb_from_yuv(self.matrix, self.full_range))
        if self.transfer != "sdr":
            rgb = cv2.LUT(rgb, _usual_from(self.transfer))
        return np.asarray(rgb, np.uint8)


@cache
def _rgb_from_yuv(matrix: str, full_range: bool) -> NDArray[np.float64]:  # noqa: FBT001 - a key
    """float64 (3, 4), after ITU-R BT.601, BT.709 and BT.2020."""
    red, blue = _WEIGHTS[matrix]
    green = 1 - red - blue
    black, luma, chroma = (0, 1.0, 1.0) if full_range else (16, 255 / 219, 255 / 224)
    from_v, from_u = 2 * (1 - red) * chroma, 2 * (1 - blue) * chroma
    turn = np.array(
        [
            [luma, 0, from_v],
            [luma, -from_u * blue / green, -from_v * red / green],
            [luma, from_u, 0],
        ]
    )
    shift = -turn @ [black, 128, 128]
    return np.concatenate([turn, shift[:, None]], axis=1)


@cache
def _usual_from(transfer: str) -> NDArray[np.uint8]:
    """uint8 (256,): usual values for those of a film of high dynamic range (ITU-R BT.2100)."""
    value = np.arange(256) / 255
    if transfer == "pq":
        root = value ** (1 / 78.84375)
        light = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
        nits = 10000 * light ** (1 / 0.1593017578125)
    else:
        scene = np.where(
            value <= 0.5,
            value**2 / 3,
            (np.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12,
        )
        nits = 1000 * scene**1.2
    white = np.clip(nits / _WHITE_NITS, 0, 1)
    return np.asarray(np.rint(255 * white ** (1 / _DISPLAY_GAMMA)), np.uint8)
