"""Covering heads: nothing of what is under a cover stays, and circles hold the heads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.spec.errors import ArrayError, SkeletonError
from model.spec.head_mask import (
    MOSAIC_CELLS,
    SOLID_GREY,
    Style,
    cover,
    head_region,
    head_regions,
    region_mask,
    regions_mask,
)
from model.spec.skeleton import Skeleton, load_skeleton

INFANT = load_skeleton("infant21")
PERSON = load_skeleton("coco17")


def _chessboard(width: int, height: int) -> NDArray[np.uint8]:
    """Black and white pixels in turn: the mean of any two or more of them is neither."""
    ys, xs = np.mgrid[:height, :width]
    return np.repeat(((xs + ys) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)


def _points(skeleton: Skeleton, **named: tuple[float, float]) -> NDArray[np.float32]:
    points = np.full((skeleton.num_keypoints, 2), np.nan, np.float32)
    for name, xy in named.items():
        points[skeleton.index(name)] = xy
    return points


@given(
    st.lists(st.tuples(st.floats(-60, 120), st.floats(-60, 90)), min_size=3, max_size=8),
    st.sampled_from(["mosaic", "solid"]),
    st.integers(1, 70), st.integers(2, 50),
)  # fmt: skip
@settings(max_examples=60)
def test_no_pixel_of_the_region_stays_and_no_other_changes(
    corners: list[tuple[float, float]], style: Style, width: int, height: int
) -> None:
    polygon = np.array(corners, np.float32)
    picture = _chessboard(width, height)
    before = picture.copy()
    covered = cover(picture, polygon, style)
    inside = region_mask(polygon, (width, height))
    assert (covered[inside] != before[inside]).all()
    np.testing.assert_array_equal(covered[~inside], before[~inside])
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_array_equal(cover(picture, polygon, style), covered)


def test_at_most_eight_squares_across() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (200, 200, 3)).astype(np.uint8)
    polygon = np.array([[20, 30], [119, 30], [119, 140], [20, 140]], np.float32)
    covered = cover(picture, polygon)
    for line in (covered[85, 20:120], covered[30:141, 70]):
        changes = (np.diff(line.astype(int), axis=0) != 0).any(1).sum()
        assert 3 <= changes < MOSAIC_CELLS + 1


def test_what_lies_outside_the_picture_keeps_the_squares_coarse() -> None:
    picture = _chessboard(64, 64)
    picture[:32] //= 2
    polygon = np.array([[-5000, -5000], [5000, -5000], [5000, 5000], [-5000, 5000]], np.float32)
    assert len(np.unique(cover(picture, polygon))) == 1


def test_solid_is_flat() -> None:
    polygon = np.array([[2, 2], [9, 2], [5, 9]], np.float32)
    covered = cover(_chessboard(12, 12), polygon, "solid")
    assert (covered[region_mask(polygon, (12, 12))] == SOLID_GREY).all()


def test_a_region_holds_every_pixel_its_polygon_touches() -> None:
    polygon = np.array([[10.4, 10.4], [20.4, 10.4], [20.4, 20.4], [10.4, 20.4]], np.float32)
    assert region_mask(polygon, (40, 40))[10:22, 10:22].all()
    assert not region_mask(polygon + 100, (40, 40)).any()


@pytest.mark.parametrize(
    ("polygon", "what"),
    [
        (np.zeros((2, 2), np.float32), "at least 3 finite corners, got 2"),
        (np.array([[0, 0], [1, np.nan], [2, 2]], np.float32), "2 of them finite"),
        (np.zeros((3, 2), np.float64), "float32"),
    ],
)
def test_polygons_that_are_none(polygon: NDArray[np.float32], what: str) -> None:
    with pytest.raises(ArrayError, match=what):
        cover(_chessboard(9, 9), polygon)


def test_styles_that_are_none() -> None:
    with pytest.raises(ArrayError, match="expected mosaic or solid, got 'blur'"):
        cover(_chessboard(9, 9), np.eye(3, 2, dtype=np.float32), "blur")  # type: ignore[arg-type]


def test_an_infants_head_lies_around_its_eyes_and_chin() -> None:
    points = _points(
        INFANT, right_eye=(90, 50), left_eye=(110, 50), chin=(100, 75), chest=(100, 95),
        navel=(100, 140), right_shoulder=(75, 90), left_shoulder=(125, 90),
    )  # fmt: skip
    region = head_region(points, INFANT)
    assert region is not None
    mask = region_mask(region, (200, 200))
    assert mask[30, 100]
    assert mask[78, 100], "below the chin"
    assert mask[50, 70], "an ear"
    assert mask[50, 130], "the other"
    assert not mask[140, 100], "the navel"


@pytest.mark.parametrize("skeleton", [INFANT, PERSON], ids=lambda one: one.id)
@pytest.mark.parametrize("boxed", [False, True])
def test_many_at_once_are_each_as_if_alone(skeleton: Skeleton, *, boxed: bool) -> None:
    rng = np.random.default_rng(7)
    points = (rng.random((200, skeleton.num_keypoints, 2)) * 300).astype(np.float32)
    points[rng.random(points.shape[:2]) < rng.random((200, 1))] = np.nan
    points[3], points[5], points[7, 0] = np.nan, 9.0, np.inf
    corners = np.sort(rng.random((200, 2, 2)) * 300, axis=1).reshape(200, 4).astype(np.float32)
    regions = head_regions(points, skeleton, corners if boxed else None)
    placed = 0
    for region, alone, box in zip(regions, points, corners, strict=True):
        wanted = head_region(alone, skeleton, box if boxed else None)
        placed += wanted is not None
        assert np.isfinite(region).all() if wanted is not None else np.isnan(region).all()
        if wanted is not None:
            np.testing.assert_array_equal(region, wanted)
    assert 100 < placed < 200


def test_it_turns_and_grows_with_the_infant() -> None:
    points = _points(INFANT, chin=(3.0, 4.0), chest=(0.0, 10.0), navel=(1.0, 30.0))
    one = head_region(points, INFANT)
    turned = head_region(2 * points[:, ::-1] + np.float32(7), INFANT)
    assert one is not None
    assert turned is not None
    np.testing.assert_allclose(turned.mean(0), 2 * one.mean(0)[::-1] + 7, atol=1e-3)
    assert np.ptp(turned[:, 0]) == pytest.approx(2 * np.ptp(one[:, 0]), rel=1e-3)


def test_without_eyes_it_lies_beyond_the_chin() -> None:
    points = _points(INFANT, chin=(100, 75), chest=(100, 95), navel=(100, 140))
    region = head_region(points, INFANT)
    assert region is not None
    assert region_mask(region, (200, 200))[30:80, 85:115].all()


def test_a_person_from_behind_has_a_head_above_the_shoulders() -> None:
    points = _points(
        PERSON, left_shoulder=(80, 100), right_shoulder=(120, 100),
        left_hip=(85, 155), right_hip=(115, 155),
    )  # fmt: skip
    region = head_region(points, PERSON)
    assert region is not None
    assert region_mask(region, (200, 200))[62:88, 88:112].all()


def test_a_persons_face() -> None:
    points = _points(
        PERSON, nose=(100, 55), left_eye=(104, 50), right_eye=(96, 50), left_ear=(110, 52),
        right_ear=(90, 52),
    )  # fmt: skip
    region = head_region(points, PERSON)
    assert region is not None
    assert region_mask(region, (200, 200))[40:64, 90:111].all()


@pytest.mark.parametrize("names", [{}, {"left_toe": (5.0, 5.0)}, {"chest": (5.0, 5.0)}])
def test_a_head_that_cannot_be_placed(names: dict[str, tuple[float, float]]) -> None:
    assert head_region(_points(INFANT, **names), INFANT) is None


def test_a_box_gives_the_scale() -> None:
    points = _points(INFANT, chest=(50, 50))
    box = np.array([0, 0, 99, 49], np.float32)
    region = head_region(points, INFANT, box)
    assert region is not None
    assert np.ptp(region[:, 0]) > 70


def test_other_skeletons_are_refused() -> None:
    other = INFANT.model_copy(update={"id": "hand21"})
    with pytest.raises(SkeletonError, match="infant21, coco17 to find heads, got 'hand21'"):
        head_region(_points(INFANT), other)


def test_several_regions_are_each_of_them_joined() -> None:
    one = np.array([[10, 10], [30, 10], [30, 30], [10, 30]], np.float32)
    other = one + np.float32(12)
    joined = regions_mask([one, other], (60, 50))
    each = region_mask(one, (60, 50)) | region_mask(other, (60, 50))
    np.testing.assert_array_equal(joined, each)
    assert not regions_mask([], (60, 50)).any()
