"""A video's keypoints, frame by frame: what is stored, written and read everywhere.

Every decoded frame is one row. Missing is NaN here, empty in CSV and null in JSON; a time stamp
that the container does not give is `NO_PTS`.
"""

from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import check_array
from model.spec.errors import ArrayError

Status = Literal["ok", "no_detection", "low_confidence", "decode_error"]
STATUSES: Final[tuple[Status, ...]] = ("ok", "no_detection", "low_confidence", "decode_error")
"""A row's status is a place in this tuple."""

NO_PTS: Final = -(2**63)
"""The presentation time stamp of a frame that has none (FFmpeg's own mark)."""


@dataclass(frozen=True, eq=False, repr=False)
class Rows:
    """N frames of one followed infant, in columns.

    Attributes:
        frame_index: int64 (N,), counted from 0 over all decoded frames.
        pts: int64 (N,), presentation time stamps in the stream's time base; NO_PTS where none.
        time_s: float64 (N,), seconds: pts times the time base.
        status: uint8 (N,), places in STATUSES.
        box_xyxy: float32 (N, 4) px of the displayed picture, NaN where no infant is known.
        box_score: float32 (N,), the detector's, interpolated like the box; NaN with the box.
        keypoints_xy: float32 (N, K, 2) px of the displayed picture, NaN where missing.
        scores: float32 (N, K), NaN where missing.

    Raises:
        ArrayError: Wrong shape or dtype, or a status that does not exist.
    """

    frame_index: NDArray[np.int64]
    pts: NDArray[np.int64]
    time_s: NDArray[np.float64]
    status: NDArray[np.uint8]
    box_xyxy: NDArray[np.float32]
    box_score: NDArray[np.float32]
    keypoints_xy: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        sizes = check_array("frame_index", self.frame_index, ("N",), np.int64)
        check_array("pts", self.pts, ("N",), np.int64, sizes)
        check_array("time_s", self.time_s, ("N",), np.float64, sizes)
        check_array("status", self.status, ("N",), np.uint8, sizes)
        check_array("box_xyxy", self.box_xyxy, ("N", 4), np.float32, sizes)
        check_array("box_score", self.box_score, ("N",), np.float32, sizes)
        sizes = check_array("keypoints_xy", self.keypoints_xy, ("N", "K", 2), np.float32, sizes)
        check_array("scores", self.scores, ("N", "K"), np.float32, sizes)
        if (self.status >= len(STATUSES)).any():
            raise ArrayError(f"status: expected 0 to {len(STATUSES) - 1}, got {self.status.max()}")

    def __len__(self) -> int:
        return len(self.frame_index)

    def __repr__(self) -> str:
        return f"Rows({len(self)} frames, {self.scores.shape[1]} keypoints)"

    def __getitem__(self, part: slice) -> Self:
        """Some of the rows."""
        return type(self)(**{name: column[part] for name, column in vars(self).items()})

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Several blocks as one, in their order; at least one."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True, eq=False, repr=False)
class Sightings:
    """What the detector saw in the frames that it looked at: all it found, not only the followed.

    Attributes:
        looked_at: int64 (L,), the frames that were looked at, also those with nothing in them.
        frame_index: int64 (M,), of each sighting.
        class_id: uint8 (M,): 0 infant, 1 head.
        xyxy: float32 (M, 4) px of the displayed picture.
        score: float32 (M,), 0..1.
    """

    looked_at: NDArray[np.int64]
    frame_index: NDArray[np.int64]
    class_id: NDArray[np.uint8]
    xyxy: NDArray[np.float32]
    score: NDArray[np.float32]

    def __post_init__(self) -> None:
        check_array("looked_at", self.looked_at, ("L",), np.int64)
        sizes = check_array("frame_index", self.frame_index, ("M",), np.int64)
        check_array("class_id", self.class_id, ("M",), np.uint8, sizes)
        check_array("xyxy", self.xyxy, ("M", 4), np.float32, sizes)
        check_array("score", self.score, ("M",), np.float32, sizes)

    def __len__(self) -> int:
        return len(self.frame_index)

    def __repr__(self) -> str:
        return f"Sightings({len(self)} in {len(self.looked_at)} frames)"

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Several blocks as one, in their order; at least one."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))
