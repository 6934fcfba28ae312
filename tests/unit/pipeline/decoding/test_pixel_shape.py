"""What is round when it is displayed is round in every picture that is given away."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from av.video.stream import VideoStream
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.runtime.letterbox import Letterbox
from model.spec.geometry import CropFrame, Size
from tests.unit.pipeline.decoding.coded import encode
from tests.unit.pipeline.decoding.test_hostile import outcome
from tests.unit.pipeline.decoding.test_picture import ORIENTATIONS, picture_of, planes_of
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.decoding.picture import Orientation
from workers.pipeline.decoding.pixel_shape import is_plausible, square_wh
from workers.pipeline.decoding.source import open_video, probe
from workers.pipeline.errors import DimensionsError
from workers.pipeline.video import Picture

CODED_WH = (240, 160)
RADIUS_PX = 40.0
FLOOR, DISC = 40, 200
RATIOS = st.fractions(Fraction(1, 2), 3, max_denominator=64)


def disc(size_wh: Size, stretch: float = 1.0) -> NDArray[np.uint8]:
    """RGB (H, W, 3) with a disc left of the middle, round where pixels are `stretch` wide."""
    x, y = np.meshgrid(*(np.arange(side) + 0.5 for side in size_wh))
    away = np.hypot(x * stretch - 0.4 * size_wh[0] * stretch, y - 0.55 * size_wh[1])
    grey = FLOOR + (DISC - FLOOR) * np.clip(RADIUS_PX - away + 0.5, 0, 1)
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)


def middle_and_radii(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The disc's middle and its radii along x and y, px, by its moments."""
    weight = np.clip((rgb.mean(-1) - FLOOR) / (DISC - FLOOR) - 0.1, 0, 0.9)
    grid = np.stack(np.meshgrid(*(np.arange(side) for side in rgb.shape[1::-1])), -1)
    middle = np.average(grid, axis=(0, 1), weights=weight)
    return middle, 2 * np.sqrt(np.average((grid - middle) ** 2, axis=(0, 1), weights=weight))


