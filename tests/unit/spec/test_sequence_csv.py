"""keypoints.csv comes back exactly, in the same bytes whatever the blocks, or is refused."""

import gzip
import io
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.spec.errors import SequenceError
from model.spec.sequence import NO_PTS, FilteredRows, Rows, SequenceHeader
from model.spec.sequence_csv import FRAME_COLUMNS, CsvWriter, csv_columns, read_csv
from tests.sequences import (
    any_filtered_rows,
    any_rows,
    assert_same,
    float32s,
    header_of,
    number_of,
    usual_rows,
)

HALF_A_MICROSECOND = 0.51e-6


def written(header: SequenceHeader, *blocks: Rows | FilteredRows) -> bytes:
    writer = CsvWriter(header)
    return writer.header() + b"".join(b"".join(writer.rows(b)) for b in blocks) + writer.end()


def read_raw(content: bytes) -> Rows:
    _, rows = read_csv(io.BytesIO(content))
    assert isinstance(rows, Rows)
    return rows


@given(any_rows())
def test_raw_rows_come_back(rows: Rows) -> None:
    content = written(header_of(), rows)
    names, back = read_csv(io.BytesIO(content))
    assert names == ("chest", "left_wrist")
    assert isinstance(back, Rows)
    assert_same(back, rows, time_within_s=HALF_A_MICROSECOND)
    assert written(header_of(), back) == content


@given(any_filtered_rows())
def test_filtered_rows_come_back_with_their_flags(filtered: FilteredRows) -> None:
    content = written(header_of("filtered"), filtered)
    _, back = read_csv(io.BytesIO(content))
    assert isinstance(back, FilteredRows)
    assert_same(back.rows, filtered.rows, time_within_s=HALF_A_MICROSECOND)
    assert back.flags.dtype == np.uint8
    assert np.array_equal(back.flags, filtered.flags)
    assert written(header_of("filtered"), back) == content


@settings(max_examples=25)
@given(st.lists(st.integers(0, 700), max_size=8))
@example([256, 512])
def test_the_same_bytes_whatever_the_blocks(cuts: list[int]) -> None:
    rows = usual_rows(700, keypoints=3)
    header = header_of(keypoints=number_of(3))
    edges = [0, *sorted(cuts), 700]
    blocks = [rows[a:b] for a, b in pairwise(edges)]
    assert written(header, *blocks) == written(header, rows)


def test_columns_and_values_as_the_contract_says() -> None:
    rows = Rows(
        frame_index=np.array([7, 8]),
        pts=np.array([3584, NO_PTS]),
        time_s=np.array([0.28, 1 / 3]),
        status=np.array([0, 1], np.uint8),
        box_xyxy=float32s([[10, 20.5, 109, 220.25], [np.nan] * 4]),
        box_score=float32s([0.9, np.nan]),
        keypoints_xy=float32s([[[0.1, 1e-5], [1919.9999, -0.0]], [[np.nan] * 2] * 2]),
        scores=float32s([[1, 1 / 3], [np.nan] * 2]),
    )
    assert written(header_of(), rows).decode().split("\n") == [
        ",".join(FRAME_COLUMNS)
        + ",chest_x,chest_y,chest_score,left_wrist_x,left_wrist_y,left_wrist_score",
        "7,3584,0.280000,ok,10,20.5,100,200.75,0.9,0.1,1e-05,1,1919.9999,-0.0,0.33333334",
        "8,,0.333333,no_detection,,,,,,,,,,,",
        "",
    ]


def test_raw_columns_keep_their_places_in_the_filtered_series() -> None:
    names = number_of(2)
    raw, filtered = csv_columns(names, filtered=False), csv_columns(names, filtered=True)
    assert filtered == [*raw, "point_0_flags", "point_1_flags"]


def test_a_file_and_a_compressed_stream(tmp_path: Path) -> None:
    rows = usual_rows(40, keypoints=2)
    content = written(header_of(), rows)
    path = tmp_path / "keypoints.csv"
    path.write_bytes(content)
    with gzip.open(tmp_path / "keypoints.csv.gz", "wb") as packed:
        packed.write(content)
    with gzip.open(tmp_path / "keypoints.csv.gz") as packed:
        results = [read_csv(path), read_csv(packed)]
    for _, back in results:
        assert isinstance(back, Rows)
        assert_same(back, rows, time_within_s=HALF_A_MICROSECOND)


def test_reading_in_blocks_joins_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.spec.sequence_csv._BLOCK_BYTES", 500)
    rows = usual_rows(50, keypoints=2)
    assert_same(read_raw(written(header_of(), rows)), rows, time_within_s=HALF_A_MICROSECOND)
    content = written(header_of(), rows).replace(b"\n37,", b"\nx,")
    with pytest.raises(
        SequenceError, match=r"line 39, frame_index: expected a whole number, got 'x"
    ):
        read_raw(content)


GOOD = written(header_of(), usual_rows(3, keypoints=2)).decode()
FIELDS = GOOD.split("\n")[2].split(",")


