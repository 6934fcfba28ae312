"""What things are made of: colour, normal and gloss of skin, hair, cloth, the mat and the floor.

The functions are compiled into the kernel of `shading`. Numbers travel in flat arrays whose layout
is stated by the classes that make them: `setting.Ground.row`, `surface.Style.row`.
"""

import numpy as np

from model.synthetic.compiled import Array, inlined


@inlined
def noise3(table: Array, x: float, y: float, z: float) -> float:
    """Smooth noise in 0..1 from a cube of 32 x 32 x 32 random numbers."""
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    dx, dy, dz = np.float32(x - fx), np.float32(y - fy), np.float32(z - fz)
    i, j, k = int(fx) & 31, int(fy) & 31, int(fz) & 31
    i2, j2, k2 = (i + 1) & 31, (j + 1) & 31, (k + 1) & 31
    a = table[i, j, k] + dx * (table[i2, j, k] - table[i, j, k])
    b = table[i, j2, k] + dx * (table[i2, j2, k] - table[i, j2, k])
    c = table[i, j, k2] + dx * (table[i2, j, k2] - table[i, j, k2])
    d = table[i, j2, k2] + dx * (table[i2, j2, k2] - table[i, j2, k2])
    a += dy * (b - a)
    c += dy * (d - c)
    return float(a + dz * (c - a))


@inlined
def noise2(table: Array, x: float, y: float) -> float:
    """As noise3 in one plane of the cube."""
    fx, fy = np.floor(x), np.floor(y)
    dx, dy = np.float32(x - fx), np.float32(y - fy)
    i, j = int(fx) & 31, int(fy) & 31
    i2, j2 = (i + 1) & 31, (j + 1) & 31
    a = table[i, j, 0] + dx * (table[i2, j, 0] - table[i, j, 0])
    b = table[i, j2, 0] + dx * (table[i2, j2, 0] - table[i, j2, 0])
    return float(a + dy * (b - a))


@inlined
def _print_of(style: Array, table: Array, x: float, y: float, z: float) -> int:
    """Which of a style's colours shows at a place: 0, 1 or 2."""
    pattern = int(style[9])
    s = style[10]
    u, v = x * s, z * s
    if pattern == 1:
        return 1 if v - np.floor(v) > 0.5 else 0
    if pattern == 2:
        row = np.floor(v)
        u += 0.5 * (row % 2)
        du, dv = u - np.floor(u) - 0.5, v - row - 0.5
        return 1 if du * du + dv * dv < 0.06 else 0
    if pattern == 3:
        return 1 if (u - np.floor(u) > 0.5) != (v - np.floor(v) > 0.5) else 0
    if pattern == 4:
        return 1 if noise3(table, x * s * 2, y * s * 2, z * s * 2) > 0.66 else 0
    if pattern == 5:
        i, j = np.floor(u), np.floor(v)
        a = table[int(i) & 31, int(j) & 31, 3]
        b = table[int(j) & 31, int(i) & 31, 7]
        c = table[int(i + 5) & 31, int(j) & 31, 11]
        if a < 0.45:
            return 0
        du, dv = u - i - 0.25 - 0.5 * b, v - j - 0.25 - 0.5 * c
        turn = np.arctan2(dv, du)
        radius = 0.2 * (0.55 + 0.45 * np.cos(turn * (2 + np.floor(3 * b)) + 6 * c))
        if du * du + dv * dv < radius * radius:
            return 1 if c < 0.6 else 2
        return 0
    if pattern == 7:
        # A nappy's front panel near the waist, with a frilled edge at the legs.
        if y < -0.02 and z > 0.028:
            cell = noise3(table, x * 130, 3.0, z * 130)
            return 1 if cell > 0.55 else 0
        return 2 if abs(x) > 0.052 and z < 0.03 else 0
    return 0


