"""The heatmap codec: keypoints to Gaussian targets for training, heatmaps back to keypoints.

Decoding is distribution-aware (DARK, Zhang et al. 2020, equations 6 to 9): the heatmap around its
highest cell is smoothed, its logarithm is taken as a quadratic, and the quadratic's top is the
keypoint. Smoothing needs only the cells around the peak, so that is all that is computed here and
in the exported graph (`model.export.decoding`), which does the same sums.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import Keypoints, check_array
from model.spec.errors import ConfigurationError
from model.spec.geometry import Size, between_grids

HEATMAP_STRIDE = 4
"""Crop px per heatmap px, as array sizes (Section 3.2: heatmaps at a quarter)."""

STENCIL_XY = (
    (0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (2, 0), (-2, 0), (0, 2), (0, -2),
    (1, 1), (-1, -1), (1, -1), (-1, 1),
)  # fmt: skip
"""Offsets from the peak at which the smoothed heatmap is needed for its first two derivatives."""

SMALLEST = 1e-10
"""Floor of the smoothed heatmap before the logarithm (released code)."""

LARGEST_SHIFT = 1.0
"""A refinement moves a peak by at most this many heatmap px in x and in y.

Well-formed peaks move by 0.5 at most. The released code sets no bound, so that a flat heatmap can
throw a keypoint out of the picture; here it stays by its highest cell.
"""


@dataclass(frozen=True)
class HeatmapCodec:
    """One class that encodes for training and decodes for inference.

    Attributes:
        input_wh: Crop size in px, multiples of 4.
        sigma_px: Standard deviation of the target Gaussian in heatmap px.
        blur_kernel: Odd width in px of the smoothing Gaussian; its standard deviation is
            0.15 * blur_kernel + 0.35 (11 px: 2.0), as OpenCV derives it.
    """

    input_wh: Size
    sigma_px: float
    blur_kernel: int

    def __post_init__(self) -> None:
        if any(size % HEATMAP_STRIDE or size < 8 * HEATMAP_STRIDE for size in self.input_wh):
            raise ConfigurationError(
                f"expected a crop size of multiples of 4, at least 32, got {self.input_wh}"
            )
        if not self.sigma_px > 0:
            raise ConfigurationError(f"expected a sigma above 0, got {self.sigma_px:g}")
        if self.blur_kernel < 3 or self.blur_kernel % 2 == 0:
            raise ConfigurationError(
                f"expected an odd blur kernel of at least 3, got {self.blur_kernel}"
            )

    @classmethod
    def for_input(cls, input_wh: Size, *, sigma_px: float | None = None) -> Self:
        """The codec of an input size: sigma 2 px at 48x64, in proportion elsewhere.

        The smoothing Gaussian is as wide as the target's (released code: kernel 11 at sigma 2,
        17 at sigma 3).
        """
        sigma = 2.0 * input_wh[0] / 192 if sigma_px is None else sigma_px
        radius = max(1, round((sigma - 0.35) / 0.3 - 0.5))
        return cls(input_wh, sigma, 2 * radius + 1)

    @property
    def heatmap_wh(self) -> Size:
        """Heatmap size in px, a quarter of the crop's."""
        return self.input_wh[0] // HEATMAP_STRIDE, self.input_wh[1] // HEATMAP_STRIDE

    @property
    def window_radius(self) -> int:
        """How many px around the peak the decoding looks at."""
        return self.blur_kernel // 2 + 2

    @property
    def stencil(self) -> NDArray[np.float32]:
        """float32 (13, R, R), R = 2 * window_radius + 1: a window's weights for STENCIL_XY.

        Row i smooths the window at STENCIL_XY[i]: the sum of weights times window is the
        smoothed heatmap there.
        """
        radius = self.blur_kernel // 2
        offsets = np.arange(-radius, radius + 1)
        deviation = 0.15 * self.blur_kernel + 0.35
        gaussian = np.exp(-(offsets**2) / (2 * deviation**2))
        gaussian /= gaussian.sum()
        size = 2 * self.window_radius + 1
        weights = np.zeros((len(STENCIL_XY), size, size), np.float32)
        for row, (dx, dy) in zip(weights, STENCIL_XY, strict=True):
            x0, y0 = 2 + dx, 2 + dy
            row[y0 : y0 + self.blur_kernel, x0 : x0 + self.blur_kernel] = np.outer(
                gaussian, gaussian
            )
        return weights

    def encode(self, keypoints_xy: NDArray[np.floating]) -> NDArray[np.float32]:
        """Make target heatmaps.

        Args:
            keypoints_xy: (N, K, 2) crop px; NaN gives an empty map. Points outside the crop give
                the part of their Gaussian that reaches in.

        Returns:
            float32 (N, K, H/4, W/4), peak 1, the Gaussian not rounded to the grid.
        """
        points = between_grids(keypoints_xy, self.input_wh, self.heatmap_wh)
        width, height = self.heatmap_wh
        precision = 1 / (2 * self.sigma_px**2)
        across = np.exp(-precision * (np.arange(width) - points[..., 0, None]) ** 2)
        down = np.exp(-precision * (np.arange(height) - points[..., 1, None]) ** 2)
        gaussian = np.asarray(down[..., :, None] * across[..., None, :], np.float32)
        return np.where(np.isnan(gaussian), np.float32(0), gaussian)

    def decode(self, heatmaps: NDArray[np.float32]) -> Keypoints:
        """Read keypoints out of heatmaps.

        Args:
            heatmaps: float32 (N, K, H/4, W/4).

        Returns:
            Keypoints in crop px; scores are the highest cells' values.

        Raises:
            ArrayError: Another shape or dtype.
        """
        width, height = self.heatmap_wh
        count, num_keypoints = check_array(
            "heatmaps", heatmaps, ("N", "K", height, width), np.float32
        ).values()
        scores = heatmaps.reshape(count, num_keypoints, height * width).max(-1)
        peak_xy, smoothed = self._around_peaks(heatmaps)
        shift_xy = _top_of_quadratic(np.log(np.maximum(smoothed, SMALLEST)))
        shift_xy = np.where(self._inside(peak_xy)[..., None], shift_xy, 0.0)
        heatmap_xy = peak_xy.astype(np.float64) + shift_xy
        crop_xy = between_grids(heatmap_xy, self.heatmap_wh, self.input_wh)
        return Keypoints(crop_xy.astype(np.float32), scores)

    def peak_shape(
        self, heatmaps: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How well the peaks carry a refinement.

        Args:
            heatmaps: float32 (N, K, H/4, W/4).

        Returns:
            The lowest smoothed cell that the decoding uses, and the curvature of the logarithm:
            the smaller eigenvalue of its negative Hessian, 1/8 for the target Gaussian of 2 px.
            Both (N, K), and -inf where the peak is too near to the border to be refined.
        """
        peak_xy, smoothed = self._around_peaks(heatmaps)
        _, (dxx, dyy, dxy) = _derivatives(np.log(np.maximum(smoothed, SMALLEST)))
        spread = np.sqrt(((dxx - dyy) / 2) ** 2 + dxy**2)
        curvature = -(dxx + dyy) / 2 - spread
        inside = self._inside(peak_xy)
        return np.where(inside, smoothed.min(-1), -np.inf), np.where(inside, curvature, -np.inf)

    def _inside(self, peak_xy: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether a peak is at least two cells from the border, as its derivatives need."""
        width, height = self.heatmap_wh
        inside: NDArray[np.bool_] = (peak_xy > 1) & (peak_xy < (width - 2, height - 2))
        return np.asarray(inside.all(axis=-1))

    def _around_peaks(
        self, heatmaps: NDArray[np.float32]
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The highest cells (N, K, 2) and the smoothed heatmap at STENCIL_XY from them."""
        width, height = self.heatmap_wh
        peak = heatmaps.reshape(*heatmaps.shape[:2], height * width).argmax(-1)
        peak_xy = np.stack([peak % width, peak // width], axis=-1)
        windows = self._windows(heatmaps, peak_xy)
        return peak_xy, np.einsum("nkyx,pyx->nkp", windows, self.stencil)

    def _windows(
        self, heatmaps: NDArray[np.float32], peak_xy: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        """The cells around each peak, (N, K, R, R); zero outside the map."""
        radius = self.window_radius
        padded = np.pad(heatmaps, ((0, 0), (0, 0), (radius, radius), (radius, radius)))
        reach = np.arange(2 * radius + 1)
        rows = peak_xy[..., 1, None, None] + reach[:, None]
        columns = peak_xy[..., 0, None, None] + reach
        n = np.arange(len(heatmaps))[:, None, None, None]
        k = np.arange(heatmaps.shape[1])[:, None, None]
        return np.asarray(padded[n, k, rows, columns])


def _derivatives(
    log_values: NDArray[np.floating],
) -> tuple[tuple[NDArray[np.float64], ...], tuple[NDArray[np.float64], ...]]:
    """First (x, y) and second (xx, yy, xy) derivatives from a stencil (N, K, 13).

    Central differences as in the released code: first derivatives over 2 px, second over 4.
    """
    values = np.moveaxis(log_values.astype(np.float64), -1, 0)
    mid, right, left, below, above, right2, left2, below2, above2, pp, mm, pm, mp = values
    first = ((right - left) / 2, (below - above) / 2)
    second = (
        (right2 - 2 * mid + left2) / 4,
        (below2 - 2 * mid + above2) / 4,
        (pp - pm - mp + mm) / 4,
    )
    return first, second


def _top_of_quadratic(log_values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Where the quadratic through the stencil peaks, as a shift (N, K, 2) from its middle.

    A quadratic that has no top (Hessian not negative definite) gives no shift.
    """
    (dx, dy), (dxx, dyy, dxy) = _derivatives(log_values)
    determinant = dxx * dyy - dxy**2
    has_top = (determinant > 0) & (dxx < 0)
    safe = np.where(has_top, determinant, 1.0)
    shift = np.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], axis=-1) / safe[..., None]
    shift = np.clip(shift, -LARGEST_SHIFT, LARGEST_SHIFT)
    return np.where(has_top[..., None], shift, 0.0)
