"""Crops, labels and pixels under augmentation."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from model.spec.errors import DatasetError
from model.spec.geometry import CropFrame
from model.spec.turning import trunk_angle
from model.spec.warp import warp_crop
from model.training.data.folder import Picture
from model.training.data.pictures import read_rgb
from model.training.pose.augmentation import place, weather
from model.training.pose.recipe import AugmentationPart, load_recipe
from model.training.pose.samples import Draw, PoseSamples, cut, inside, mirror
from tests.folders import MakeFolder

INFANT = load_recipe("infant-t-cpu").augmentation
PLAIN = AugmentationPart(scale=0, shift=0, rotated=0, flipped=0, half_body=0, colour=0)


def test_labels_move_with_the_pixels(make_folder: MakeFolder) -> None:
    """Each labelled dot is found, by its colour, where the crop's label says."""
    folder = make_folder()
    wanted = dict.fromkeys(
        ("colour", "grey", "blurred", "noisy", "shrunk", "compressed", "dropout", "head_masked"), 0
    )
    part = INFANT.model_copy(update={"half_body": 0.3, "any_direction": 0.7, **wanted})
    samples = PoseSamples(folder.instances, folder.skeleton, part, occluded=0.5)
    off = []
    for seed in range(40):
        one = folder.instances[seed % len(folder.instances)]
        crop, points, weights = samples[Draw(seed % len(folder.instances), (256, 192), (seed,))]
        picture = read_rgb(one.picture)
        placed = place(one, folder.skeleton, part, (192, 256), np.random.default_rng((seed,)))
        names = folder.skeleton.flip_order if placed.mirrored else np.arange(len(points))
        for k, source in enumerate(names):
            x, y = points[k]
            if weights[k] and 9 < x < 182 and 9 < y < 246:
                labelled_x, labelled_y = one.labels.keypoints_xy[0, source].astype(int)
                colour = picture[labelled_y, labelled_x].astype(int)
                off.append(np.abs(crop[round(float(y)), round(float(x))] - colour).max())
    assert len(off) > 300
    assert np.quantile(off, 0.95) < 40  # dots that touch blend at their rims


def test_without_augmentation_it_is_the_labelled_box(make_folder: MakeFolder) -> None:
    folder = make_folder()
    one = folder.instances[0]
    crop, points, weights = PoseSamples(folder.instances, folder.skeleton, PLAIN, occluded=0.5)[
        Draw(0, (256, 192), (5,))
    ]
    for other in folder.instances:
        placed = place(other, folder.skeleton, PLAIN, (192, 256), np.random.default_rng(5))
        assert placed.frame == CropFrame.from_box(other.box_xyxy, (192, 256))
    frame = CropFrame.from_box(one.box_xyxy, (192, 256))
    np.testing.assert_array_equal(crop, warp_crop(read_rgb(one.picture), frame))
    known = one.labels.visibility[0] > 0
    expected = frame.to_crop(one.labels.keypoints_xy[0])[known]
    np.testing.assert_allclose(points[known], expected, atol=1e-4)
    assert weights[1] == 0.5
    assert set(weights[np.flatnonzero(known)]) == {0.5, 1.0}
    assert (weights[~known] == 0).all()


def test_a_sample_follows_from_its_seed(make_folder: MakeFolder) -> None:
    folder = make_folder()
    samples = PoseSamples(folder.instances, folder.skeleton, INFANT, occluded=1)
    first, again, other = (samples[Draw(2, (128, 96), seed)] for seed in ((1,), (1,), (2,)))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (first[0] != other[0]).any()


def test_mirrored_twice_is_the_same(make_folder: MakeFolder) -> None:
    folder = make_folder()
    rng = np.random.default_rng(0)
    crop = rng.integers(0, 256, (64, 48, 3), np.uint8)
    points = rng.uniform(0, 47, (21, 2))
    visibility = rng.integers(0, 3, 21).astype(np.uint8)
    polygon = rng.uniform(0, 47, (7, 2))
    once = mirror(crop, points, visibility, polygon, folder.skeleton)
    assert once[1][0, 0] == pytest.approx(47 - points[9, 0])  # right eye from the left one
    twice = mirror(*once, folder.skeleton)
    np.testing.assert_array_equal(twice[0], crop)
    np.testing.assert_allclose(twice[1], points, atol=1e-12)
    np.testing.assert_array_equal(twice[2], visibility)
    assert twice[3] is not None
    np.testing.assert_allclose(twice[3], polygon, atol=1e-12)


