"""Splits never share a subject."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.spec.errors import SyntheticError
from model.synthetic.seeds import (
    MAX_SEED,
    PICTURES_PER_SUBJECT,
    SEED_RANGE,
    SPLIT_RANGE,
    SPLITS,
    PictureSeed,
)

SEEDS = st.integers(0, MAX_SEED - 1)
INDICES = st.integers(0, SEED_RANGE * PICTURES_PER_SUBJECT - 1)


@given(SEEDS, INDICES)
def test_each_split_has_a_range_of_its_own(seed: int, index: int) -> None:
    for number, split in enumerate(SPLITS):
        subject = PictureSeed(split, seed, index).subject
        assert number * SPLIT_RANGE <= subject < (number + 1) * SPLIT_RANGE


@given(st.sampled_from(SPLITS), SEEDS, INDICES, st.sampled_from(SPLITS), SEEDS, INDICES)
def test_another_split_or_seed_is_another_subject(
    split_a: str, seed_a: int, index_a: int, split_b: str, seed_b: int, index_b: int
) -> None:
    a, b = PictureSeed(split_a, seed_a, index_a), PictureSeed(split_b, seed_b, index_b)
    same = (split_a, seed_a, index_a // PICTURES_PER_SUBJECT) == (
        split_b, seed_b, index_b // PICTURES_PER_SUBJECT,
    )  # fmt: skip
    assert (a.subject == b.subject) == same


def test_the_ends_of_the_ranges_do_not_touch() -> None:
    last = PictureSeed("train", MAX_SEED - 1, SEED_RANGE * PICTURES_PER_SUBJECT - 1)
    assert last.subject + 1 == PictureSeed("val", 0, 0).subject


def test_pictures_of_one_subject_differ_in_the_rest() -> None:
    a, b = PictureSeed("val", 3, 0), PictureSeed("val", 3, 1)
    assert a.subject == b.subject
    assert a.subject_rng().random() == b.subject_rng().random()
    assert a.picture_rng().random() != b.picture_rng().random()


@pytest.mark.parametrize(
    ("split", "seed", "index", "message"),
    [
        ("dev", 0, 0, "expected a split of"),
        ("val", MAX_SEED, 0, "expected a seed of 0 to 65535, got 65536"),
        ("val", -1, 0, "got -1"),
        ("val", 0, SEED_RANGE * PICTURES_PER_SUBJECT, "picture number"),
    ],
)
def test_out_of_range_is_refused(split: str, seed: int, index: int, message: str) -> None:
    with pytest.raises(SyntheticError, match=message):
        PictureSeed(split, seed, index)
