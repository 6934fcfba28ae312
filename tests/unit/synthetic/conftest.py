"""Infants and pictures that several tests look at; making them costs, so each is made once."""

import numpy as np
import pytest

from model.synthetic.rig import Rig, load_rig
from model.synthetic.sample import Moment, compose
from model.synthetic.seeds import PictureSeed
from model.synthetic.subject import Subject, sample_subject

NUM_MOMENTS = 24


@pytest.fixture(scope="session")
def rig() -> Rig:
    return load_rig()


@pytest.fixture(scope="session")
def subjects() -> list[Subject]:
    return [sample_subject(np.random.default_rng(seed)) for seed in range(12)]


@pytest.fixture(scope="session")
def moments() -> list[Moment]:
    """Pictures with an infant, each of another one where the draw allows."""
    made = (compose(PictureSeed("test", 5, i), (320, 240))[0] for i in range(0, 4 * NUM_MOMENTS, 3))
    return [moment for moment in made if moment.subject is not None][:NUM_MOMENTS]
