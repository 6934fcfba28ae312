"""Sequences for tests of what is written and read: a header, and rows of any numbers at all."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from model.spec.sequence import (
    ALL_FLAGS,
    NO_PTS,
    STATUSES,
    FilteredRows,
    ModelIdentity,
    Rows,
    SequenceHeader,
    SequenceSkeleton,
    SequenceVideo,
    Series,
)


def header_of(
    series: Series = "raw", keypoints: Sequence[str] = ("chest", "left_wrist")
) -> SequenceHeader:
    """A header with every kind of value in it."""
    return SequenceHeader(
        series=series,
        skeleton=SequenceSkeleton("short", tuple(keypoints), ((0, len(keypoints) - 1),)),
        pose_model=ModelIdentity("aggpose-t-short", "1.0", "ab" * 32, "cd" * 32),
        detector=ModelIdentity("infant-detector", "1.0", "ef" * 32, "01" * 32),
        engine="openvino",
        precision="float32",
        video=SequenceVideo(
            container="mov",
            codec="h264",
            pixel_format="yuv420p",
            bit_depth=8,
            coded_wh=(1280, 720),
            displayed_wh=(720, 1365),
            pixel_aspect_ratio=(16, 15),
            rotation_deg=270,
            time_base=(1, 12800),
            frame_rate_header=25.0,
            duration_s_header=None,
            num_frames_header=250,
            variable_frame_rate=False,
            interlaced=False,
            cut_short=True,
        ),
        parameters={"window": 64, "score_min": 0.2, "series": "é", "hold": None, "turn": True},
    )


def float32s(values: object) -> NDArray[np.float32]:
    """An array of numbers in nested lists."""
    return np.array(values, np.float32)


def number_of(keypoints: int) -> tuple[str, ...]:
    """So many names."""
    return tuple(f"point_{i}" for i in range(keypoints))


def same_bits(got: object, expected: object) -> bool:
    """Whether two arrays are the same to the last bit, but for which NaN it is."""
    assert isinstance(got, np.ndarray)
    assert isinstance(expected, np.ndarray)
    return (
        got.dtype == expected.dtype
        and np.array_equal(got, expected, equal_nan=expected.dtype.kind == "f")
        and np.array_equal(np.signbit(got[got == 0]), np.signbit(expected[expected == 0]))
    )


def assert_same(got: Rows, expected: Rows, *, time_within_s: float = 0.0) -> None:
    """That rows are the same to the last bit; times may be held to less."""
    for name, column in vars(expected).items():
        if name == "time_s" and time_within_s:
            np.testing.assert_allclose(got.time_s, column, rtol=0, atol=time_within_s)
        else:
            assert same_bits(getattr(got, name), column), name


@st.composite
def any_rows(draw: st.DrawFn, *, keypoints: int = 2) -> Rows:
    """Rows that need make no sense: float32 of every size, subnormal ones too, some missing."""
    count = draw(st.integers(0, 4))
    some = st.floats(width=32, allow_infinity=False) | st.floats(0, 1920, width=32)
    numbers = draw(arrays.arrays(np.float32, (count, 5 + 3 * keypoints), elements=some))
    boxes, points = numbers[:, :4].copy(), numbers[:, 5:].reshape(count, keypoints, 3)
    boxes[np.isnan(boxes).any(axis=1)] = np.nan
    boxes += 0  # no negative zeros: a far corner is a sum, which has none
    whole = st.integers(-(2**63), 2**63 - 1) | st.just(NO_PTS)
    seconds = st.floats(-1e6, 1e6) | st.just(np.nan)
    return Rows(
        frame_index=np.arange(count) + draw(st.integers(0, 2**62)),
        pts=draw(arrays.arrays(np.int64, count, elements=whole)),
        time_s=draw(arrays.arrays(np.float64, count, elements=seconds)),
        status=draw(arrays.arrays(np.uint8, count, elements=st.integers(0, len(STATUSES) - 1))),
        box_xyxy=boxes,
        box_score=numbers[:, 4],
        keypoints_xy=points[..., :2],
        scores=points[..., 2],
    )


@st.composite
def any_filtered_rows(draw: st.DrawFn, *, keypoints: int = 2) -> FilteredRows:
    """Likewise, with flags."""
    rows = draw(any_rows(keypoints=keypoints))
    flags = arrays.arrays(np.uint8, rows.scores.shape, elements=st.integers(0, ALL_FLAGS))
    return FilteredRows(rows, draw(flags))


def usual_rows(count: int, *, keypoints: int = 21, seed: int = 0) -> Rows:
    """Rows as a network gives them: full float32 precision, a twentieth of them empty."""
    random = np.random.default_rng(seed)
    gone = random.random(count) < 0.05
    corner = random.uniform(0, 900, (count, 2))
    boxes = np.concatenate([corner, corner + random.uniform(100, 900, (count, 2))], axis=1)
    points = random.uniform(0, 1920, (count, keypoints, 2))
    scores = random.uniform(0, 1, (count, keypoints))
    boxes[gone], points[gone], scores[gone] = np.nan, np.nan, np.nan
    index = np.arange(count)
    return Rows(
        frame_index=index,
        pts=index * 512,
        time_s=index * 512 / 12800,
        status=np.where(gone, STATUSES.index("no_detection"), 0).astype(np.uint8),
        box_xyxy=boxes.astype(np.float32),
        box_score=np.where(gone, np.nan, 0.875).astype(np.float32),
        keypoints_xy=points.astype(np.float32),
        scores=scores.astype(np.float32),
    )
