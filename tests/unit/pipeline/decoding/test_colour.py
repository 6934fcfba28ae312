"""Colours are those of the standards."""

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from workers.pipeline.decoding.colour import Colour


@pytest.mark.parametrize(
    ("matrix", "full_range", "yuv", "rgb"),
    [
        ("bt601", False, (16, 128, 128), (0, 0, 0)),
        ("bt709", False, (235, 128, 128), (255, 255, 255)),
        ("bt601", True, (255, 128, 128), (255, 255, 255)),
        ("bt601", True, (76, 85, 255), (254, 0, 0)),
        ("bt709", False, (63, 102, 240), (255, 1, 0)),  # red
        ("bt709", False, (173, 42, 26), (0, 255, 1)),  # green
        ("bt2020", False, (74, 97, 240), (255, 0, 0)),  # red
    ],
)
def test_known_colours(
    matrix: str, yuv: tuple[int, ...], rgb: tuple[int, ...], *, full_range: bool
) -> None:
    planes = [np.full((2, 2), value, np.uint8) for value in yuv]
    found = Colour(matrix, full_range=full_range).to_rgb(*planes)
    assert found.shape == (2, 2, 3)
    np.testing.assert_allclose(found[0, 0].astype(int), rgb, atol=2)


@pytest.mark.parametrize(("matrix", "space"), [("bt601", Colorspace.ITU601),
                                               ("bt709", Colorspace.ITU709),
                                               ("bt2020", Colorspace.BT2020)])  # fmt: skip
@pytest.mark.parametrize("full_range", [False, True])
def test_ffmpeg_converts_alike(matrix: str, space: Colorspace, *, full_range: bool) -> None:
    flat = np.random.default_rng(1).integers(40, 210, (3, 8), dtype=np.uint8)
    planes = flat.repeat(16, 1)[:, None].repeat(16, 1)  # (3, 16, 128)
    frame = av.VideoFrame.from_ndarray(planes, format="yuv444p")
    whole = ColorRange.JPEG if full_range else ColorRange.MPEG
    expected = frame.to_ndarray(
        format="rgb24", src_colorspace=space, src_color_range=whole, dst_color_range=ColorRange.JPEG
    )
    found = Colour(matrix, full_range=full_range).to_rgb(*planes)
    assert np.abs(found.astype(int) - expected).max() <= 3


@pytest.mark.parametrize(("transfer", "paper"), [("pq", 0.58), ("hlg", 0.75)])
def test_high_dynamic_range_becomes_usual(transfer: str, paper: float) -> None:
    """Black stays black, paper (ITU-R BT.2408) becomes white, and brightness keeps its order."""
    ramp = np.arange(256, dtype=np.uint8)[None]
    grey = np.full_like(ramp, 128)
    shown = Colour("bt2020", full_range=True, transfer=transfer).to_rgb(ramp, grey, grey)[0, :, 0]
    assert shown[0] == 0
    assert shown[-1] == 255
    assert (np.diff(shown.astype(int)) >= 0).all()
    assert shown[round(255 * paper)] >= 248
    assert shown[round(255 * paper) - 25] < 235
