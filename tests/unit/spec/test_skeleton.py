"""The skeletons are the published ones, and a malformed one is refused with the reason."""

import json

import pytest

from model.spec.errors import SkeletonError
from model.spec.skeleton import load_skeleton, parse_skeleton, skeleton_for


def test_infant21_is_the_papers_order() -> None:
    skeleton = load_skeleton("infant21")
    assert skeleton.num_keypoints == 21
    assert skeleton.keypoints[:9] == (
        "right_eye",
        "right_shoulder",
        "right_elbow",
        "right_wrist",
        "right_middle_finger",
        "right_hip",
        "right_knee",
        "right_ankle",
        "right_toe",
    )
    assert skeleton.keypoints[18:] == ("chin", "chest", "navel")
    assert set(skeleton.oks_sigmas) == {0.05}
    assert [skeleton.keypoints[i] for i in skeleton.head] == ["right_eye", "left_eye", "chin"]


def test_coco17_has_cocos_sigmas() -> None:
    skeleton = load_skeleton("coco17")
    assert skeleton.oks_sigmas[skeleton.index("left_hip")] == 0.107
    assert skeleton.oks_sigmas[skeleton.index("nose")] == 0.026


@pytest.mark.parametrize("skeleton_id", ["infant21", "coco17"])
def test_flip_order_swaps_exactly_left_and_right(skeleton_id: str) -> None:
    skeleton = load_skeleton(skeleton_id)
    flipped = [skeleton.keypoints[i] for i in skeleton.flip_order]
    swap = {"left": "right", "right": "left"}
    for name, other in zip(skeleton.keypoints, flipped, strict=True):
        side, _, part = name.partition("_")
        assert other == (f"{swap[side]}_{part}" if side in swap else name)


@pytest.mark.parametrize("skeleton_id", ["infant21", "coco17"])
def test_upper_and_lower_body_share_out_every_keypoint(skeleton_id: str) -> None:
    skeleton = load_skeleton(skeleton_id)
    assert sorted(skeleton.upper_body + skeleton.lower_body) == list(range(skeleton.num_keypoints))


def test_skeleton_for_a_count() -> None:
    assert skeleton_for(21).id == "infant21"
    assert skeleton_for(17).id == "coco17"
    with pytest.raises(SkeletonError, match="got 19"):
        skeleton_for(19)


def test_unknown_names_are_errors() -> None:
    with pytest.raises(SkeletonError, match="'face68'"):
        load_skeleton("face68")
    with pytest.raises(SkeletonError, match="no keypoint 'nose'"):
        load_skeleton("infant21").index("nose")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("edges", [[0, 99]], "outside 0..16"),
        ("flip_pairs", [[0, 1]], "no flip pair"),
        ("oks_sigmas", [0.1], "expected 17 oks_sigmas, got 1"),
        ("keypoints", ["nose"] * 17, "repeat"),
        ("colour", "red", "colour"),
    ],
)
def test_malformed_skeletons_say_what_is_wrong(field: str, value: object, message: str) -> None:
    data = load_skeleton("coco17").model_dump() | {field: value}
    with pytest.raises(SkeletonError, match=message):
        parse_skeleton(json.dumps(data))
