"""Varying pictures: where a crop is cut, and what the camera did to it.

Geometry is exact: a crop is cut once out of the picture by a `CropFrame`, and labels go through
the same frame. What happens to the pixels afterwards moves nothing. All randomness comes from the
generator that is handed in, so that a sample follows from its seed.
"""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.geometry import CropFrame, Size
from model.spec.skeleton import Skeleton
from model.spec.turning import trunk_angle, turned_frame
from model.training.data.folder import Instance
from model.training.pose.recipe import AugmentationPart

Rng = np.random.Generator
Picture = NDArray[np.uint8]

HALF_BODY_LEAST: Final = 3
"""Half bodies of fewer labelled joints than this are not cut (HRNet wants more than 8 of 17 in
all)."""
HALF_BODY_PADDING: Final = 1.5


@dataclass(frozen=True)
class Placement:
    """Where a crop lies, and whether it is mirrored after it was cut."""

    frame: CropFrame
    mirrored: bool


def place(
    instance: Instance, skeleton: Skeleton, part: AugmentationPart, input_wh: Size, rng: Rng
) -> Placement:
    """Draw where to cut.

    The box is that of the infant along the crop's own axes, where crops lie upright; else the
    labelled one turns with the crop, as the paper's line has it.
    """
    points = instance.labels.keypoints_xy[0]
    angle = _angle(points, skeleton, part, rng)
    chosen = _half_body(points, skeleton, rng) if rng.random() < part.half_body else None
    if chosen is None:
        frame = (
            turned_frame(instance.box_xyxy, points, skeleton, input_wh, angle_deg=angle)
            if part.upright
            else CropFrame.from_box(instance.box_xyxy, input_wh, angle_deg=angle)
        )
    else:
        frame = _around(chosen, angle, input_wh, HALF_BODY_PADDING)
    scale = np.clip(1 + part.scale * rng.standard_normal(), 1 - part.scale, 1 + part.scale)
    shift_xy = part.shift * frame.width_px * rng.uniform(-1, 1, 2)
    center_xy = (frame.center_xy[0] + shift_xy[0], frame.center_xy[1] + shift_xy[1])
    frame = CropFrame(center_xy, max(2.0, frame.width_px * float(scale)), angle, input_wh)
    return Placement(frame, bool(rng.random() < part.flipped))


def _around(
    points_xy: NDArray[np.float64], angle_deg: float, input_wh: Size, padding: float
) -> CropFrame:
    """The frame whose turned box holds points (N, 2) of the picture, padded."""
    angle = math.radians(angle_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    along = points_xy @ turn
    low, high = along.min(0), along.max(0)
    center = turn @ ((low + high) / 2)
    half = (high - low) / 2
    box = np.concatenate([center - half, center + half])
    return CropFrame.from_box(box, input_wh, angle_deg=angle_deg, padding=padding)


def _angle(
    points: NDArray[np.float32], skeleton: Skeleton, part: AugmentationPart, rng: Rng
) -> float:
    if rng.random() < part.any_direction:
        return float(rng.uniform(-180, 180))
    upright = trunk_angle(points, skeleton) if part.upright else None
    turned = 0.0
    if rng.random() < part.rotated:
        limit = 2 * part.rotation_deg
        turned = float(np.clip(part.rotation_deg * rng.standard_normal(), -limit, limit))
    return (upright or 0.0) + turned


def _half_body(
    points: NDArray[np.float32], skeleton: Skeleton, rng: Rng
) -> NDArray[np.float64] | None:
    """The labelled points of the upper or the lower body, if there are enough."""
    known = np.asarray(np.isfinite(points).all(-1))
    halves = [
        points[[i for i in half if known[i]]].astype(np.float64)
        for half in (skeleton.upper_body, skeleton.lower_body)
    ]
    enough = [half for half in halves if len(half) >= HALF_BODY_LEAST]
    return enough[int(rng.integers(len(enough)))] if enough else None


def weather(
    crop: Picture, head_polygon: NDArray[np.float64] | None, part: AugmentationPart, rng: Rng
) -> Picture:
    """What light, cloth, camera and coding do to a crop.

    Args:
        crop: uint8 (H, W, 3) RGB; it is not changed.
        head_polygon: float64 (P, 2) around the head in crop px, if known.
        part: How often and how strongly.
        rng: Draws.
    """
    if head_polygon is not None and rng.random() < part.head_masked:
        crop = _mask_head(crop, head_polygon, rng)
    if part.colour:
        crop = _jitter(crop, part.colour, rng)
    if rng.random() < part.grey:
        crop = np.repeat(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    if rng.random() < part.dropout:
        crop = _drop_patches(crop, rng)
    if rng.random() < part.blurred:
        crop = _blur(crop, rng)
    if rng.random() < part.shrunk:
        crop = _shrink(crop, rng)
    if rng.random() < part.noisy:
        crop = _add_noise(crop, rng)
    if rng.random() < part.compressed:
        crop = _compress(crop, rng)
    return crop


def _jitter(crop: Picture, strength: float, rng: Rng) -> Picture:
    """Brightness, contrast, a cast of colour and gamma by one table a channel, then saturation."""
    levels = np.linspace(0, 1, 256)
    gamma = math.exp(strength * 0.8 * rng.standard_normal())
    contrast = 1 + strength * rng.uniform(-1, 1)
    brightness = 0.5 * strength * rng.uniform(-1, 1)
    cast = 1 + 0.35 * strength * rng.uniform(-1, 1, 3)
    table = ((levels[:, None] ** gamma - 0.5) * contrast + 0.5 + brightness) * cast
    table = (255 * np.clip(table, 0, 1)).astype(np.uint8)
    crop = np.asarray(cv2.LUT(crop, table.reshape(1, 256, 3)), np.uint8)
    saturation = 1 + 1.5 * strength * rng.uniform(-1, 1)
    grey = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(crop, saturation, grey, 1 - saturation, 0), np.uint8)


def _blur(crop: Picture, rng: Rng) -> Picture:
    """Out of focus, or moved along a line; up to 2.5 % of the crop's width."""
    reach = rng.uniform(0.003, 0.025) * crop.shape[1]
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(crop, (0, 0), 0.3 + reach / 2), np.uint8)
    size = 2 * max(1, round(reach)) + 1
    line = np.zeros((size, size), np.float32)
    angle, middle = rng.uniform(0, math.pi), size // 2
    dx, dy = middle * math.cos(angle), middle * math.sin(angle)
    ends = ((round(middle - dx), round(middle - dy)), (round(middle + dx), round(middle + dy)))
    cv2.line(line, *ends, 1.0)
    return np.asarray(cv2.filter2D(crop, -1, line / line.sum()), np.uint8)