@inlined
def ground_at(
    ground: Array,
    albedo: Array,
    slope: Array,
    position: Array,
    ray: Array,
    table: Array,
    out: Array,
) -> bool:
    """Colour, normal and place where a ray meets the mat, its side or the floor.

    out: r, g, b, nx, ny, nz, x, y, z, gloss. Returns False where the ray meets nothing.
    """
    if ray[2] > -1e-3:
        return False
    k = -position[2] / ray[2]
    x, y = position[0] + k * ray[0], position[1] + k * ray[1]
    c, s = ground[0], ground[1]
    u, v = c * x + s * y + ground[2], -s * x + c * y + ground[3]
    if abs(u) < ground[4] and abs(v) < ground[5]:
        n = albedo.shape[0]
        a = min(max((u / ground[6] * 0.5 + 0.5) * n - 0.5, 0.0), n - 1.001)
        b = min(max((v / ground[6] * 0.5 + 0.5) * n - 0.5, 0.0), n - 1.001)
        i, j = int(a), int(b)
        a, b = a - i, b - j
        w00, w10, w01, w11 = (1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b
        for m in range(3):
            out[m] = (
                albedo[j, i, m] * w00
                + albedo[j, i + 1, m] * w10
                + albedo[j + 1, i, m] * w01
                + albedo[j + 1, i + 1, m] * w11
            )
        grain = 0.97 + 0.06 * noise2(table, u * 700, v * 700)
        du = slope[j, i, 0] * (1 - a) + slope[j, i + 1, 0] * a
        dv = slope[j, i, 1] * (1 - a) + slope[j, i + 1, 1] * a
        q = 1 / np.sqrt(1 + du * du + dv * dv)
        out[3], out[4], out[5] = -(c * du - s * dv) * q, -(s * du + c * dv) * q, q
        out[6], out[7], out[8], out[9] = x, y, 0.0, ground[8]
        for m in range(3):
            out[m] *= grain
        return True
    k = -(position[2] + ground[7]) / ray[2]
    x, y = position[0] + k * ray[0], position[1] + k * ray[1]
    u, v = c * x + s * y + ground[2], -s * x + c * y + ground[3]
    under = abs(u) < ground[4] and abs(v) < ground[5]
    edge = max(abs(u) - ground[4], abs(v) - ground[5])
    tone = noise2(table, u * 3 + 5, v * 3) * 0.7 + noise2(table, u * 21, v * 21) * 0.3
    stripe = 1.0
    if ground[15] > 0:
        line = u * ground[15]
        stripe = 0.82 if line - np.floor(line) < 0.05 else 1.0
    dark = 0.45 if under else 0.55 + 0.45 * min(1.0, max(0.0, edge / 0.25))
    for m in range(3):
        out[m] = (ground[9 + m] * (1 - tone) + ground[12 + m] * tone) * dark * stripe
    out[3], out[4], out[5] = 0.0, 0.0, 1.0
    out[6], out[7], out[8], out[9] = x, y, -ground[7], 0.1
    return True


@inlined
def surface_at(
    f: int,
    w1: float,
    w2: float,
    faces: Array,
    vertices: Array,
    normals: Array,
    colour: Array,
    gloss: Array,
    pattern_xyz: Array,
    layers: Array,
    face_style: Array,
    styles: Array,
    table: Array,
    skin_mottle: float,
    ray: Array,
    out: Array,
) -> int:
    """Colour, normal and place on a triangle; returns 0 for skin, 1 for cloth, 2 for hair.

    out: r, g, b, nx, ny, nz, x, y, z, gloss.
    """
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    w0 = 1 - w1 - w2
    for m in range(3):
        out[m] = w0 * colour[a, m] + w1 * colour[b, m] + w2 * colour[c, m]
        out[3 + m] = w0 * normals[a, m] + w1 * normals[b, m] + w2 * normals[c, m]
        out[6 + m] = w0 * vertices[a, m] + w1 * vertices[b, m] + w2 * vertices[c, m]
    out[9] = w0 * gloss[a] + w1 * gloss[b] + w2 * gloss[c]
    x = w0 * pattern_xyz[a, 0] + w1 * pattern_xyz[b, 0] + w2 * pattern_xyz[c, 0]
    y = w0 * pattern_xyz[a, 1] + w1 * pattern_xyz[b, 1] + w2 * pattern_xyz[c, 1]
    z = w0 * pattern_xyz[a, 2] + w1 * pattern_xyz[b, 2] + w2 * pattern_xyz[c, 2]
    top, height = -1, 0.0
    if face_style[f] >= 0:
        for layer in range(layers.shape[1]):
            h = w0 * layers[a, layer] + w1 * layers[b, layer] + w2 * layers[c, layer]
            if face_style[f] + layer < styles.shape[0]:
                if styles[face_style[f] + layer, 9] == 8 and h > -0.02:
                    h += 0.012 * (noise3(table, x * 160, y * 160, z * 160) - 0.5)
                if h > 0:
                    top, height = layer, h
    kind = 0
    if top < 0:
        n1 = noise3(table, x * 35, y * 35, z * 35) - 0.5
        n2 = noise3(table, x * 150, y * 150, z * 150) - 0.5
        tone = 1 + skin_mottle * (0.25 * n1 + 0.15 * n2)
        out[0] *= tone * (1 + skin_mottle * 0.08 * n1)
        out[1] *= tone * (1 - skin_mottle * 0.10 * n1)
        out[2] *= tone * (1 - skin_mottle * 0.10 * n1)
    else:
        style = styles[face_style[f] + top]
        which = _print_of(style, table, x, y, z)
        for m in range(3):
            out[m] = style[3 * which + m]
        out[9] = style[12]
        if style[9] == 8:
            kind = 2
            strand = noise3(table, x * 420, y * 90, z * 420)
            lump = noise3(table, x * 120, y * 60, z * 120)
            tone = 0.45 + 0.7 * strand + 0.3 * lump
            for m in range(3):
                out[m] *= tone
            out[3] += 0.9 * (strand - 0.5)
            out[5] += 0.9 * (lump - 0.5)
        else:
            kind = 1
            weave = 0.94 + 0.12 * noise3(table, x * 330, y * 330, z * 330)
            big = 1 - abs(2 * noise3(table, x * 38 + 3, y * 38, z * 30) - 1)
            big2 = 1 - abs(2 * noise3(table, x * 38 + 3.35, y * 38, z * 30) - 1)
            big3 = 1 - abs(2 * noise3(table, x * 38 + 3, y * 38, z * 30 + 0.35) - 1)
            fine = noise3(table, x * 95, y * 95 + 9, z * 80) - 0.5
            out[3] += style[11] * (1.1 * (big - big2) + 0.35 * fine)
            out[5] += style[11] * (1.1 * (big - big3) - 0.25 * fine)
            crease = 1 - 0.16 * style[11] * big * big
            hem = 0.8 if height < 0.0013 else (0.92 if 0.0045 < height < 0.0055 else 1.0)
            for m in range(3):
                out[m] *= weave * crease * hem
    q = 1 / np.sqrt(out[3] ** 2 + out[4] ** 2 + out[5] ** 2 + 1e-9)
    if out[3] * ray[0] + out[4] * ray[1] + out[5] * ray[2] > 0:
        q = -q
    for m in range(3):
        out[3 + m] *= q
    return kind
