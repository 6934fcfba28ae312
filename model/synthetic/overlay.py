"""What is laid over a recorded picture: time stamps, watermarks, masked faces."""

import cv2
import numpy as np

from model.synthetic.raster import Floats32
from model.synthetic.sensor import Picture

_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX_SMALL,
)  # fmt: skip
_INKS = ((255, 255, 255), (255, 255, 255), (250, 225, 60), (40, 220, 60), (20, 20, 20))


def stamp_text(rng: np.random.Generator) -> str:
    """Draw a time stamp or a camera's mark."""
    year, month, day = rng.integers(2012, 2026), rng.integers(1, 13), rng.integers(1, 29)
    clock = f"{rng.integers(24):02d}:{rng.integers(60):02d}:{rng.integers(60):02d}"
    date = str(
        rng.choice([f"{year}-{month:02d}-{day:02d}", f"{day:02d}.{month:02d}.{year}",
                    f"{month:02d}/{day:02d}/{year}"])
    )  # fmt: skip
    texts = [f"{date} {clock}", clock, f"CAM{rng.integers(1, 9)} {clock}", f"REC {clock}", date]
    return texts[int(rng.integers(len(texts)))]


def stamp(picture: Picture, text: str, rng: np.random.Generator) -> Picture:
    """Burn a text into a corner.

    Args:
        picture: uint8 (H, W, 3) RGB.
        text: What to write.
        rng: Draws corner, size, colour and box.

    Returns:
        A copy with the text.
    """
    out = np.ascontiguousarray(picture.copy())
    height, width = out.shape[:2]
    font = _FONTS[int(rng.integers(len(_FONTS)))]
    scale = height / 480 * rng.uniform(0.4, 0.95)
    (wide, tall), _ = cv2.getTextSize(text, font, scale, 1)
    left = int(rng.choice([8, max(8, width - wide - 8)]))
    base = int(rng.choice([tall + 8, height - 10]))
    if rng.random() < 0.3:
        cv2.rectangle(out, (left - 3, base - tall - 4), (left + wide + 3, base + 5), (0, 0, 0), -1)
    ink = _INKS[int(rng.integers(len(_INKS)))]
    cv2.putText(out, text, (left, base), font, scale, ink, int(rng.integers(1, 3)), cv2.LINE_AA)
    return out


def mask_face(picture: Picture, head_xyxy: Floats32, rng: np.random.Generator) -> Picture:
    """Hide a face as published frames do: a mosaic, or a speckled ellipse.

    Args:
        picture: uint8 (H, W, 3) RGB.
        head_xyxy: float32 (4,) the head's box.
        rng: Draws which.

    Returns:
        A copy with the head hidden.
    """
    out = picture.copy()
    x1, y1, x2, y2 = head_xyxy.astype(int)
    patch = out[y1 : y2 + 1, x1 : x2 + 1]
    height, width = patch.shape[:2]
    if rng.random() < 0.7:
        cells = int(rng.integers(4, 9))
        small = cv2.resize(patch, (cells, cells), interpolation=cv2.INTER_AREA)
        hidden = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
        patch[:] = hidden
        return out
    oval = np.zeros((height, width), np.uint8)
    axes = (max(1, int(width * 0.36)), max(1, int(height * 0.36)))
    cv2.ellipse(oval, (width // 2, height // 2), axes, 0, 0, 360, 1, -1)
    base = patch.reshape(-1, 3).mean(0)
    speckle = np.clip(rng.normal(base, 70, (height, width, 3)), 0, 255).astype(np.uint8)
    patch[oval > 0] = speckle[oval > 0]
    return out
