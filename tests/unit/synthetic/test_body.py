"""Newborns' proportions, and points where annotators put them."""

import numpy as np
import pytest

from model.synthetic.body import SIZE_M, Proportions, make_body, sample_body
from model.synthetic.landmarks import MARKS, Landmarks, infant21, trunk_length_m
from model.synthetic.rig import Rig
from model.synthetic.subject import Subject


def test_infants_have_newborn_proportions(subjects: list[Subject]) -> None:
    for subject in subjects:
        body = subject.body
        assert SIZE_M[0] <= body.length_m <= SIZE_M[1]
        assert 0.225 <= body.head_ratio <= 0.28, "a newborn's head is a quarter of its length"
        assert 0.37 <= body.leg_ratio <= 0.45, "hip to heel is about two fifths"
        assert 0.16 <= body.shoulder_ratio <= 0.27


def test_sizes_cover_the_range(rig: Rig) -> None:
    lengths = [sample_body(rig, np.random.default_rng(i)).length_m for i in range(60)]
    assert min(lengths) < 0.51
    assert max(lengths) > 0.60


def test_a_body_is_as_long_as_asked(rig: Rig) -> None:
    codes = np.zeros(len(rig.components), np.float32)
    assert make_body(rig, codes, Proportions(), length_m=0.55).length_m == pytest.approx(0.55)


def test_marks_are_those_of_infant21() -> None:
    assert set(MARKS) == set(infant21().keypoints)


def test_marks_lie_where_annotators_put_them(rig: Rig) -> None:
    """The measured offsets, in trunk lengths, against the rig's own places."""
    body = make_body(rig, np.zeros(len(rig.components), np.float32), Proportions(), length_m=0.55)
    rest = dict(zip(infant21().keypoints, Landmarks.of(body).rest, strict=True))
    unit, joints, bone = trunk_length_m(body), body.joints, rig.bone
    up = (rest["left_shoulder"] - joints[bone["upperarm01.L"]]) / unit
    assert 0.09 < up[2] < 0.17, "the acromion lies above the arm bone's head"
    assert 0.03 < up[0] < 0.09, "and outward of it"
    navel = (rest["navel"] - body.vertices[4105]) / unit
    assert 0.22 < navel[2] < 0.31
    knee = (rest["left_knee"] - joints[bone["lowerleg01.L"]]) / unit
    assert knee[1] < -0.09, "the kneecap lies in front of the joint"
    hip = (rest["left_hip"] - joints[bone["upperleg01.L"]]) / unit
    assert hip[2] == pytest.approx(-0.06)
    assert hip[0] > 0.05
    assert 0.03 < (rest["chin"] - body.vertices[5155])[2] / unit < 0.06


def test_left_and_right_are_mirror_images(rig: Rig) -> None:
    body = make_body(rig, np.zeros(len(rig.components), np.float32), Proportions(), length_m=0.55)
    rest = Landmarks.of(body).rest
    for right, left in infant21().flip_pairs:
        assert rest[left, 0] > 0.005, "the infant's left is +x"
        np.testing.assert_allclose(rest[right] * [-1, 1, 1], rest[left], atol=0.006)
