"""Seeds: a picture follows from (split, seed, index), and no two splits share a subject.

A *subject number* is an integer that alone decides an infant and the place it lies in. Each split
owns a range of SPLIT_RANGE numbers of its own; within it, each seed owns SEED_RANGE numbers, and
pictures PICTURES_PER_SUBJECT * n and following show subject n of their seed.
"""

from dataclasses import dataclass

import numpy as np

from model.spec.errors import SyntheticError

SPLITS = ("train", "val", "test", "film", "sheet")
"""What draws subjects: the three parts of a data set, and films and sheets for looking at."""
SEED_RANGE = 1 << 24
"""Subjects that one seed may use."""
MAX_SEED = 1 << 16
SPLIT_RANGE = SEED_RANGE * MAX_SEED
PICTURES_PER_SUBJECT = 4
"""Pictures of one infant in one place; posture, light, cloths and camera differ."""


@dataclass(frozen=True)
class PictureSeed:
    """Which picture.

    Attributes:
        split: One of SPLITS.
        seed: The data set's seed, 0 to MAX_SEED - 1.
        index: The picture's number in the data set, from 0.

    Raises:
        SyntheticError: Out of range.
    """

    split: str
    seed: int
    index: int

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise SyntheticError(f"expected a split of {', '.join(SPLITS)}, got {self.split!r}")
        if not 0 <= self.seed < MAX_SEED:
            raise SyntheticError(f"expected a seed of 0 to {MAX_SEED - 1}, got {self.seed}")
        most = SEED_RANGE * PICTURES_PER_SUBJECT
        if not 0 <= self.index < most:
            raise SyntheticError(f"expected a picture number of 0 to {most - 1}, got {self.index}")

    @property
    def subject(self) -> int:
        """The subject's number, unlike that of any other split or seed."""
        start = SPLITS.index(self.split) * SPLIT_RANGE + self.seed * SEED_RANGE
        return start + self.index // PICTURES_PER_SUBJECT

    def subject_rng(self) -> np.random.Generator:
        """Draws the infant and the place."""
        return np.random.default_rng([1, self.subject])

    def picture_rng(self) -> np.random.Generator:
        """Draws the rest of this picture.

        NumPy pads these words with zeros, and a subject from 2**32 on takes two: picture 0 of
        infant i of train seed 256 * n + s (n 1 to 3) has the stream of picture n of infant i of
        train seed s. Infant and place still differ (`subject_rng`). With the picture's number
        before the subject's it would not; as that changes pictures, it waits for the next rise of
        RECIPE.
        """
        return np.random.default_rng([2, self.subject, self.index % PICTURES_PER_SUBJECT])
