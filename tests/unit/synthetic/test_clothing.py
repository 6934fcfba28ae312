"""No infant is ever unclothed."""

import numpy as np

from model.synthetic.clothing import LOWER, NAPPY, OUTFITS, UPPER, Tailor, dress
from model.synthetic.rig import Rig
from model.synthetic.subject import Subject


def test_every_infant_wears_a_nappy(rig: Rig) -> None:
    tailor = Tailor(rig)
    rest, hips = rig.rest_vertices, tailor.hip_height
    lap = (np.abs(rest[:, 0]) < 0.024) & (rest[:, 2] < hips + 0.02) & (rest[:, 2] > hips - 0.06)
    lap &= ~rig.vertices_of("lowerleg01.L", "lowerleg01.R", "wrist.L", "wrist.R")
    assert lap.sum() > 100
    seen = set()
    for seed in range(150):
        outfit = dress(tailor, np.random.default_rng(seed))
        seen.add(outfit.name)
        cover = outfit.layers[:, [NAPPY, LOWER, UPPER]].max(1)
        assert (cover[lap] > 0).all(), f"seed {seed}: {outfit.name} leaves the lap bare"
        assert (outfit.thickness[lap] > 0.002).all()
    assert seen == set(OUTFITS)


def test_clothes_stand_off_the_skin(subjects: list[Subject]) -> None:
    for subject in subjects:
        covered = subject.outfit.covered > 0.99
        moved = np.linalg.norm(subject.vertices - subject.body.vertices, axis=1)
        assert moved[covered].mean() > 0.002
