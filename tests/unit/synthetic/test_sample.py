"""A picture follows from (split, seed, index) alone."""

import cv2
import numpy as np
import pytest

from model.spec.errors import SyntheticError
from model.synthetic.sample import EMPTY_SHARE, Sample, check_size, is_empty, make_sample
from model.synthetic.seeds import PictureSeed
from model.synthetic.sensor import blur_motion, record, sample_sensor

SIZE = (160, 120)


def test_the_same_seed_gives_the_same_bytes_in_any_order() -> None:
    forward = [make_sample(PictureSeed("val", 1, i), SIZE) for i in range(6)]
    backward = [make_sample(PictureSeed("val", 1, i), SIZE) for i in reversed(range(6))][::-1]
    for a, b in zip(forward, backward, strict=True):
        assert a.jpeg == b.jpeg
        assert a.record == b.record
        np.testing.assert_array_equal(a.labels.keypoints.visibility, b.labels.keypoints.visibility)
    assert len({sample.jpeg for sample in forward}) == 6


def test_pictures_have_their_stated_size_and_shapes_vary() -> None:
    sizes = set()
    for i in range(0, 48, 4):
        sample = make_sample(PictureSeed("test", 2, i), SIZE)
        picture = cv2.imdecode(np.frombuffer(sample.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (sample.size_wh[1], sample.size_wh[0], 3)
        assert max(sample.size_wh) == 160
        sizes.add(sample.size_wh)
    assert (160, 120) in sizes
    assert any(width < height for width, height in sizes)


def test_some_pictures_hold_no_infant() -> None:
    rng = np.random.default_rng(0)
    indices = [i for i in range(400) if is_empty(PictureSeed("train", 0, i))]
    assert 0.5 * EMPTY_SHARE < len(indices) / 400 < 2 * EMPTY_SHARE
    sample = make_sample(PictureSeed("train", 0, int(rng.choice(indices))), SIZE)
    assert_shows_nobody(sample)


def test_the_share_of_empty_pictures_is_chosen() -> None:
    which = PictureSeed("train", 0, 0)
    assert not is_empty(which)
    assert is_empty(which, 1)
    assert_shows_nobody(make_sample(which, SIZE, empty_share=1))
    usual, none_empty = make_sample(which, SIZE), make_sample(which, SIZE, empty_share=0)
    assert usual.jpeg == none_empty.jpeg
    assert len(usual.labels.keypoints) == 1


def assert_shows_nobody(sample: Sample) -> None:
    assert len(sample.labels.keypoints) == 0
    assert sample.labels.infant_xyxy is None
    assert sample.labels.head_xyxy is None
    assert not sample.labels.mask.any()


@pytest.mark.parametrize("size", [(63, 64), (640, 481), (64, 4096)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(SyntheticError, match="expected a picture of even sides"):
        check_size(size)


def test_motion_blur_smears_only_what_moves() -> None:
    picture = np.zeros((40, 60, 3), np.float32)
    picture[15:25, 20:30] = 1.0
    motion = np.zeros((40, 60, 2), np.float32)
    assert blur_motion(picture, motion) is picture
    motion[15:25, 20:30, 0] = 8.0
    blurred = blur_motion(picture, motion)
    assert blurred[20, 31, 0] > 0.05, "the edge smears along the motion"
    assert blurred[10, 25, 0] == 0, "not across it"
    np.testing.assert_array_equal(blurred[:, 45:], picture[:, 45:])


def test_recording_is_repeatable_and_fills_the_range() -> None:
    light = np.random.default_rng(0).random((48, 64, 3)).astype(np.float32)
    sensor = sample_sensor(np.random.default_rng(1), "ceiling")
    first = record(light, sensor, np.random.default_rng(2))
    np.testing.assert_array_equal(first, record(light, sensor, np.random.default_rng(2)))
    assert first.dtype == np.uint8
    assert first.max() > 120
    brighter = record(light * 3, sensor, np.random.default_rng(2))
    assert abs(float(brighter.mean()) - float(first.mean())) < 2, "exposure follows the light"