def test_upright_puts_the_trunk_down(make_folder: MakeFolder) -> None:
    folder = make_folder(12)
    part = PLAIN.model_copy(update={"upright": True})
    turned = 0
    for one in folder.instances:
        placed = place(one, folder.skeleton, part, (192, 256), np.random.default_rng(0))
        points = placed.frame.to_crop(one.labels.keypoints_xy[0])
        angle = trunk_angle(points, folder.skeleton)
        if angle is not None:
            assert angle == pytest.approx(0, abs=1e-6)
            known = np.isfinite(points).all(-1)
            assert inside(points[known], (192, 256)).all()
            turned += 1
    assert turned > 6


def test_half_the_decoding_cuts_the_same_crop(tmp_path: Path) -> None:
    """A crop far coarser than its JPEG is cut from a halved one, without a shift."""
    rng = np.random.default_rng(0)
    blobs = cv2.GaussianBlur(rng.integers(0, 256, (119, 161, 3), np.uint8), (0, 0), 6)
    pixels = np.clip((blobs.astype(np.float32) - 127) * 6 + 127, 0, 255).astype(np.uint8)
    assert cv2.imwrite(str(tmp_path / "a.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 98])
    picture = Picture(1, tmp_path / "a.jpg", (161, 119))
    rows = slice(8, 24)  # away from where the picture ends
    halved = cut(picture, CropFrame((80.0, 60.0), 100.0, 20.0, (32, 32)))[rows, rows].astype(int)
    off = {
        (dx, dy): np.abs(
            warp_crop(read_rgb(picture), CropFrame((80 + dx, 60 + dy), 100.0, 20.0, (32, 32)))[
                rows, rows
            ]
            - halved
        ).mean()
        for dx, dy in ((0, 0), (0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))
    }
    assert min(off, key=lambda at: off[at]) == (0, 0)
    for there, back in (((0.5, 0), (-0.5, 0)), ((0, 0.5), (0, -0.5))):
        assert off[there] == pytest.approx(off[back], rel=0.15)


def test_a_picture_that_is_not_as_labelled_is_refused(make_folder: MakeFolder) -> None:
    folder = make_folder(1)
    path = folder.instances[0].picture.path
    assert cv2.imwrite(str(path), np.zeros((60, 80, 3), np.uint8))
    samples = PoseSamples(folder.instances, folder.skeleton, PLAIN, occluded=1)
    with pytest.raises(DatasetError, match="expected 160x120 as the labels say, got 80x60"):
        samples[Draw(0, (64, 64), (0,))]


@pytest.mark.parametrize(
    "kind", ["colour", "grey", "blurred", "noisy", "shrunk", "compressed", "dropout", "head_masked"]
)
def test_weather_changes_pixels_and_nothing_else(kind: str) -> None:
    rng = np.random.default_rng(1)
    crop = rng.integers(0, 256, (128, 96, 3), np.uint8)
    before = crop.copy()
    head = np.array([[30.0, 20], [60, 20], [60, 50], [30, 50]])
    after = weather(crop, head, PLAIN.model_copy(update={kind: 1.0}), rng)
    assert after.shape == crop.shape
    assert after.dtype == np.uint8
    assert (after != crop).mean() > 0.02
    np.testing.assert_array_equal(crop, before)


def test_a_masked_head_hides_its_pixels() -> None:
    rng = np.random.default_rng(2)
    crop = np.zeros((128, 96, 3), np.uint8)
    crop[::2, ::2] = 255  # a pattern that no cover keeps
    head = np.array([[30.0, 20], [60, 20], [60, 50], [30, 50]])
    part = PLAIN.model_copy(update={"head_masked": 1.0})
    for _ in range(20):
        after = weather(crop, head, part, rng)
        assert (after[22:48, 32:58] != crop[22:48, 32:58]).any(-1).mean() > 0.3
        np.testing.assert_array_equal(after[80:], crop[80:])
