"""A z-buffer rasteriser: triangles to depth, triangle number and barycentric weights.

Screen coordinates here are those of the sample grid: sample (i, j) has its centre at
(i + 0.5, j + 0.5). The picture's own convention (centres at integers) is the camera's business.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.synthetic.compiled import Array, kernel

Floats32 = NDArray[np.float32]
Ints32 = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Buffers:
    """What the camera sees at each sample of an (H, W) grid.

    Attributes:
        nearness: float32 (H, W) one over depth, 0 where nothing was hit.
        triangle: int32 (H, W) triangle number, -1 where nothing was hit.
        second: float32 (H, W) weight of the triangle's second corner, perspective-correct.
        third: float32 (H, W) weight of the third.
    """

    nearness: Floats32
    triangle: Ints32
    second: Floats32
    third: Floats32

    @classmethod
    def empty(cls, height: int, width: int) -> "Buffers":
        """Buffers in which nothing was hit yet."""
        return cls(
            np.zeros((height, width), np.float32),
            np.full((height, width), -1, np.int32),
            np.zeros((height, width), np.float32),
            np.zeros((height, width), np.float32),
        )


def rasterise(
    screen: NDArray[np.float64],
    nearness: NDArray[np.float64],
    faces: Ints32,
    height: int,
    width: int,
) -> Buffers:
    """Draw triangles.

    Args:
        screen: float64 (N, 2) corners on the sample grid.
        nearness: float64 (N,) one over each corner's depth; triangles with a corner behind the
            camera (0 or less) are left out.
        faces: int32 (M, 3).
        height: Rows of the grid.
        width: Columns of the grid.
    """
    out = Buffers.empty(height, width)
    _draw(screen, nearness, faces, out.nearness, out.triangle, out.second, out.third)
    return out


def top_heights(plan: NDArray[np.float64], heights: Floats32, faces: Ints32, size: int) -> Floats32:
    """Greatest value of a surface over each cell of a square grid, seen without perspective.

    Args:
        plan: float64 (N, 2) corners on the grid.
        heights: float32 (N,).
        faces: int32 (M, 3).
        size: Rows and columns.

    Returns:
        float32 (size, size), -9 where nothing lies.
    """
    out = np.full((size, size), -9, np.float32)
    _draw_heights(plan, heights, faces, out)
    return out


@kernel
def vertex_normals(vertices: Floats32, faces: Ints32, out: Floats32) -> None:
    """Unit normals float32 (N, 3), area-weighted, in place."""
    out[:] = 0
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        wx, wy, wz = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        x, y, z = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
        for k in range(3):
            i = faces[f, k]
            out[i, 0] += x
            out[i, 1] += y
            out[i, 2] += z
    for i in range(out.shape[0]):
        n = np.sqrt(out[i, 0] ** 2 + out[i, 1] ** 2 + out[i, 2] ** 2) + 1e-12
        out[i, 0] /= n
        out[i, 1] /= n
        out[i, 2] /= n


@kernel
def _draw(
    screen: Array,
    nearness: Array,
    faces: Array,
    depth: Array,
    triangle: Array,
    second: Array,
    third: Array,
) -> None:
    height, width = depth.shape
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ia, ib, ic = nearness[a], nearness[b], nearness[c]
        if ia <= 0 or ib <= 0 or ic <= 0:
            continue
        x0, y0, x1, y1 = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1]
        x2, y2 = screen[c, 0], screen[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0:
            continue
        left = max(0, int(np.ceil(min(x0, x1, x2) - 0.5)))
        right = min(width - 1, int(np.floor(max(x0, x1, x2) - 0.5)))
        top = max(0, int(np.ceil(min(y0, y1, y2) - 0.5)))
        bottom = min(height - 1, int(np.floor(max(y0, y1, y2) - 0.5)))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                dx, dy = x + 0.5 - x0, y + 0.5 - y0
                w1 = (dx * (y2 - y0) - (x2 - x0) * dy) / area
                w2 = ((x1 - x0) * dy - dx * (y1 - y0)) / area
                w0 = 1.0 - w1 - w2
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = w0 * ia + w1 * ib + w2 * ic
                if z > depth[y, x]:
                    depth[y, x] = z
                    triangle[y, x] = f
                    second[y, x] = w1 * ib / z
                    third[y, x] = w2 * ic / z


@kernel
def _draw_heights(plan: Array, heights: Array, faces: Array, out: Array) -> None:
    rows, columns = out.shape
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0, x1, y1 = plan[a, 0], plan[a, 1], plan[b, 0], plan[b, 1]
        x2, y2 = plan[c, 0], plan[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0:
            continue
        left = max(0, int(np.ceil(min(x0, x1, x2) - 0.5)))
        right = min(columns - 1, int(np.floor(max(x0, x1, x2) - 0.5)))
        top = max(0, int(np.ceil(min(y0, y1, y2) - 0.5)))
        bottom = min(rows - 1, int(np.floor(max(y0, y1, y2) - 0.5)))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                dx, dy = x + 0.5 - x0, y + 0.5 - y0
                w1 = (dx * (y2 - y0) - (x2 - x0) * dy) / area
                w2 = ((x1 - x0) * dy - dx * (y1 - y0)) / area
                w0 = 1.0 - w1 - w2
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = w0 * heights[a] + w1 * heights[b] + w2 * heights[c]
                out[y, x] = max(out[y, x], z)


@kernel
def blend_panes(
    picture: Floats32,
    nearness: Floats32,
    step: int,
    screen: NDArray[np.float64],
    near: NDArray[np.float64],
    faces: Ints32,
    colours: Floats32,
) -> None:
    """Blend translucent triangles over a picture, where nothing nearer stands before them.

    Args:
        picture: float32 (H, W, 3) linear light, in place.
        nearness: float32 (H * step, W * step) of what is drawn already.
        step: Samples per pixel along a side.
        screen: float64 (N, 2) corners in pixels, centres at integers.
        near: float64 (N,) one over depth.
        faces: int32 (M, 3).
        colours: float32 (N, 4) linear colour and opacity of each corner.
    """
    height, width = picture.shape[0], picture.shape[1]
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        if near[a] <= 0 or near[b] <= 0 or near[c] <= 0:
            continue
        x0, y0, x1, y1 = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1]
        x2, y2 = screen[c, 0], screen[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0:
            continue
        left, right = max(0, int(np.ceil(min(x0, x1, x2)))), min(width - 1, int(max(x0, x1, x2)))
        top, bottom = max(0, int(np.ceil(min(y0, y1, y2)))), min(height - 1, int(max(y0, y1, y2)))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area
                w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / area
                w0 = 1.0 - w1 - w2
                if w0 < 0 or w1 < 0 or w2 <= 0:
                    continue
                z = w0 * near[a] + w1 * near[b] + w2 * near[c]
                if z < nearness[y * step, x * step]:
                    continue
                opacity = w0 * colours[a, 3] + w1 * colours[b, 3] + w2 * colours[c, 3]
                for k in range(3):
                    tint = w0 * colours[a, k] + w1 * colours[b, k] + w2 * colours[c, k]
                    picture[y, x, k] += opacity * (tint - picture[y, x, k])