def _shrink(crop: Picture, rng: Rng) -> Picture:
    height, width = crop.shape[:2]
    factor = rng.uniform(0.3, 0.8)
    small_wh = (max(16, round(width * factor)), max(16, round(height * factor)))
    small = cv2.resize(crop, small_wh, interpolation=cv2.INTER_AREA)
    how = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(small, (width, height), interpolation=how), np.uint8)


def _add_noise(crop: Picture, rng: Rng) -> Picture:
    """Grain, more in one channel than in another, sometimes as coarse as a denoiser leaves it."""
    height, width = crop.shape[:2]
    step = 2 if rng.random() < 0.3 else 1
    grain = rng.standard_normal((-(-height // step), -(-width // step), 3), np.float32)
    grain = np.repeat(np.repeat(grain, step, 0), step, 1)[:height, :width]
    strength = rng.uniform(2, 16) * rng.uniform(0.6, 1, 3).astype(np.float32)
    return np.clip(crop + grain * strength, 0, 255).astype(np.uint8)


def _compress(crop: Picture, rng: Rng) -> Picture:
    quality = int(rng.integers(15, 80))
    _, data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _drop_patches(crop: Picture, rng: Rng) -> Picture:
    """Up to three rectangles or ellipses: one colour, noise, or another part of the crop."""
    crop = crop.copy()
    height, width = crop.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        w, h = (rng.uniform(0.06, 0.3, 2) * width).astype(int)
        x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
        patch = crop[y : y + h, x : x + w]
        kind = rng.random()
        if kind < 0.4:
            fill = np.broadcast_to(rng.integers(0, 256, 3, np.uint8), patch.shape)
        elif kind < 0.6:
            fill = rng.integers(0, 256, patch.shape, np.uint8)
        else:
            x2, y2 = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
            fill = crop[y2 : y2 + h, x2 : x2 + w].copy()
        shape = np.zeros((h, w), np.uint8)
        if rng.random() < 0.5:
            shape[:] = 1
        else:
            cv2.ellipse(shape, (w // 2, h // 2), (w // 2, h // 2), 0, 0, 360, 1, -1)
        patch[:] = np.where(shape[..., None] > 0, fill, patch)
    return crop


def _mask_head(crop: Picture, polygon: NDArray[np.float64], rng: Rng) -> Picture:
    """Cover the head as published data and previews do it: mosaic, speckle, blur or plain."""
    height, width = crop.shape[:2]
    grow = rng.uniform(1.0, 1.25)
    middle = polygon.mean(0)
    outline = middle + (polygon - middle) * grow
    if rng.random() < 0.4:  # by its box
        (x1, y1), (x2, y2) = outline.min(0), outline.max(0)
        outline = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    region = np.zeros((height, width), np.uint8)
    cv2.fillPoly(region, [np.round(np.clip(outline, -9999, 9999)).astype(np.int32)], 1)
    size = float(np.ptp(outline, axis=0).max())
    if size < 2 or not region.any():
        return crop
    kind = rng.random()
    if kind < 0.4:
        cell = max(1.0, size / rng.uniform(4, 14))
        small = (max(1, round(width / cell)), max(1, round(height / cell)))
        cover = cv2.resize(crop, small, interpolation=cv2.INTER_AREA)
        cover = cv2.resize(cover, (width, height), interpolation=cv2.INTER_NEAREST)
    elif kind < 0.6:
        noise = rng.integers(0, 256, crop.shape, np.uint8)
        keep = rng.random((height, width)) < rng.uniform(0, 0.6)
        cover = np.where(keep[..., None], crop, noise)
    elif kind < 0.85:
        cover = cv2.GaussianBlur(crop, (0, 0), max(1.0, size * rng.uniform(0.06, 0.2)))
    else:
        cover = np.broadcast_to(rng.integers(0, 256, 3, np.uint8), crop.shape)
    return np.where(region[..., None] > 0, cover, crop).astype(np.uint8)
