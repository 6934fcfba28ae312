"""A video's keypoints, frame by frame: what is stored, written and read everywhere.

Every decoded frame is one row. Missing is NaN here, empty in CSV and null in JSON; a time stamp
that the container does not give is `NO_PTS`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import check_array
from model.spec.errors import ArrayError, SequenceError

Status = Literal["ok", "no_detection", "low_confidence", "decode_error"]
STATUSES: Final[tuple[Status, ...]] = ("ok", "no_detection", "low_confidence", "decode_error")
"""A row's status is a place in this tuple."""

NO_PTS: Final = -(2**63)
"""The presentation time stamp of a frame that has none (FFmpeg's own mark)."""

FILLED: Final = 1
"""Flag: the keypoint was missing in a gap of at most 0.5 s and stands interpolated here."""
OUTLIER: Final = 2
"""Flag: the raw value was judged an outlier and replaced."""
SWAPPED: Final = 4
"""Flag: left and right look exchanged here; the value is as it was, unless the series' parameters
say that it was changed back."""
ALL_FLAGS: Final = FILLED | OUTLIER | SWAPPED

SCHEMA_VERSION: Final = 1
"""Of keypoints.json; docs/formats.md says what may be added without raising it."""

Series = Literal["raw", "filtered"]
SERIES: Final[tuple[Series, ...]] = ("raw", "filtered")

_NAME: Final = re.compile("[a-z0-9_]+")


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
class FilteredRows:
    """N frames of the derived series: smoothed, with a mark on every keypoint that is not measured.

    Attributes:
        rows: As in the raw series, the keypoints filtered.
        flags: uint8 (N, K), sums of FILLED, OUTLIER and SWAPPED; 0 where only smoothed.

    Raises:
        ArrayError: Wrong shape or dtype, or a flag that does not exist.
    """

    rows: Rows
    flags: NDArray[np.uint8]

    def __post_init__(self) -> None:
        sizes = dict(zip("NK", self.rows.scores.shape, strict=True))
        check_array("flags", self.flags, ("N", "K"), np.uint8, sizes)
        if (self.flags > ALL_FLAGS).any():
            raise ArrayError(f"flags: expected 0 to {ALL_FLAGS}, got {self.flags.max()}")

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"FilteredRows({len(self)} frames, {self.flags.shape[1]} keypoints)"

    def __getitem__(self, part: slice) -> Self:
        """Some of the rows."""
        return type(self)(self.rows[part], self.flags[part])

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Several blocks as one, in their order; at least one."""
        return cls(
            Rows.joined([part.rows for part in parts]),
            np.concatenate([part.flags for part in parts]),
        )


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


@dataclass(frozen=True)
class SequenceSkeleton:
    """Which keypoints a sequence has.

    Attributes:
        id: As in `infant21`.
        keypoints: K names in storage order.
        edges: Pairs of places in `keypoints`, to draw as bones.

    Raises:
        SequenceError: A name that cannot be part of a column's, names that repeat, or an edge to
            no keypoint.
    """

    id: str
    keypoints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        names = self.keypoints
        if not names or len({*names}) < len(names) or not all(map(_NAME.fullmatch, names)):
            raise SequenceError(f"keypoints: expected different names in a-z, 0-9, _, got {names}")
        if bad := [place for edge in self.edges for place in edge if not 0 <= place < len(names)]:
            raise SequenceError(f"edges: expected places 0 to {len(names) - 1}, got {bad}")


@dataclass(frozen=True)
class ModelIdentity:
    """Which model file made a sequence.

    Attributes:
        name: From its manifest, as in `aggpose-t-infant21`.
        version: From its manifest.
        file_sha256: Of the file that was loaded.
        weights_sha256: Over the trained numbers alone; the same after a new export.
    """

    name: str
    version: str
    file_sha256: str
    weights_sha256: str


@dataclass(frozen=True, kw_only=True)
class SequenceVideo:
    """What a sequence says of its video; names that end in `_header` are the container's claims.

    Attributes:
        container: The demuxer, e.g. `mov`.
        codec: e.g. `h264`.
        pixel_format: As coded, e.g. `yuv420p`.
        bit_depth: Bits a sample, as coded.
        coded_wh: Width and height of the coded picture in px.
        displayed_wh: Width and height in square px, after rotation: boxes and keypoints refer to
            this. The coded width is stretched by the pixels' aspect ratio first, and rounded.
        pixel_aspect_ratio: Numerator and denominator of a coded pixel's width over its height, as
            it was taken to be: sequences that do not say it took all pixels for square.
        rotation_deg: Counter-clockwise turn that displays the picture upright: 0, 90, 180, 270.
        time_base: Numerator and denominator of the seconds per unit of pts.
        frame_rate_header: Mean frames/s; None where none is claimed.
        duration_s_header: Seconds; None where none are claimed.
        num_frames_header: Frames; None where none are claimed.
        variable_frame_rate: Whether the time between frames varies.
        interlaced: Whether the codec says that pictures are made of fields.
        cut_short: Whether the file ends before the video does; None where it was not read to its
            end.
    """

    container: str
    codec: str
    pixel_format: str
    bit_depth: int
    coded_wh: tuple[int, int]
    displayed_wh: tuple[int, int]
    pixel_aspect_ratio: tuple[int, int] = (1, 1)
    rotation_deg: int
    time_base: tuple[int, int]
    frame_rate_header: float | None
    duration_s_header: float | None
    num_frames_header: int | None
    variable_frame_rate: bool
    interlaced: bool
    cut_short: bool | None = None


Parameter = bool | int | float | str | None


@dataclass(frozen=True, kw_only=True)
class SequenceHeader:
    """Where a sequence comes from: all that keypoints.json says before its rows.

    Two runs with the same settings on the same video give the same header: no job, file name or
    clock time stands here.

    Attributes:
        series: `raw` goes with Rows, `filtered` with FilteredRows.
        skeleton: The keypoints.
        pose_model: What found the keypoints.
        detector: What found the infant.
        engine: What ran both, as in `openvino`.
        precision: Of their arithmetic, as in `float32`.
        video: Facts about the video.
        parameters: Settings of the extraction by name and, in the filtered series, those of the
            smoothing with them.
    """

    series: Series
    skeleton: SequenceSkeleton
    pose_model: ModelIdentity
    detector: ModelIdentity
    engine: str
    precision: str
    video: SequenceVideo
    parameters: Mapping[str, Parameter]
