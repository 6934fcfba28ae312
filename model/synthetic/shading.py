"""Light on what the rasteriser found: skin, cloth, hair, things, the mat and the floor.

All kernels work in linear light. Numbers travel in flat arrays whose layout is stated by the
class that makes them: `light.Light.row`; what surfaces are made of, `materials` says.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from model.synthetic.compiled import Array, inlined, kernel
from model.synthetic.materials import ground_at, surface_at
from model.synthetic.raster import Floats32, Ints32

SHADOW_EXTENT_M = 0.62
"""Half the side of the square that the shadow map covers."""
SHADOW_CELLS = 512
COVER_EXTENT_M = 0.5
"""Half the side of the square in which bodies darken what lies under them."""


@inlined
def _shadow(
    shadows: Array,
    u: float,
    v: float,
    depth: float,
    bias: float,
    reach: float,
    c: float,
    s: float,
) -> float:
    """Share of light that reaches a place, from a 4 x 4 turned pattern of the shadow map."""
    n = shadows.shape[0]
    lit = 0.0
    for j in range(4):
        for i in range(4):
            du, dv = (i - 1.5) * reach, (j - 1.5) * reach
            x, y = int(u + c * du - s * dv), int(v + s * du + c * dv)
            if x < 0 or y < 0 or x >= n or y >= n or shadows[y, x] < depth + bias:
                lit += 1.0
    return lit / 16


@inlined
def _sample_map(cells: Array, x: float, y: float, extent: float) -> float:
    """Bilinear value of a square map that covers -extent..extent; its border value outside."""
    n = cells.shape[0]
    u = min(max((x / extent * 0.5 + 0.5) * n - 0.5, 0.0), n - 1.001)
    v = min(max((y / extent * 0.5 + 0.5) * n - 0.5, 0.0), n - 1.001)
    i, j = int(u), int(v)
    a, b = u - i, v - j
    top = cells[j, i] * (1 - a) + cells[j, i + 1] * a
    low = cells[j + 1, i] * (1 - a) + cells[j + 1, i + 1] * a
    return float(top * (1 - b) + low * b)


@inlined
def _light_at(light: Array, x: float, y: float) -> float:
    """How much of the key light falls on a place: a gradient, and the edge of a shade."""
    level = max(0.15, 1 + light[13] * x + light[14] * y)
    if light[19] > 0:
        across = (light[15] * x + light[16] * y - light[17]) / light[18]
        level *= 1 - light[19] / (1 + np.exp(-across))
    return float(level)


SAMPLES = 2
"""Samples per pixel along a side."""


@kernel
def majority(
    triangle: Ints32, face_part: NDArray[np.uint8], wanted: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Boolean (H, W): pixels at least half of whose samples show a wanted part."""
    height, width = triangle.shape[0] // SAMPLES, triangle.shape[1] // SAMPLES
    out = np.zeros((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            count = 0
            for sample in range(SAMPLES * SAMPLES):
                f = triangle[y * SAMPLES + sample // SAMPLES, x * SAMPLES + sample % SAMPLES]
                if f >= 0 and wanted[face_part[f]]:
                    count += 1
            out[y, x] = 2 * count >= SAMPLES * SAMPLES
    return out


@lru_cache(maxsize=4)
def shadow_turns(height: int, width: int) -> NDArray[np.float64]:
    """float64 (H, W, 2): cosine and sine by which each pixel's shadow samples are turned."""
    out = np.empty((height, width, 2))
    _turn_pixels(out)
    return out


@kernel
def _turn_pixels(out: Array) -> None:
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            phase = (x * SAMPLES * 7.13 + y * SAMPLES * 13.7) % 6.2832
            out[y, x, 0], out[y, x, 1] = np.cos(phase), np.sin(phase)


@kernel
def shade(
    triangle: Ints32, second: Floats32, third: Floats32, nearness: Floats32,
    axes: NDArray[np.float64], position: NDArray[np.float64], focal: float,
    centre: NDArray[np.float64],
    faces: Ints32, vertices: Floats32, normals: Floats32, colour: Floats32, gloss: Floats32,
    pattern_xyz: Floats32, layers: Floats32, face_style: Ints32, styles: Floats32,
    skin_mottle: float, table: Floats32,
    ground: Floats32, albedo: Floats32, slope: Floats32,
    contact: Floats32, canopy: Floats32,
    shadows: Floats32, shaded: NDArray[np.uint8], light_axes: NDArray[np.float64], light: Floats32,
    turns: NDArray[np.float64],
    out: Floats32,
) -> None:  # fmt: skip
    """Colour every pixel, float32 (H, W, 3) linear light in `out`.

    The buffers hold SAMPLES x SAMPLES samples a pixel; where they show one smooth surface, one is
    shaded, else all are and the pixel is their mean.
    `turns` is `shadow_turns` of the picture's height and width.
    """
    height, width = triangle.shape
    hit, ray, here = np.zeros(10), np.zeros(3), np.zeros(3)
    for y0 in range(0, height, SAMPLES):
        for x0 in range(0, width, SAMPLES):
            samples = 1 if _uniform(triangle, nearness, y0, x0) else SAMPLES * SAMPLES
            py, px = y0 // SAMPLES, x0 // SAMPLES
            for m in range(3):
                out[py, px, m] = 0.0
            for sample in range(samples):
                y, x = y0 + sample // SAMPLES, x0 + sample % SAMPLES
                dx, dy = (x + 0.5 - centre[0]) / focal, (y + 0.5 - centre[1]) / focal
                for m in range(3):
                    ray[m] = axes[m, 0] * dx + axes[m, 1] * dy + axes[m, 2]
                f = triangle[y, x]
                kind, wrap, cover = 3, 0.1, 1.0
                if f < 0:
                    if not ground_at(ground, albedo, slope, position, ray, table, hit):
                        for m in range(3):
                            out[py, px, m] += 0.5 * light[6 + m] / samples
                        continue
                    near = abs(hit[6]) < COVER_EXTENT_M and abs(hit[7]) < COVER_EXTENT_M
                    if near and hit[8] > -0.004:
                        cover = _sample_map(contact, hit[6], hit[7], COVER_EXTENT_M)
                        over = _sample_map(canopy, hit[6], hit[7], COVER_EXTENT_M)
                        cover *= 1 - 0.3 * min(1.0, over / 0.1)
                else:
                    kind = surface_at(
                        f, second[y, x], third[y, x], faces, vertices, normals, colour, gloss,
                        pattern_xyz, layers, face_style, styles, table, skin_mottle, ray, hit,
                    )  # fmt: skip
                    over = _sample_map(canopy, hit[6], hit[7], COVER_EXTENT_M) - hit[8]
                    cover = 1 - 0.55 * min(1.0, max(0.0, over / 0.05))
                    cover *= 0.6 + 0.4 * min(1.0, max(0.0, hit[8]) / 0.04)
                    wrap = 0.3 if kind == 0 else 0.12
                _illuminate(
                    hit, ray, kind, cover, wrap, shadows, shaded, light_axes, light,
                    turns[py, px, 0], turns[py, px, 1], here,
                )  # fmt: skip
                for m in range(3):
                    out[py, px, m] += here[m] / samples


@inlined
def _uniform(triangle: Array, nearness: Array, y0: int, x0: int) -> bool:
    """Whether a pixel's samples show one smooth surface, or all of them the ground."""
    hit = triangle[y0, x0] >= 0
    near = nearness[y0, x0]
    for j in range(SAMPLES):
        for i in range(SAMPLES):
            if (triangle[y0 + j, x0 + i] >= 0) != hit:
                return False
            if hit and abs(nearness[y0 + j, x0 + i] - near) > 0.004 * near:
                return False
    return True


@inlined
def _illuminate(
    hit: Array,
    ray: Array,
    kind: int,
    cover: float,
    wrap: float,
    shadows: Array,
    shaded: Array,
    light_axes: Array,
    light: Array,
    cosine: float,
    sine: float,
    out: Array,
) -> None:
    """Key light with its shadow, light from all round, and a highlight, into `out`."""
    nx, ny, nz, px, py, pz = hit[3], hit[4], hit[5], hit[6], hit[7], hit[8]
    towards = nx * light[0] + ny * light[1] + nz * light[2]
    n = shadows.shape[0]
    u = light_axes[0, 0] * px + light_axes[0, 1] * py + light_axes[0, 2] * pz
    v = light_axes[1, 0] * px + light_axes[1, 1] * py + light_axes[1, 2] * pz
    depth = light_axes[2, 0] * px + light_axes[2, 1] * py + light_axes[2, 2] * pz
    bias = 0.006 + 0.006 * (1 - max(towards, 0.0))
    u = (u / SHADOW_EXTENT_M * 0.5 + 0.5) * n
    v = (v / SHADOW_EXTENT_M * 0.5 + 0.5) * n
    lit = 1.0
    cells = shaded.shape[0]
    if pz > -0.004 and 0 < u < n and 0 < v < n and shaded[int(v * cells / n), int(u * cells / n)]:
        lit = _shadow(shadows, u, v, depth, bias, light[12], cosine, sine)
    diffuse = max(0.0, (towards + wrap) / (1 + wrap)) * _light_at(light, px, py)
    shine = 0.0
    if hit[9] > 0.01:
        norm = 1 / np.sqrt(ray[0] ** 2 + ray[1] ** 2 + ray[2] ** 2)
        hx, hy, hz = light[0] - ray[0] * norm, light[1] - ray[1] * norm, light[2] - ray[2] * norm
        half = (nx * hx + ny * hy + nz * hz) / np.sqrt(hx * hx + hy * hy + hz * hz + 1e-9)
        if half > 0.75:
            glow = half * half
            glow *= glow
            glow *= glow
            shine = 0.22 * glow * glow
            if hit[9] > 0.9:
                shine += 1.5 * half**200
            shine *= hit[9] * lit
    up = 0.5 + 0.5 * nz
    for m in range(3):
        direct = lit * diffuse
        if kind == 0 and m == 0:
            # Light that went through skin comes out red.
            direct += (1 - direct) * 0.05
        around = cover * (light[6 + m] * up + light[9 + m] * (1 - up))
        out[m] = hit[m] * (light[3 + m] * direct + around) + shine * light[3 + m]
