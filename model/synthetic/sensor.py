"""From light to the file: motion blur, exposure, optics, tone, noise, down-scaling, JPEG."""

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from model.synthetic.compiled import kernel
from model.synthetic.raster import Floats32

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Sensor:
    """How a camera records.

    Attributes:
        exposure: Where the bright tenth of the picture comes to lie, 0..1 of full scale.
        white: Gains of red, green, blue.
        contrast: Exponent of the tone curve about its middle; above 1 is harder.
        haze: Light that lies over everything, 0..0.15.
        saturation: Of colours, 1 as they are.
        vignette: Loss in the corners, 0..0.5.
        defocus_px: Deviation of the blur.
        detail: Share of the picture's size that was resolved, 0.25..1.
        noise: Deviation at mid grey, of full scale.
        chroma_noise: Of colour, coarser.
        sharpen: Strength of the camera's sharpening.
        jpeg: Quality, 0 for none.
        grey: Whether the camera is black and white.
    """

    exposure: float
    white: tuple[float, float, float]
    contrast: float
    haze: float
    saturation: float
    vignette: float
    defocus_px: float
    detail: float
    noise: float
    chroma_noise: float
    sharpen: float
    jpeg: int
    grey: bool


def sample_sensor(rng: np.random.Generator, light_kind: str) -> Sensor:
    """Draw a camera: a phone's mostly, and worse ones; dim rooms are noisy and dark."""
    dim = light_kind in ("dim", "lamp")
    tint = rng.normal(0, 0.05)
    warm = rng.normal(0.03 if dim else 0.0, 0.07)
    low_detail = rng.random() < 0.45
    return Sensor(
        exposure=float(rng.uniform(0.3, 0.75) if dim else rng.uniform(0.55, 1.0)),
        white=(float(1 + warm), float(1 + tint * 0.5), float(1 - warm)),
        contrast=float(rng.uniform(0.85, 1.2)),
        haze=float(rng.uniform(0, 0.1) if rng.random() < 0.4 else 0.0),
        saturation=float(rng.uniform(0.55, 1.05)),
        vignette=float(rng.uniform(0, 0.35)),
        defocus_px=float(rng.choice([0.0, 0.4, 0.8, 1.4], p=[0.3, 0.35, 0.25, 0.1])),
        detail=float(rng.uniform(0.3, 0.8) if low_detail else 1.0),
        noise=float(rng.uniform(0.006, 0.032) if dim else rng.uniform(0.002, 0.02)),
        chroma_noise=float(rng.uniform(0, 0.03) if dim else rng.uniform(0, 0.012)),
        sharpen=float(rng.uniform(0.2, 1.0) if rng.random() < 0.35 else 0.0),
        jpeg=int(rng.integers(30, 96)),
        grey=bool(rng.random() < 0.03),
    )


def for_film(sensor: Sensor) -> Sensor:
    """The same camera filming: the film's coding takes the place of JPEG."""
    return replace(sensor, jpeg=0, noise=min(sensor.noise, 0.015), chroma_noise=0.0)


def gain_for(light: Floats32, sensor: Sensor) -> float:
    """Exposure gain for a picture float32 (H, W, 3): its bright tenth decides."""
    bright = float(np.quantile(light[::4, ::4].max(-1), 0.9))
    return sensor.exposure / max(bright, 1e-3)


def record(
    light: Floats32, sensor: Sensor, rng: np.random.Generator, *, gain: float | None = None
) -> Picture:
    """Record a picture.

    Args:
        light: float32 (H, W, 3) linear RGB.
        sensor: The camera.
        rng: Draws the noise.
        gain: Exposure gain; from the picture itself where None.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    height, width = light.shape[:2]
    gain = gain_for(light, sensor) if gain is None else gain
    picture = light
    if sensor.defocus_px > 0:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), sensor.defocus_px), np.float32)
    small = (max(16, round(width * sensor.detail)), max(16, round(height * sensor.detail)))
    if small[0] < width:
        shrunk = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        picture = np.asarray(shrunk, np.float32)
    developed = np.empty_like(picture)
    fine = rng.standard_normal((small[1], small[0]), np.float32)
    fine *= np.float32(sensor.noise)
    coarse = np.zeros((1, 1, 3), np.float32)
    if sensor.chroma_noise > 0 and not sensor.grey:
        shape = (small[1] // 3 + 1, small[0] // 3 + 1, 3)
        coarse = rng.standard_normal(shape, np.float32) * np.float32(sensor.chroma_noise)
    settings = np.array(
        [
            *(np.float32(gain) * np.asarray(sensor.white, np.float32)), sensor.vignette / 2,
            0.0 if sensor.grey else sensor.saturation, sensor.contrast, sensor.haze,
        ],
        np.float32,
    )  # fmt: skip
    _develop(picture, settings, _tone_curve(), fine, coarse, developed)
    if sensor.sharpen > 0:
        soft = cv2.GaussianBlur(developed, (0, 0), 1.2)
        developed += np.float32(sensor.sharpen) * (developed - soft)
    developed *= 255
    developed += 0.5
    out = np.clip(developed, 0, 255, out=developed).astype(np.uint8)
    if small[0] < width:
        grown = cv2.resize(out, (width, height), interpolation=cv2.INTER_CUBIC)
        return np.asarray(grown, np.uint8)
    return out


_CURVE_CELLS = 1024


@cache
def _tone_curve() -> Floats32:
    """The display's answer to light x at cell x / (x + 0.25): a soft shoulder, then gamma."""
    place = np.linspace(0, 1, _CURVE_CELLS + 1)[:-1]
    light = 0.25 * place / (1 - place)
    shoulder = np.minimum(1.35 * light * (1 + light / 2.2) / (1 + light), 1.0)
    return np.append(shoulder**0.46, 1.0).astype(np.float32)


