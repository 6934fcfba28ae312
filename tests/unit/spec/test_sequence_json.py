"""keypoints.json comes back exactly, whatever its white space, or is refused."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.spec.errors import SequenceError
from model.spec.sequence import NO_PTS, FilteredRows, Rows, SequenceHeader
from model.spec.sequence_json import JsonWriter, read_json
from tests.sequences import (
    any_filtered_rows,
    any_rows,
    assert_same,
    float32s,
    header_of,
    number_of,
    usual_rows,
)

Document = dict[str, Any]


def written(header: SequenceHeader, *blocks: Rows | FilteredRows) -> bytes:
    writer = JsonWriter(header)
    return writer.header() + b"".join(b"".join(writer.rows(b)) for b in blocks) + writer.end()


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@given(any_rows())
def test_raw_rows_come_back(rows: Rows) -> None:
    content = written(header_of(), rows)
    header, back = read_json(io.BytesIO(content))
    assert header == header_of()
    assert isinstance(back, Rows)
    assert_same(back, rows)
    assert written(header, back) == content


@given(any_filtered_rows())
def test_filtered_rows_come_back_with_their_flags(filtered: FilteredRows) -> None:
    header, back = read_json(io.BytesIO(written(header_of("filtered"), filtered)))
    assert header == header_of("filtered")
    assert isinstance(back, FilteredRows)
    assert_same(back.rows, filtered.rows)
    assert back.flags.dtype == np.uint8
    assert np.array_equal(back.flags, filtered.flags)


@given(any_rows())
def test_it_is_strict_json_and_white_space_does_not_matter(rows: Rows) -> None:
    content = written(header_of(), rows)
    assert len(json.loads(content, parse_constant=refuse)["frames"]) == len(rows)
    spread = content.replace(b",", b"\r\n ,\t").replace(b"\n{", b"{")
    _, back = read_json(io.BytesIO(spread))
    assert isinstance(back, Rows)
    assert_same(back, rows)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 700), max_size=8))
@example([256, 512])
def test_the_same_bytes_whatever_the_blocks(cuts: list[int]) -> None:
    rows = usual_rows(700, keypoints=3)
    header = header_of(keypoints=number_of(3))
    edges = [0, *sorted(cuts), 700]
    blocks = [rows[a:b] for a, b in pairwise(edges)]
    assert written(header, *blocks) == written(header, rows)


def test_frames_as_the_contract_says() -> None:
    rows = Rows(
        frame_index=np.array([7, 8]),
        pts=np.array([3584, NO_PTS]),
        time_s=np.array([0.28, np.nan]),
        status=np.array([0, 1], np.uint8),
        box_xyxy=float32s([[10, 20.5, 109, 220.25], [np.nan] * 4]),
        box_score=float32s([0.9, np.nan]),
        keypoints_xy=float32s([[[0.1, 1e-5], [1919.9999, -0.0]], [[np.nan] * 2, [3, np.nan]]]),
        scores=float32s([[1, np.nan], [np.nan] * 2]),
    )
    flags = np.array([[1, 0], [6, 7]], np.uint8)
    lines = written(header_of("filtered"), FilteredRows(rows, flags)).decode().split("\n")
    assert lines[-5:] == [
        '"frames":[',
        (
            '{"frame_index":7,"pts":3584,"time_s":0.28,"status":"ok","bbox":[10,20.5,100,200.75],'
            '"bbox_score":0.9,"keypoints":[[0.1,1e-05,1],[1919.9999,-0.0,null]],"flags":[1,0]},'
        ),
        (
            '{"frame_index":8,"pts":null,"time_s":null,"status":"no_detection","bbox":null,'
            '"bbox_score":null,"keypoints":[null,[3,null,null]],"flags":[6,7]}'
        ),
        "]}",
        "",
    ]


def test_the_header_says_where_the_sequence_comes_from() -> None:
    document = json.loads(written(header_of()))
    assert list(document) == [
        "schema_version", "series", "skeleton", "pose_model", "detector", "engine", "precision",
        "video", "parameters", "frames",
    ]  # fmt: skip
    assert document["schema_version"] == 1
    assert document["skeleton"] == {
        "id": "short",
        "keypoints": ["chest", "left_wrist"],
        "edges": [[0, 1]],
    }
    assert document["video"]["time_base"] == [1, 12800]
    assert document["video"]["pixel_aspect_ratio"] == [16, 15]
    assert document["video"]["duration_s_header"] is None
    assert document["parameters"]["series"] == "é"
    assert document["frames"] == []


def test_a_file_and_many_frames(tmp_path: Path) -> None:
    rows = usual_rows(2500, keypoints=2)
    path = tmp_path / "keypoints.json"
    path.write_bytes(written(header_of(), rows))
    _, back = read_json(path)
    assert isinstance(back, Rows)
    assert_same(back, rows)
    with pytest.raises(SequenceError, match="expected a file to read"):
        read_json(tmp_path / "none.json")


def test_fields_that_a_later_writer_adds_to_the_header_are_left_out() -> None:
    def add(document: Document) -> None:
        document["camera"] = {"above": True}
        document["video"]["colour"] = "bt709"

    assert read_json(changed(add))[0] == header_of()


def test_whole_numbers_stand_for_floats() -> None:
    def shorten(document: Document) -> None:
        document["video"]["frame_rate_header"] = 25
        document["frames"][0]["time_s"] = 0

    assert read_json(changed(shorten))[0] == header_of()


def test_a_file_from_before_a_field_was_added_is_read() -> None:
    header = read_json(changed(lambda document: document["video"].pop("cut_short")))[0]
    assert header.video.cut_short is None
    header = read_json(changed(lambda document: document["video"].pop("pixel_aspect_ratio")))[0]
    assert header.video.pixel_aspect_ratio == (1, 1)


def changed(change: Callable[[Document], object], *, filtered: bool = False) -> io.BytesIO:
    """A good file of two frames with one thing done to it."""
    rows = usual_rows(2, keypoints=2)
    series = FilteredRows(rows, np.zeros((2, 2), np.uint8)) if filtered else rows
    document = json.loads(written(header_of("filtered" if filtered else "raw"), series))
    change(document)
    return io.BytesIO(json.dumps(document).encode())


TRUE: object = True


def set_to(value: object, *path: str | int) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        inside: Any = document
        for step in path[:-1]:
            inside = inside[step]
        inside[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_to(2, "schema_version"), "expected schema_version 1, got 2"),
        (set_to(TRUE, "schema_version"), "expected schema_version 1, got True"),
        (lambda d: d.pop("schema_version"), "expected schema_version 1, got None"),
        (lambda d: d.pop("engine"), "engine: expected str, got none"),
        (lambda d: d["video"].pop("codec"), "video.codec: expected str, got none"),
        (set_to("smooth", "series"), "series: expected typing.Literal['raw', 'filtered'], got 's"),
        (set_to([], "video"), "video: expected an object, got []"),
        (set_to("8", "video", "bit_depth"), "video.bit_depth: expected int, got '8'"),
        (set_to(8.0, "video", "bit_depth"), "video.bit_depth: expected int, got 8.0"),
        (set_to(TRUE, "video", "bit_depth"), "video.bit_depth: expected int, got True"),
        (set_to(1, "video", "interlaced"), "video.interlaced: expected bool, got 1"),
        (set_to([1], "video", "time_base"), "video.time_base: expected tuple[int, int], got [1]"),
        (set_to(1.5, "video", "pixel_aspect_ratio"), "video.pixel_aspect_ratio: expected tuple"),
        (set_to([1, "2"], "video", "time_base"), "video.time_base: expected int, got '2'"),
        (set_to("25", "video", "frame_rate_header"), "video.frame_rate_header: expected float | "),
        (set_to(["a", "a"], "skeleton", "keypoints"), "keypoints: expected different names"),
        (set_to([], "skeleton", "keypoints"), "keypoints: expected different names"),
        (set_to(["a,b"], "skeleton", "keypoints"), "keypoints: expected different names"),
        (set_to([[0, 2]], "skeleton", "edges"), "edges: expected places 0 to 1, got [2]"),
        (set_to([1], "parameters", "list"), "parameters.list: expected bool | int | float | str"),
        (lambda d: d.pop("frames"), "frames: expected a list, got NoneType"),
        (set_to({}, "frames"), "frames: expected a list, got dict"),
        (set_to(None, "frames", 1), "frames[1]: expected bbox, bbox_score, frame_index, keypoints"),
        (set_to(1, "frames", 1, "flags"), "frames[1]: expected bbox, bbox_score, frame_index, "),
        (lambda d: d["frames"][1].pop("pts"), "frames[1]: expected bbox, bbox_score, frame_index"),
        (set_to(1.0, "frames", 1, "frame_index"), "frames[1].frame_index: expected a whole number"),
        (set_to(None, "frames", 1, "frame_index"), "frames[1].frame_index: expected a whole numb"),
        (set_to(2**63, "frames", 1, "pts"), "frames[1].pts: expected a whole number or null, got"),
        (set_to("1", "frames", 1, "time_s"), "frames[1].time_s: expected a number or null, got '1"),
        (set_to(TRUE, "frames", 1, "time_s"), "frames[1].time_s: expected a number or null, got T"),
        (set_to(10**400, "frames", 1, "time_s"), "frames[1].time_s: expected a number or null, g"),
        (set_to(1e39, "frames", 1, "bbox_score"), "frames[1].bbox_score: expected a number or nul"),
        (set_to("fine", "frames", 1, "status"), "frames[1].status: expected one of ok, no_detecti"),
        (set_to([], "frames", 1, "status"), "frames[1].status: expected one of ok, no_detection,"),
        (set_to([1, 2, 3], "frames", 1, "bbox"), "frames[1].bbox: expected [x, y, w, h] or null,"),
        (set_to(0, "frames", 1, "bbox"), "frames[1].bbox: expected [x, y, w, h] or null, got 0"),
        (set_to([1, 2, 3, None], "frames", 1, "bbox"), "frames[1].bbox: expected a box x, y, w, h"),
        (set_to([None], "frames", 1, "keypoints"), "frames[1].keypoints: expected 2 times [x, y, "),
        (set_to(None, "frames", 1, "keypoints"), "frames[1].keypoints: expected 2 times [x, y, sc"),
        (set_to([[1, 2], [1, 2, 3, 4]], "frames", 1, "keypoints"), "frames[1].keypoints: expected"),
        (set_to(["abc", None], "frames", 1, "keypoints"), "frames[1].keypoints: expected 2 times"),
        (set_to([{}, None], "frames", 1, "keypoints"), "frames[1].keypoints: expected 2 times [x"),
        (set_to([[1, 2, "3"], None], "frames", 1, "keypoints"), "frames[1].keypoints: expected 2"),
    ],
)
def test_a_bad_field_is_named(change: Callable[[Document], object], message: str) -> None:
    with pytest.raises(SequenceError) as error:
        read_json(changed(change))
    assert str(error.value).startswith(message)
    assert error.value.code == "model.sequence"
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("flags", [[8, 0], [-1, 0], [0], [0, 0.0], [0, None], [0, True], None, 3])
def test_flags_that_do_not_exist(flags: object) -> None:
    with pytest.raises(SequenceError, match=r"frames\[1\].flags: expected 2 sums of flags, 0 to 7"):
        read_json(changed(set_to(flags, "frames", 1, "flags"), filtered=True))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "malformed JSON: Expecting value: line 1"),
        (b"[]", "expected an object, got list"),
        (b"\xff\xfe", "malformed JSON: 'utf-8' codec"),
        (b'{"a":\n\n]', "malformed JSON: Expecting value: line 3"),
        (b'{"a":NaN}', "malformed JSON: expected no NaN, got one"),
        (b'{"a":-Infinity}', "malformed JSON: expected no -Infinity, got one"),
        (b"[" * 200_000, "malformed JSON: "),
        (b'{"a":' + b"1" * 5000 + b"}", "malformed JSON: Exceeds the limit"),
    ],
)
def test_what_is_no_json(content: bytes, message: str) -> None:
    with pytest.raises(SequenceError) as error:
        read_json(io.BytesIO(content))
    assert str(error.value).startswith(message)


def test_cut_anywhere_it_is_refused() -> None:
    content = written(header_of(), usual_rows(3, keypoints=2)).rstrip()
    for end in range(0, len(content), 7):
        with pytest.raises(SequenceError, match="malformed JSON"):
            read_json(io.BytesIO(content[:end]))


def test_a_header_that_json_cannot_hold_is_refused_before_anything_is_written() -> None:
    odd: list[Any] = [float("nan"), np.float32(1), object()]
    for value in odd:
        header = replace(header_of(), parameters={"odd": value})
        with pytest.raises(SequenceError, match="header: expected plain, finite values, got"):
            JsonWriter(header)


def test_rows_of_another_series_are_never_written() -> None:
    with pytest.raises(SequenceError, match="expected rows of the filtered series, got raw ones"):
        written(header_of("filtered"), usual_rows(2, keypoints=2))