def with_field(column: int, text: str) -> bytes:
    """The file with another text in line 3."""
    fields = [*FIELDS]
    fields[column] = text
    return GOOD.replace(",".join(FIELDS), ",".join(fields)).encode()


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        (0, "", "line 3, frame_index: expected a whole number, got ''"),
        (0, "1.5", "line 3, frame_index: expected a whole number, got '1.5"),
        (0, "1_0", "line 3, frame_index: expected a whole number, got '1_0"),
        (1, "9223372036854775808", "line 3, pts: expected a whole number or nothing, got '92233"),
        (1, "abc", "line 3, pts: expected a whole number or nothing, got 'abc"),
        (2, "inf", "line 3, time_s: expected a number or nothing, got 'inf"),
        (3, "fine", "line 3, status: expected one of ok, no_detection"),
        (3, "", "line 3, status: expected one of ok"),
        (4, "", "line 3: expected a box x, y, w, h, got"),
        (6, "1e300", "line 3, bbox_w: expected a number or nothing, got '1e300"),
        (8, "nan", "line 3, bbox_score: expected a number or nothing, got 'nan"),
        (9, "3.5e38", "line 3, chest_x: expected a number or nothing, got '3.5e38"),
        (12, " 1", "line 3, left_wrist_x: expected a number or nothing, got ' 1"),
        (14, "1.2.3", "line 3, left_wrist_score: expected a number or nothing, got '1.2.3"),
        (14, "1\r", "line 3, left_wrist_score: expected a number or nothing, got '1"),
        (14, "x" * 500, "line 3, left_wrist_score: expected a number or nothing, got 'xxx"),
    ],
)
def test_a_bad_field_is_named(column: int, text: str, message: str) -> None:
    with pytest.raises(SequenceError) as error:
        read_raw(with_field(column, text))
    assert str(error.value).startswith(message)
    assert len(str(error.value)) < 200
    assert error.value.code == "model.sequence"


@pytest.mark.parametrize("flags", ["8", "-1", "", "01", "1.0"])
def test_flags_that_do_not_exist(flags: str) -> None:
    rows = usual_rows(1, keypoints=2)
    good = written(header_of("filtered"), FilteredRows(rows, np.zeros((1, 2), np.uint8)))
    assert good.endswith(b",0,0\n")
    with pytest.raises(SequenceError, match="line 2, left_wrist_flags: expected a sum of flags, 0"):
        read_raw(good[:-2] + flags.encode() + b"\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1, column 1: expected frame_index, got ''"),
        ("\n", "line 1, column 1: expected frame_index, got ''"),
        ("\ufeff" + GOOD, "line 1, column 1: expected frame_index, got"),
        (GOOD.replace("bbox_w", "bbox_x2"), "line 1, column 7: expected bbox_w, got 'bbox_x2'"),
        (GOOD.replace("chest_score,", ""), "line 1, column 12: expected chest_score, got"),
        (
            GOOD.replace("left_wrist_score", "left_wrist_flags"),
            "line 1, column 13: expected chest_",
        ),
        (
            ",".join(FRAME_COLUMNS) + "\n",
            "line 1, column 10: expected KEYPOINT_x, got 'nothing'",
        ),
        (GOOD.split("\n")[0], "line 1: expected an end of line, got none"),
        (GOOD[:-1], "line 4: expected an end of line, got none"),
        (GOOD[:-50], "line 3: expected an end of line, got none"),
        (GOOD + "\n", "line 5: expected 15 fields, got 1"),
        (GOOD + GOOD, "line 5, frame_index: expected a whole number, got 'frame_index"),
        (GOOD.replace("\n", "\r\n"), "line 1, column 15: expected left_wrist_score, got"),
        (GOOD.replace(",", ";"), "line 1, column 1: expected frame_index, got"),
        ("# a comment\n" + GOOD, "line 1, column 1: expected frame_index, got '# a comment'"),
    ],
)
def test_a_file_that_is_no_sequence(content: str, message: str) -> None:
    with pytest.raises(SequenceError) as error:
        read_raw(content.encode())
    assert str(error.value).startswith(message)


def test_bytes_that_are_no_text_are_refused_with_a_typed_error() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(GOOD.encode())
        place = int(random.integers(len(damaged)))
        damaged[place] = int(random.integers(128, 256))
        with pytest.raises(SequenceError, match=r"^line \d"):
            read_raw(bytes(damaged))


def test_no_rows_and_no_file(tmp_path: Path) -> None:
    empty = usual_rows(1, keypoints=2)[:0]
    content = written(header_of(), empty)
    assert content == CsvWriter(header_of()).header()
    back = read_raw(content)
    assert len(back) == 0
    assert_same(back, empty)
    with pytest.raises(SequenceError, match="expected a file to read"):
        read_csv(tmp_path / "none.csv")


@pytest.mark.parametrize("column", ["time_s", "box_xyxy", "box_score", "keypoints_xy", "scores"])
def test_infinite_numbers_are_never_written(column: str) -> None:
    rows = usual_rows(4, keypoints=2)
    getattr(rows, column)[2] = math.inf
    with pytest.raises(SequenceError, match=f"{column}: expected finite numbers or NaN"):
        written(header_of(), rows)


def test_half_a_box_is_never_written() -> None:
    rows = usual_rows(4, keypoints=2)
    rows.box_xyxy[1, 3] = np.nan
    with pytest.raises(SequenceError, match="box_xyxy: expected whole boxes or none"):
        written(header_of(), rows)


def test_rows_of_another_series_or_skeleton_are_never_written() -> None:
    rows = usual_rows(2, keypoints=3)
    with pytest.raises(SequenceError, match="expected 2 keypoints of short, got 3"):
        written(header_of(), rows)
    with pytest.raises(SequenceError, match="expected rows of the filtered series, got raw ones"):
        written(header_of("filtered", number_of(3)), rows)
    filtered = FilteredRows(rows, np.zeros((2, 3), np.uint8))
    with pytest.raises(SequenceError, match="expected rows of the raw series, got filtered ones"):
        written(header_of("raw", number_of(3)), filtered)