@kernel
def _develop(
    picture: Floats32,
    settings: Floats32,
    curve: Floats32,
    fine: Floats32,
    coarse: Floats32,
    out: Floats32,
) -> None:
    """Exposure, vignette, tone, colour and noise; float32 (H, W, 3) about 0..1 in `out`.

    settings: gains of red, green, blue; vignette; saturation; contrast; haze.
    """
    height, width = picture.shape[0], picture.shape[1]
    cells = _CURVE_CELLS
    rows = coarse.shape[0]
    for y in range(height):
        v = 2 * y / (height - 1) - 1
        for x in range(width):
            u = 2 * x / (width - 1) - 1
            fade = 1 - settings[3] * (u * u + v * v)
            for m in range(3):
                lit = max(picture[y, x, m] * settings[m] * fade, 0.0)
                place = min(lit / (lit + 0.25) * cells, cells - 0.001)
                i = int(place)
                out[y, x, m] = curve[i] + (place - i) * (curve[i + 1] - curve[i])
            level = 0.299 * out[y, x, 0] + 0.587 * out[y, x, 1] + 0.114 * out[y, x, 2]
            grain = fine[y, x]
            for m in range(3):
                value = level + settings[4] * (out[y, x, m] - level)
                value = 0.5 + settings[5] * (value - 0.5)
                value = value * (1 - settings[6]) + settings[6]
                value += grain * np.sqrt(0.3 + max(value, 0.0))
                if rows > 1:
                    value += coarse[y // 3, x // 3, m]
                out[y, x, m] = value


def to_jpeg(picture: Picture, quality: int) -> bytes:
    """Encode a picture uint8 (H, W, 3) RGB."""
    done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:  # pragma: no cover - OpenCV encodes every such array
        raise AssertionError
    return data.tobytes()


@kernel
def motion_field(
    triangle: NDArray[np.int32],
    second: Floats32,
    third: Floats32,
    step: int,
    faces: NDArray[np.int32],
    moved_px: Floats32,
    body_faces: int,
    out: Floats32,
) -> None:
    """How far each pixel's surface moves while the shutter is open, px, float32 (H, W, 2)."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            f = triangle[y * step, x * step]
            for m in range(2):
                out[y, x, m] = 0.0
            if 0 <= f < body_faces:
                w1, w2 = second[y * step, x * step], third[y * step, x * step]
                w0 = 1 - w1 - w2
                for m in range(2):
                    out[y, x, m] = (
                        w0 * moved_px[faces[f, 0], m]
                        + w1 * moved_px[faces[f, 1], m]
                        + w2 * moved_px[faces[f, 2], m]
                    )


def blur_motion(picture: Floats32, motion: Floats32) -> Floats32:
    """Smear a picture float32 (H, W, 3) along a field of motion float32 (H, W, 2) px.

    What moves smears over what stands beside it, as far as the motion of its neighbourhood goes.
    """
    speed = np.hypot(motion[..., 0], motion[..., 1])
    most = float(speed.max())
    if most < 0.6:
        return picture
    reach = int(min(most, 24)) | 1
    kernel_shape = np.ones((reach, reach), np.uint8)
    near = np.asarray(cv2.dilate(speed, kernel_shape), np.float32)
    smooth = cv2.blur(motion * speed[..., None], (reach, reach)) / (
        cv2.blur(speed, (reach, reach))[..., None] + 1e-6
    )
    out = picture.copy()
    _smear(picture, speed, near, smooth.astype(np.float32), out)
    return out


@kernel
def _smear(
    picture: Floats32, speed: Floats32, near: Floats32, motion: Floats32, out: Floats32
) -> None:
    height, width = speed.shape
    taps = 9
    for y in range(height):
        for x in range(width):
            if near[y, x] < 0.6:
                continue
            dx, dy = motion[y, x, 0], motion[y, x, 1]
            total = 0.0
            r = g = b = 0.0
            still = speed[y, x] < 0.5
            for t in range(taps):
                share = t / (taps - 1) - 0.5
                i = min(max(int(x + share * dx + 0.5), 0), width - 1)
                j = min(max(int(y + share * dy + 0.5), 0), height - 1)
                # A still pixel takes colour from what moves past it, else keeps its own.
                if still and speed[j, i] < 0.5:
                    i, j = x, y
                r += picture[j, i, 0]
                g += picture[j, i, 1]
                b += picture[j, i, 2]
                total += 1.0
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r / total, g / total, b / total
