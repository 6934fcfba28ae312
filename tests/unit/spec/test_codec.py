"""The codec decodes as the released code does, and finds what it encoded."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.spec.codec import LARGEST_SHIFT, HeatmapCodec
from model.spec.errors import ArrayError, ConfigurationError
from model.spec.geometry import CropFrame, between_grids

CODEC = HeatmapCodec.for_input((192, 256))
REFERENCE = Path(__file__).parents[2] / "data" / "dark_decode_reference.npz"


def test_released_decoding_within_a_thousandth_of_a_pixel() -> None:
    with np.load(REFERENCE) as reference:
        keypoints = CODEC.decode(reference["heatmaps"])
        widths = 200 * reference["scale"][:, 0].astype(np.float64)
        frames = [
            CropFrame((float(x), float(y)), width, 0, (192, 256))
            for (x, y), width in zip(reference["center"], widths, strict=True)
        ]
        found = [f.to_picture(xy) for f, xy in zip(frames, keypoints.keypoints_xy, strict=True)]
        np.testing.assert_allclose(found, reference["keypoints"], atol=1e-3)
        np.testing.assert_array_equal(keypoints.scores, reference["scores"][..., 0])


@pytest.mark.parametrize(
    ("input_wh", "sigma", "kernel"),
    [((192, 256), 2.0, 11), ((288, 384), 3.0, 17), ((96, 128), 1.0, 5)],
)
def test_codecs_of_the_released_sizes(input_wh: tuple[int, int], sigma: float, kernel: int) -> None:
    codec = HeatmapCodec.for_input(input_wh)
    assert (codec.sigma_px, codec.blur_kernel) == (sigma, kernel)


def random_points(codec: HeatmapCodec, count: int) -> NDArray[np.float64]:
    """Heatmap points (count, 21, 2) more than three sigma from the border."""
    margin = 3 * codec.sigma_px
    size = np.array(codec.heatmap_wh) - 1
    generator = np.random.default_rng(0)
    return margin + generator.random((count, 21, 2)) * (size - 2 * margin)


@pytest.mark.parametrize("input_wh", [(192, 256), (288, 384)])
def test_encode_then_decode_is_exact(input_wh: tuple[int, int]) -> None:
    codec = HeatmapCodec.for_input(input_wh)
    points = random_points(codec, 500)  # 10 500 points
    crop_xy = between_grids(points, codec.heatmap_wh, codec.input_wh)
    decoded = codec.decode(codec.encode(crop_xy))
    found = between_grids(decoded.keypoints_xy, codec.input_wh, codec.heatmap_wh)
    assert np.abs(found - points).max() < 0.05
    assert decoded.scores.min() > 0.9


def test_missing_points_give_empty_maps() -> None:
    points = np.array([[[np.nan, np.nan], [50.0, 60.0], [50.0, np.nan]]])
    heatmaps = CODEC.encode(points)
    assert heatmaps.shape == (1, 3, 64, 48)
    assert heatmaps[0, 0].max() == 0
    assert heatmaps[0, 2].max() == 0
    assert heatmaps[0, 1].max() > 0.9


def test_peaks_at_the_border_stay_on_their_cell() -> None:
    heatmaps = np.zeros((1, 2, 64, 48), np.float32)
    heatmaps[0, 0, 0, 47] = 1
    heatmaps[0, 1, 63, 1] = 0.5
    decoded = CODEC.decode(heatmaps)
    expected = between_grids(np.array([[47.0, 0.0], [1.0, 63.0]]), (48, 64), (192, 256))
    np.testing.assert_allclose(decoded.keypoints_xy[0], expected, atol=1e-4)
    assert decoded.scores.tolist() == [[1.0, 0.5]]


def test_no_heatmap_throws_a_keypoint_far_from_its_peak() -> None:
    heatmaps = np.random.default_rng(0).normal(0, 1, (20, 21, 64, 48)).astype(np.float32)
    found = CODEC.decode(heatmaps)
    peak = heatmaps.reshape(20, 21, -1).argmax(-1)
    peak_xy = np.stack([peak % 48, peak // 48], -1)
    moved = between_grids(found.keypoints_xy, (192, 256), (48, 64)) - peak_xy
    assert np.abs(moved).max() <= LARGEST_SHIFT + 1e-4
    assert np.abs(moved).max() > 0.5  # the noise did reach for the bound


def test_flat_heatmaps_decode_to_their_first_cell() -> None:
    found = CODEC.decode(np.zeros((1, 21, 64, 48), np.float32))
    assert np.isfinite(found.keypoints_xy).all()
    assert (found.scores == 0).all()


def test_an_empty_batch_is_no_special_case() -> None:
    assert CODEC.decode(np.zeros((0, 21, 64, 48), np.float32)).keypoints_xy.shape == (0, 21, 2)


def test_peak_shape_of_a_target() -> None:
    lowest, curvature = CODEC.peak_shape(CODEC.encode(np.array([[[100.0, 120.0]]])))
    assert curvature[0, 0] == pytest.approx(1 / 8, rel=0.02)  # 1 / (2 * sigma^2)
    assert lowest[0, 0] > 0.2


def test_wrong_shapes_and_numbers_are_refused() -> None:
    with pytest.raises(ArrayError, match=r"expected float32 \(N, K, 64, 48\)"):
        CODEC.decode(np.zeros((1, 21, 48, 64), np.float32))
    with pytest.raises(ArrayError, match="got float64"):
        CODEC.decode(np.zeros((1, 21, 64, 48)))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="multiples of 4"):
        HeatmapCodec.for_input((190, 256))
    with pytest.raises(ConfigurationError, match="sigma above 0"):
        HeatmapCodec((192, 256), 0.0, 11)
    with pytest.raises(ConfigurationError, match="odd blur kernel"):
        HeatmapCodec((192, 256), 2.0, 10)
