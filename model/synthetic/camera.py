"""The camera: a pinhole that looks down at the infant from above or obliquely."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.synthetic.rig import Floats

MAX_TILT_DEG = 45.0


@dataclass(frozen=True, eq=False)
class Camera:
    """Where it stands and what it sees. World: metres, z up, the mat at z = 0.

    Attributes:
        axes: float64 (3, 3), columns: right, down and forward of the picture, in the world.
        position: float64 (3,) m.
        focal_px: Focal length in px.
        size_wh: Picture size in px.
    """

    axes: Floats
    position: Floats
    focal_px: float
    size_wh: tuple[int, int]

    def project(self, points: NDArray[np.floating]) -> tuple[Floats, Floats]:
        """World points (N, 3) to px (N, 2), pixel centres at integers, and depths (N,) in m."""
        seen = (np.asarray(points, np.float64) - self.position) @ self.axes
        depth = seen[:, 2]
        safe = np.where(np.abs(depth) < 1e-6, 1e-6, depth)
        centre = (np.asarray(self.size_wh) - 1) / 2
        return seen[:, :2] / safe[:, None] * self.focal_px + centre, depth

    @property
    def tilt_deg(self) -> float:
        """Angle between the line of sight and the vertical."""
        return float(np.rad2deg(np.arccos(np.clip(-self.axes[2, 2], -1, 1))))


@dataclass(frozen=True)
class View:
    """How a camera is held.

    Attributes:
        tilt_deg: From the vertical, 0 to MAX_TILT_DEG.
        azimuth_deg: Towards which side it leans.
        roll_deg: The picture's up against the infant's head; any angle.
        field_deg: Horizontal field of view, of the longer side.
        fill: Share of the picture that the infant's box spans, along the tighter axis.
        shift: How far the infant is off the middle, as shares of the picture (x, y).
    """

    tilt_deg: float
    azimuth_deg: float
    roll_deg: float
    field_deg: float
    fill: float
    shift: tuple[float, float] = (0.0, 0.0)


def aim(view: View, vertices: NDArray[np.floating], size_wh: tuple[int, int]) -> Camera:
    """Stand the camera so that the infant fills its share of the picture.

    Args:
        view: How it is held.
        vertices: (N, 3) the infant in the world.
        size_wh: Picture size in px.
    """
    tilt, azimuth, roll = np.deg2rad([view.tilt_deg, view.azimuth_deg, view.roll_deg])
    forward = np.array(
        [np.sin(tilt) * np.cos(azimuth), np.sin(tilt) * np.sin(azimuth), -np.cos(tilt)]
    )
    up = np.array([-np.sin(roll), np.cos(roll), 0.0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(forward, right), forward], axis=1)
    focal = max(size_wh) / 2 / np.tan(np.deg2rad(view.field_deg) / 2)
    points = np.asarray(vertices, np.float64)[::7]
    target = (points.max(0) + points.min(0)) / 2
    distance = focal * 0.6 / (min(size_wh) * view.fill)
    size = np.asarray(size_wh, np.float64)
    for _ in range(4):
        camera = Camera(axes, target - forward * distance, float(focal), size_wh)
        seen, _ = camera.project(points)
        low, high = seen.min(0), seen.max(0)
        distance *= float(((high - low) / size).max()) / view.fill
        offset = (low + high) / 2 - (size - 1) / 2 - np.asarray(view.shift) * size
        target = target + axes[:, :2] @ offset * distance / focal
    return Camera(axes, target - forward * distance, float(focal), size_wh)


def sample_view(rng: np.random.Generator, *, portrait: bool) -> View:
    """Draw a way of holding the camera: from above mostly, oblique often, any orientation."""
    kind = rng.random()
    if kind < 0.35:
        tilt = rng.uniform(0, 10)
    elif kind < 0.7:
        tilt = rng.uniform(8, 28)
    else:
        tilt = rng.uniform(25, MAX_TILT_DEG)
    # An oblique camera stands at the feet or at a side more often than at the head.
    azimuth = rng.choice([90.0, 0.0, 180.0, 270.0], p=[0.42, 0.24, 0.24, 0.10])
    azimuth += rng.normal(0, 25)
    facing = rng.random()
    if facing < 0.5:
        # Up in the picture is away from the photographer.
        roll = azimuth - 90 + rng.normal(0, 10) if tilt > 12 else rng.normal(0, 15)
    elif facing < 0.7:
        roll = rng.choice([90.0, -90.0]) + rng.normal(0, 15)
    else:
        roll = rng.uniform(0, 360)
    cut = rng.random() < 0.14
    if cut:
        fill, spread = rng.uniform(0.9, 1.2), 0.14
    elif portrait:
        fill, spread = rng.uniform(0.42, 0.95), 0.03
    else:
        fill, spread = rng.uniform(0.36, 0.95), 0.03
    shift = rng.normal(0, spread + 0.12 * max(0.0, 0.8 - fill), 2)
    return View(
        tilt_deg=float(tilt),
        azimuth_deg=float(azimuth % 360),
        roll_deg=float(roll % 360),
        field_deg=float(rng.uniform(34, 68)),
        fill=float(fill),
        shift=(float(shift[0]), float(shift[1])),
    )
