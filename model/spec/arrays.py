"""Typed arrays: what flows between the parts, checked for shape and dtype when made.

Letters in shapes: B frames, N instances, K keypoints, H and W pixels. Coordinates are pixels with
pixel centres at integers, x to the right, y down. Missing is NaN, never 0 or -1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.spec.errors import ArrayError

Shape = tuple[int | str, ...]


def check_array(
    name: str, array: object, shape: Shape, dtype: type[np.generic], sizes: Mapping[str, int] = {}
) -> dict[str, int]:
    """Check an array's shape and dtype.

    Args:
        name: What to call the array in the error.
        array: What was got.
        shape: Expected sizes; a letter stands for any size, the same wherever it stands again.
        dtype: Expected NumPy scalar type.
        sizes: Letters whose size is known already.

    Returns:
        The size of each letter.

    Raises:
        ArrayError: It is no such array; the message says expected and got.
    """
    want = f"{dtype.__name__} ({', '.join(str(sizes.get(str(s), s)) for s in shape)})"
    if not isinstance(array, np.ndarray):
        raise ArrayError(f"{name}: expected an array {want}, got {type(array).__name__}")
    bound = dict(sizes)
    fits = array.ndim == len(shape) and all(
        size == (expected if isinstance(expected, int) else bound.setdefault(expected, size))
        for expected, size in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype != dtype:
        raise ArrayError(f"{name}: expected {want}, got {array.dtype} {array.shape}")
    return bound


class _ShownByShape:
    """A repr that names shapes only: these arrays hold pictures and movements of patients."""

    def __repr__(self) -> str:
        parts = (f"{f.name}={_shape_of(getattr(self, f.name))}" for f in fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(parts)})"


def _shape_of(value: Any) -> str:  # noqa: ANN401 - any field of an array class
    return f"{value.dtype}{list(value.shape)}" if isinstance(value, np.ndarray) else repr(value)


@dataclass(frozen=True, eq=False, repr=False)
class Boxes(_ShownByShape):
    """N boxes.

    Attributes:
        xyxy: float32 (N, 4), first and last pixel centre covered, so a box of w px spans w - 1.

    Raises:
        ArrayError: Wrong shape or dtype, or a box that is inside out or not finite.
    """

    xyxy: NDArray[np.float32]

    def __post_init__(self) -> None:
        check_array("xyxy", self.xyxy, ("N", 4), np.float32)
        if not np.isfinite(self.xyxy).all():
            raise ArrayError("xyxy: expected finite numbers, got NaN or infinity")
        if (self.xyxy[:, 2:] < self.xyxy[:, :2]).any():
            raise ArrayError("xyxy: expected x1 <= x2 and y1 <= y2, got a box inside out")

    def __len__(self) -> int:
        return len(self.xyxy)

    @classmethod
    def from_xywh(cls, xywh: NDArray[np.floating]) -> Self:
        """Boxes from COCO's (x, y, width, height) in px: w pixels span w - 1 units."""
        xywh = np.asarray(xywh, np.float32)
        check_array("xywh", xywh, ("N", 4), np.float32)
        return cls(np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:] - 1], axis=1))

    @property
    def xywh(self) -> NDArray[np.float32]:
        """float32 (N, 4): COCO's (x, y, width, height) in px."""
        return np.concatenate([self.xyxy[:, :2], self.xyxy[:, 2:] - self.xyxy[:, :2] + 1], axis=1)


@dataclass(frozen=True, eq=False, repr=False)
class Keypoints(_ShownByShape):
    """What a model found.

    Attributes:
        keypoints_xy: float32 (N, K, 2) px, NaN where missing.
        scores: float32 (N, K), the height of the heatmap's peak, about 0..1; never visibility.
    """

    keypoints_xy: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        sizes = check_array("keypoints_xy", self.keypoints_xy, ("N", "K", 2), np.float32)
        check_array("scores", self.scores, ("N", "K"), np.float32, sizes)

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, eq=False, repr=False)
class LabelledKeypoints(_ShownByShape):
    """What an annotator marked.

    Attributes:
        keypoints_xy: float32 (N, K, 2) px, NaN where unlabelled.
        visibility: uint8 (N, K): 0 unlabelled or out of the frame, 1 occluded, 2 visible.
    """

    keypoints_xy: NDArray[np.float32]
    visibility: NDArray[np.uint8]

    def __post_init__(self) -> None:
        sizes = check_array("keypoints_xy", self.keypoints_xy, ("N", "K", 2), np.float32)
        check_array("visibility", self.visibility, ("N", "K"), np.uint8, sizes)
        if (self.visibility > 2).any():
            raise ArrayError(f"visibility: expected 0, 1 or 2, got {self.visibility.max()}")
        if np.isnan(self.keypoints_xy[self.visibility > 0]).any():
            raise ArrayError("keypoints_xy: expected numbers where visibility is 1 or 2, got NaN")

    def __len__(self) -> int:
        return len(self.visibility)


@dataclass(frozen=True, eq=False, repr=False)
class CropBatch(_ShownByShape):
    """N crops as models take them: uint8 (N, H, W, 3), RGB."""

    rgb: NDArray[np.uint8]

    def __post_init__(self) -> None:
        check_array("rgb", self.rgb, ("N", "H", "W", 3), np.uint8)

    def __len__(self) -> int:
        return len(self.rgb)