def shown(orientation: Orientation) -> NDArray[np.uint8]:
    """The disc's picture as it is to be displayed."""
    upright = disc(square_wh(CODED_WH, orientation.pixel_aspect_ratio))
    turned = np.rot90(upright, orientation.rotation_deg // 90)
    return np.ascontiguousarray(turned[:, ::-1] if orientation.mirrored else turned)


def check_round(picture: Picture, expected: NDArray[np.uint8], slack_px: float) -> None:
    """The disc lies where it must, in each picture that is made of this one."""
    assert picture.displayed_wh == expected.shape[1::-1]
    true_xy, _ = middle_and_radii(expected)
    frame = CropFrame((float(true_xy[0]), float(true_xy[1])), 120.0, 33.0, (180, 240))
    box = Letterbox.of(picture.displayed_wh, (200, 200))
    inner = np.divide(box.inner_wh, box.picture_wh)
    half_wh = (picture.displayed_wh[0] // 2, picture.displayed_wh[1] // 2)
    half = np.divide(half_wh, picture.displayed_wh)
    for rgb, middle_xy, scale in (
        (picture.rgb(), true_xy, np.ones(2)),
        (picture.rgb(half_wh), (true_xy + 0.5) * half - 0.5, half),
        (picture.letterboxed(box), (true_xy + 0.5) * inner - 0.5 + box.left_top, inner),
        (picture.crop(frame), frame.to_crop(true_xy), np.full(2, 1 / frame.scale)),
    ):
        found_xy, radii = middle_and_radii(np.where(rgb == 114, FLOOR, rgb))  # the letterbox' grey
        np.testing.assert_allclose(found_xy, middle_xy, atol=slack_px * max(scale))
        np.testing.assert_allclose(radii, RADIUS_PX * scale, rtol=0.03)
        assert radii[0] / radii[1] == pytest.approx(scale[0] / scale[1], rel=0.02)


@given(orientation=ORIENTATIONS, ratio=RATIOS)
@settings(max_examples=40)
def test_round_in_any_orientation_and_with_any_pixels(
    orientation: Orientation, ratio: Fraction
) -> None:
    orientation = Orientation(orientation.rotation_deg, orientation.mirrored, ratio)
    coded = disc(CODED_WH, square_wh(CODED_WH, ratio)[0] / CODED_WH[0])
    check_round(picture_of(planes_of(coded), orientation), shown(orientation), 0.3)


@given(orientation=ORIENTATIONS, ratio=RATIOS)
def test_edges_of_the_displayed_picture_are_those_of_the_coded_one(
    orientation: Orientation, ratio: Fraction
) -> None:
    orientation = Orientation(orientation.rotation_deg, orientation.mirrored, ratio)
    matrix = orientation.to_coded_matrix(CODED_WH)
    width, height = orientation.displayed_size(CODED_WH)
    corners = np.array([[-0.5, -0.5, 1], [width - 0.5, -0.5, 1], [-0.5, height - 0.5, 1]])
    reached = corners @ matrix.T
    expected = {-0.5, CODED_WH[0] - 0.5}, {-0.5, CODED_WH[1] - 0.5}
    for axis in (0, 1):
        assert {*np.round(reached[:, axis], 6)} == expected[axis]


def pixels_of(ratio: str, *, degrees: int = 0) -> Callable[[VideoStream], None]:
    """Prepares a stream for pixels of this shape, in a picture that is displayed turned."""

    def prepare(stream: VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(ratio)
        if degrees:
            stream.set_display_rotation(degrees)

    return prepare


@pytest.mark.parametrize(
    ("codec", "ending", "ratio", "degrees", "displayed_wh"),
    [
        ("libx264", "mp4", "4/3", 0, (320, 160)),
        ("libx264", "mp4", "4/3", 90, (160, 320)),
        ("libx264", "mov", "10/11", 270, (160, 218)),
        ("mpeg4", "ts", "16/15", 0, (256, 160)),
        ("mpeg4", "avi", "64/45", 0, (341, 160)),
        ("libsvtav1", "mp4", "4/3", 0, (320, 160)),  # only its container says it
        ("libx264", "mkv", "1", 0, (240, 160)),
    ],
)
def test_films(
    tmp_path: Path, codec: str, ending: str, ratio: str, degrees: int, displayed_wh: Size
) -> None:
    coarse = {"mpeg4": {"qmin": "1", "qmax": "2"}, "libx264": {"crf": "8"}}
    path = encode(
        tmp_path / f"film.{ending}", codec, frames=2, size_wh=CODED_WH,
        options=coarse.get(codec), prepare=pixels_of(ratio, degrees=degrees),
        draw=lambda _, size_wh: disc(size_wh, float(Fraction(ratio))),
    )  # fmt: skip
    with open_video(path, window=2) as video:
        facts = video.facts
        assert (facts.coded_wh, facts.displayed_wh) == (CODED_WH, displayed_wh)
        assert facts.pixel_aspect_ratio == Fraction(ratio)
        assert facts.rotation_deg == degrees
        picture = next(iter(video)).frames[0].picture
        assert picture is not None
        check_round(picture, shown(Orientation(degrees, False, Fraction(ratio))), 0.5)  # noqa: FBT003


@pytest.mark.parametrize("ratios", [("4/3", "1"), ("1", "4/3"), ("16/15", "64/45")])
def test_a_film_whose_pixels_change_is_refused(tmp_path: Path, ratios: tuple[str, str]) -> None:
    """Like one whose size changes; that the codec says nothing is as good as square."""
    parts = [
        encode(tmp_path / f"{i}.ts", prepare=pixels_of(ratio)) for i, ratio in enumerate(ratios)
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert probe(path).pixel_aspect_ratio == Fraction(ratios[0])
    code, frames = outcome(path)
    assert code == "video.size_changed"
    assert len(frames) == 16  # the windows before


def test_pixels_that_no_camera_has_are_refused(tmp_path: Path) -> None:
    flat = encode(tmp_path / "flat.avi", "mpeg4", frames=3, prepare=pixels_of("9/2"))
    high = encode(tmp_path / "high.avi", "mpeg4", frames=3, prepare=pixels_of("1/7"))
    with pytest.raises(DimensionsError, match="1:4 to 4:1, got 9:2"):
        probe(flat)
    with pytest.raises(DimensionsError, match="got 1:7"):
        probe(high)
    assert probe(flat, Limits(pixel_aspect=5)).displayed_wh == (576, 96)
    assert probe(high, Limits(pixel_aspect=8)).displayed_wh == (18, 96)


def test_limits_hold_for_the_displayed_size(tmp_path: Path) -> None:
    wide = encode(tmp_path / "wide.mp4", frames=3, prepare=pixels_of("4/3"))
    assert probe(wide, Limits(pixels=171 * 96)).displayed_wh == (171, 96)
    with pytest.raises(DimensionsError, match="got 171x96"):
        probe(wide, Limits(pixels=171 * 96 - 1))
    narrow = encode(tmp_path / "narrow.mp4", frames=3, size_wh=(32, 96), prepare=pixels_of("4/9"))
    with pytest.raises(DimensionsError, match="got 14x96"):
        probe(narrow)


def test_shapes() -> None:
    assert square_wh((720, 576), Fraction(64, 45)) == (1024, 576)
    assert square_wh((720, 480), Fraction(8, 9)) == (640, 480)
    assert square_wh((1440, 1080), Fraction(4, 3)) == (1920, 1080)
    assert square_wh((1, 100), Fraction(1, 4)) == (1, 100)
    assert is_plausible(Fraction(1, 4), 4)
    assert is_plausible(Fraction(4), 4)
    assert not is_plausible(Fraction(401, 100), 4)
    assert not is_plausible(Fraction(100, 401), 4)
    assert not is_plausible(Fraction(-1), 4)
    assert not is_plausible(Fraction(0), 4)
