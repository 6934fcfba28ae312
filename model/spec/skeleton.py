"""Skeletons as data: which keypoints there are, in which order, and what belongs together."""

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from model.spec.errors import SkeletonError

SKELETON_IDS = ("infant21", "coco17")


class Skeleton(BaseModel):
    """The K keypoints of one annotation scheme. Indices count from 0.

    Attributes:
        id: Short name, as in `infant21`.
        source: Where the scheme comes from.
        laterality: Whose left and right the names mean.
        keypoints: K names in storage order; `left_` and `right_` are the infant's own.
        flip_pairs: Index pairs that change places when a picture is mirrored.
        edges: Index pairs to draw as bones.
        upper_body: Indices above the waist (half-body augmentation).
        lower_body: Indices below the waist.
        head: Indices on the head (masking).
        oks_sigmas: Per-keypoint constant of the OKS, where COCO's sigma stands: the variance is
            (2 * sigma)**2 times the object's area.
        trunk: Two index groups; the trunk's length is the distance between their means.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    source: str
    laterality: str
    keypoints: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...]
    edges: tuple[tuple[int, int], ...]
    upper_body: tuple[int, ...]
    lower_body: tuple[int, ...]
    head: tuple[int, ...]
    oks_sigmas: tuple[float, ...]
    trunk: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def num_keypoints(self) -> int:
        """K, the number of keypoints."""
        return len(self.keypoints)

    @property
    def flip_order(self) -> NDArray[np.intp]:
        """Permutation (K,) that swaps left and right: `mirrored = keypoints[flip_order]`."""
        order = np.arange(self.num_keypoints)
        for a, b in self.flip_pairs:
            order[[a, b]] = b, a
        return order

    def index(self, name: str) -> int:
        """Position of a keypoint by name.

        Raises:
            SkeletonError: The skeleton has no such keypoint.
        """
        try:
            return self.keypoints.index(name)
        except ValueError:
            raise SkeletonError(
                f"{self.id} has no keypoint {name!r}; it has {', '.join(self.keypoints)}"
            ) from None

    @model_validator(mode="after")
    def _check(self) -> Self:
        count = self.num_keypoints
        if len(set(self.keypoints)) != count:
            raise ValueError("keypoint names repeat")
        if len(self.oks_sigmas) != count:
            raise ValueError(f"expected {count} oks_sigmas, got {len(self.oks_sigmas)}")
        groups: Sequence[Sequence[int]] = (
            *self.flip_pairs, *self.edges, *self.trunk,
            self.upper_body, self.lower_body, self.head,
        )  # fmt: skip
        if bad := [i for group in groups for i in group if not 0 <= i < count]:
            raise ValueError(f"indices {bad} are outside 0..{count - 1}")
        for a, b in self.flip_pairs:
            if {self.keypoints[a].split("_")[0], self.keypoints[b].split("_")[0]} != {
                "left",
                "right",
            }:
                raise ValueError(f"{self.keypoints[a]} and {self.keypoints[b]} are no flip pair")
        return self


def parse_skeleton(text: str) -> Skeleton:
    """Read a skeleton from JSON text.

    Raises:
        SkeletonError: The text is no skeleton; the message says which field is wrong.
    """
    try:
        return Skeleton.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the skeleton"
        raise SkeletonError(f"malformed skeleton: {where}: {first['msg']}") from error


@cache
def load_skeleton(skeleton_id: str) -> Skeleton:
    """Load one of the skeletons that ship with the package.

    Raises:
        SkeletonError: No such skeleton.
    """
    if skeleton_id not in SKELETON_IDS:
        raise SkeletonError(
            f"expected a skeleton of {', '.join(SKELETON_IDS)}, got {skeleton_id!r}"
        )
    data = resources.files("model.spec").joinpath(f"skeletons/{skeleton_id}.json")
    return parse_skeleton(data.read_text(encoding="utf-8"))


def skeleton_for(num_keypoints: int) -> Skeleton:
    """The shipped skeleton with this many keypoints (21: infant21, 17: coco17).

    Raises:
        SkeletonError: None has.
    """
    for skeleton_id in SKELETON_IDS:
        skeleton = load_skeleton(skeleton_id)
        if skeleton.num_keypoints == num_keypoints:
            return skeleton
    raise SkeletonError(f"expected 21 (infant21) or 17 (coco17) keypoints, got {num_keypoints}")
