"""Labels that are exact by construction: read off the mesh and the z-buffer.

Coordinates are displayed-frame px, pixel centres at integers. Boxes are first and last pixel
covered, x1 y1 x2 y2.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import LabelledKeypoints
from model.synthetic.camera import Camera
from model.synthetic.raster import Floats32
from model.synthetic.rendering import Rendered
from model.synthetic.rig import Floats
from model.synthetic.shading import SAMPLES
from model.synthetic.subject import Posed, Subject
from model.synthetic.surface import Part

SURFACE_DEPTH_M = 0.010
"""A surface point is visible where what is seen lies within this depth of it."""
GARMENT_DEPTH_M = 0.05
"""Loose clothes that are worn hide no joint that lies this close behind them: annotators mark the
hips under a nappy and the chest under a gown."""
REACH_PX = 2
"""How far around a point a visible pixel may lie."""
HEAD_MARGIN_PX = 1.5
"""The head's region is its outline grown by this much, so that its edge pixels lie inside."""
MIN_HEAD_SIDE_PX = 3
"""A head that shows less than this is no detection target."""


@dataclass(frozen=True, eq=False)
class Labels:
    """What is known about one picture.

    Attributes:
        keypoints: One infant (N = 1) or none (N = 0), in infant21's order.
        mask: bool (H, W) visible pixels of the body and its clothes.
        infant_xyxy: float32 (4,) the mask's tight box, None where nothing is seen.
        head_xyxy: float32 (4,) box of the head inside the picture, None where none is.
        head_polygon: float32 (P, 2) convex region that holds every vertex of the head that lies in
            the picture; empty where there is none.
    """

    keypoints: LabelledKeypoints
    mask: NDArray[np.bool_]
    infant_xyxy: Floats32 | None
    head_xyxy: Floats32 | None
    head_polygon: Floats32


def nothing(size_wh: tuple[int, int], num_keypoints: int) -> Labels:
    """Labels of a picture without an infant."""
    return Labels(
        LabelledKeypoints(
            np.zeros((0, num_keypoints, 2), np.float32), np.zeros((0, num_keypoints), np.uint8)
        ),
        np.zeros((size_wh[1], size_wh[0]), np.bool_),
        None,
        None,
        np.zeros((0, 2), np.float32),
    )


def label(subject: Subject, posed: Posed, camera: Camera, rendered: Rendered) -> Labels:
    """Read a picture's labels off what was drawn."""
    mask = rendered.part_mask(Part.BODY, Part.GARMENT)
    pixels, depths = camera.project(posed.keypoints_xyz)
    visibility = _visibility(subject, pixels, depths, rendered, mask)
    keypoints = np.where(visibility[:, None] > 0, on_grid(pixels), np.nan).astype(np.float32)
    head = subject.body.rig.vertices_of("head")
    polygon = head_region(camera.project(posed.vertices[head])[0], camera.size_wh)
    return Labels(
        LabelledKeypoints(keypoints[None], visibility[None]),
        mask,
        mask_box(mask),
        polygon_box(polygon, camera.size_wh),
        polygon,
    )


def on_grid(points_xy: NDArray[Any]) -> Floats:
    """Points rounded to 1/1024 px, so that mirroring them in float32 twice changes no bit."""
    return np.asarray(np.round(np.asarray(points_xy, np.float64) * 1024) / 1024)


def _visibility(
    subject: Subject,
    pixels: Floats,
    depths: Floats,
    rendered: Rendered,
    mask: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """0 out of the picture, 1 occluded, 2 visible, uint8 (K,)."""
    height, width = mask.shape
    out = np.zeros(len(pixels), np.uint8)
    inside = (np.round(pixels) >= 0).all(1) & (np.round(pixels) < [width, height]).all(1)
    for k in np.flatnonzero(inside):
        x, y = (int(value) for value in np.round(pixels[k]))
        # A joint may project just beside the skin at the outline; a spot on the skin may not.
        reach = 0 if subject.landmarks.is_surface[k] else REACH_PX
        near = mask[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        out[k] = 2 if near.any() and _seen(subject, int(k), (x, y), depths[k], rendered) else 1
    return out


def _seen(subject: Subject, k: int, xy: tuple[int, int], depth: float, rendered: Rendered) -> bool:
    """Whether the body right at a point is the limb that the point belongs to."""
    x, y = xy
    window = np.s_[
        max(0, (y - REACH_PX) * SAMPLES) : (y + REACH_PX + 1) * SAMPLES,
        max(0, (x - REACH_PX) * SAMPLES) : (x + REACH_PX + 1) * SAMPLES,
    ]
    triangle = rendered.buffers.triangle[window]
    seen = triangle >= 0
    if not seen.any():
        return False
    triangle, hit_depth = triangle[seen], 1 / rendered.buffers.nearness[window][seen]
    part = rendered.assembly.face_part[triangle]
    worn = (part == Part.GARMENT) & (np.abs(hit_depth - depth) < GARMENT_DEPTH_M)
    rig = subject.body.rig
    bones = rig.dominant_bone[rig.faces[np.minimum(triangle, len(rig.faces) - 1), 0]]
    own = (part == Part.BODY) & subject.landmarks.near[k][bones]
    if subject.landmarks.is_surface[k]:
        own &= np.abs(hit_depth - depth) < SURFACE_DEPTH_M
        return bool((own | worn).mean() > 0.15)
    return bool((own | worn).mean() > 0.3)


def mask_box(mask: NDArray[np.bool_]) -> Floats32 | None:
    """Tight box of a mask, float32 (4,); None where it is empty."""
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1], rows[-1]], np.float32)


def head_region(points_xy: Floats, size_wh: tuple[int, int]) -> Floats32:
    """Convex region round the head inside the picture, float32 (P, 2) px.

    Args:
        points_xy: float64 (N, 2) px of the head's vertices.
        size_wh: Size of the picture.
    """
    hull = cv2.convexHull(points_xy.astype(np.float32))[:, 0]
    ring = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    grown = hull[:, None] + HEAD_MARGIN_PX * np.stack([np.cos(ring), np.sin(ring)], 1)
    hull = cv2.convexHull(grown.reshape(-1, 2).astype(np.float32))[:, 0]
    width, height = size_wh
    frame = np.array(
        [[-0.5, -0.5], [width - 0.5, -0.5], [width - 0.5, height - 0.5], [-0.5, height - 0.5]],
        np.float32,
    )
    area, inside = cv2.intersectConvexConvex(hull, frame)
    if area <= 0 or inside is None:
        return np.zeros((0, 2), np.float32)
    return on_grid(inside.reshape(-1, 2)).astype(np.float32)


def polygon_box(polygon: Floats32, size_wh: tuple[int, int]) -> Floats32 | None:
    """Box of a head's region, float32 (4,) in whole px inside the picture; None where too small."""
    if len(polygon) < 3:
        return None
    last = np.asarray(size_wh, np.float32) - 1
    low = np.clip(np.round(polygon.min(0)), 0, last)
    high = np.clip(np.round(polygon.max(0)), 0, last)
    if (high - low < MIN_HEAD_SIDE_PX - 1).any():
        return None
    return np.concatenate([low, high]).astype(np.float32)
