"""Postures: limbs rest by gravity, nothing sinks into anything, angles keep their limits."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from model.synthetic.contact import TOLERANCE_M, limb_slice, segment_distance
from model.synthetic.freedoms import INDEX, LIMITS
from model.synthetic.motion import FILM_TOLERANCE_M, sample_motion
from model.synthetic.posing import RESTING, Posture, supine
from model.synthetic.raster import vertex_normals
from model.synthetic.subject import Subject, lay_down

PER_SUBJECT = 8


@pytest.fixture(scope="module")
def postures(subjects: list[Subject]) -> list[tuple[Subject, Posture]]:
    rng = np.random.default_rng(0)
    return [(s, s.poser.sample(rng)) for s in subjects for _ in range(PER_SUBJECT)]


def test_angles_keep_their_limits(postures: list[tuple[Subject, Posture]]) -> None:
    for _, posture in postures:
        assert (posture.angles_deg >= LIMITS[:, 0] - 1e-9).all()
        assert (posture.angles_deg <= LIMITS[:, 1] + 1e-9).all()


def test_no_self_penetration_beyond_the_tolerance(
    postures: list[tuple[Subject, Posture]],
) -> None:
    depths = [s.poser.capsules.deepest(s.poser.skeleton.pose(p.angles_deg)[0]) for s, p in postures]
    assert max(depths) <= TOLERANCE_M
    assert max(depths) > 0, "bodies touch themselves"


def test_hands_do_not_sink_into_the_trunks_skin(
    postures: list[tuple[Subject, Posture]],
) -> None:
    """Naked skin against skin, since capsules only stand for it; 11.9 mm where it was deepest."""
    depths = []
    for subject, posture in postures:
        rig = subject.body.rig
        naked = replace(subject, vertices=subject.body.vertices.astype(np.float32))
        skin = lay_down(naked, posture).vertices
        outward = np.empty_like(skin)
        vertex_normals(skin, rig.faces, outward)
        names = ("root", "spine05", "spine04", "spine03", "spine02", "spine01")
        trunk = np.isin(rig.dominant_bone, [rig.bone[name] for name in names])
        hands = skin[rig.vertices_of("wrist.L", "wrist.R")]
        away, nearest = cKDTree(skin[trunk]).query(hands)
        depth = ((skin[trunk][nearest] - hands) * outward[trunk][nearest]).sum(1)
        depths.append(depth[away < 0.05].max(initial=-1.0))
    assert max(depths) < 0.015
    assert np.mean(np.array(depths) > -0.005) > 0.1, "hands rest on it"


def _ends(subject: Subject, posture: Posture, limb: str, side: str) -> np.ndarray:
    """Heights over the mat of a limb's last two capsules' far ends."""
    turn = supine(posture.trunk_roll_deg)
    transforms, _ = subject.poser.skeleton.pose(posture.angles_deg)
    mat = subject.poser.mat_height_m(transforms, turn)
    ends = subject.poser.capsules.place(transforms)[limb_slice(limb, side)]
    return np.asarray(ends[1:, 1] @ turn[2] - mat)


def test_limbs_rest_more_often_than_they_hover(postures: list[tuple[Subject, Posture]]) -> None:
    low = [
        _ends(s, p, limb, side)[0] < 0.045
        for s, p in postures
        for limb in ("arm", "leg")
        for side in "LR"
        if p.habits[f"{limb}.{side}"] != "on_trunk"
    ]
    assert np.mean(low) > 0.55
    habits = [habit for _, p in postures for habit in p.habits.values()]
    assert np.mean([habit in RESTING for habit in habits]) > 0.6
    assert set(habits) >= {"at_face", "lifted", "crossed", "frog", "beside_head"}


def test_nothing_lies_deep_in_the_mat(postures: list[tuple[Subject, Posture]]) -> None:
    heights = [
        _ends(s, p, limb, side).min()
        for s, p in postures
        for limb in ("arm", "leg")
        for side in "LR"
    ]
    assert min(heights) > -0.03


def test_hands_are_loose_fists_most_of_the_time(postures: list[tuple[Subject, Posture]]) -> None:
    curls = [p.angles_deg[INDEX[f"curl.{side}"]] for _, p in postures for side in "LR"]
    assert 0.6 < np.mean(np.array(curls) > 60) < 0.95


def test_heads_turn_to_both_sides(postures: list[tuple[Subject, Posture]]) -> None:
    yaw = np.array([p.angles_deg[INDEX["neck_yaw"]] for _, p in postures])
    assert (yaw > 45).any()
    assert (yaw < -45).any()


def test_segment_distance() -> None:
    a = np.array([[0.0, 0, 0], [1, 0, 0]])
    assert segment_distance(a, np.array([[0.5, 1.0, -1], [0.5, 1.0, 1]])) == pytest.approx(1)
    assert segment_distance(a, np.array([[3.0, 0, 0], [4.0, 0, 0]])) == pytest.approx(2)


def test_motion_moves_pauses_and_stays_apart(subjects: list[Subject]) -> None:
    rng = np.random.default_rng(3)
    subject = subjects[0]
    start = subject.poser.sample(rng)
    times = np.arange(0, 8, 0.04)
    motion = sample_motion(subject.poser, start, times, rng)
    again = np.random.default_rng(3)
    subject.poser.sample(again)
    same = sample_motion(subject.poser, start, times, again)
    np.testing.assert_array_equal(motion.angles_deg, same.angles_deg)
    speed = np.abs(np.diff(motion.angles_deg, axis=0)).max(1) / 0.04
    assert speed.max() > 20, "it moves (degrees per second)"
    assert np.median(speed) < 400, "and does not thrash"
    depths = [
        subject.poser.capsules.deepest(subject.poser.skeleton.pose(q)[0])
        for q in motion.angles_deg[::4]
    ]
    assert max(depths) <= FILM_TOLERANCE_M
