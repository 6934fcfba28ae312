"""docs/formats.md shows what the writers give, and its ways of reading work."""

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.spec.sequence import (
    ALL_FLAGS,
    SCHEMA_VERSION,
    STATUSES,
    FilteredRows,
    ModelIdentity,
    Rows,
    SequenceHeader,
    SequenceSkeleton,
    SequenceVideo,
)
from model.spec.sequence_csv import FRAME_COLUMNS, CsvWriter, read_csv
from model.spec.sequence_json import JsonWriter, read_json

DOCUMENT = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
NAN = float("nan")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


def example_header() -> SequenceHeader:
    return SequenceHeader(
        series="filtered",
        skeleton=SequenceSkeleton("example2", ("chest", "left_wrist"), ((0, 1),)),
        pose_model=ModelIdentity("aggpose-t-infant21", "1.0.0", "1" * 64, "2" * 64),
        detector=ModelIdentity("infant-detector", "1.0.0", "3" * 64, "4" * 64),
        engine="openvino",
        precision="float32",
        video=SequenceVideo(
            container="mov",
            codec="h264",
            pixel_format="yuv420p",
            bit_depth=8,
            coded_wh=(1280, 720),
            displayed_wh=(1280, 720),
            rotation_deg=0,
            time_base=(1, 12800),
            frame_rate_header=25.0,
            duration_s_header=0.12,
            num_frames_header=3,
            variable_frame_rate=False,
            interlaced=False,
            cut_short=False,
        ),
        parameters={"window": 64, "filter": "butterworth", "cutoff_hz": 6.0},
    )


def example_rows() -> FilteredRows:
    points = [
        [[560.1293, 301.77005, 0.8815726], [640.2, 275.5, 0.7305]],
        [[560.2101, 301.8125, 0.8790001], [640.87354, 274.00006, NAN]],
        [[NAN] * 3] * 2,
    ]
    values = np.array(points, np.float32)
    rows = Rows(
        frame_index=np.arange(3),
        pts=np.arange(3) * 512,
        time_s=np.arange(3) * 512 / 12800,
        status=np.array([0, 0, 1], np.uint8),
        box_xyxy=np.array(
            [[412.5, 180.25, 712.5, 581.75], [412.75, 180.25, 712.75, 581.75], [NAN] * 4],
            np.float32,
        ),
        box_score=np.array([0.96875, 0.9609375, NAN], np.float32),
        keypoints_xy=values[..., :2],
        scores=values[..., 2],
    )
    return FilteredRows(rows, np.array([[0, 0], [0, 1], [0, 0]], np.uint8))


def written(writer: CsvWriter | JsonWriter) -> bytes:
    return writer.header() + b"".join(writer.rows(example_rows())) + writer.end()


def test_examples_are_what_the_writers_give() -> None:
    assert blocks("csv") == [written(CsvWriter(example_header())).decode()]
    assert blocks("json") == [written(JsonWriter(example_header())).decode()]


def test_examples_are_read() -> None:
    names, from_csv = read_csv(io.BytesIO(blocks("csv")[0].encode()))
    header, from_json = read_json(io.BytesIO(blocks("json")[0].encode()))
    assert header == example_header()
    assert names == header.skeleton.keypoints
    assert isinstance(from_csv, FilteredRows)
    assert isinstance(from_json, FilteredRows)
    for column, expected in vars(example_rows().rows).items():
        np.testing.assert_array_equal(getattr(from_csv.rows, column), expected)
        np.testing.assert_array_equal(getattr(from_json.rows, column), expected)


def test_reading_as_the_document_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("keypoints.csv").write_text(blocks("csv")[0])
    Path("keypoints.json").write_text(blocks("json")[0])
    names: dict[str, Any] = {
        "json": json,
        "Path": Path,
        "read_json": read_json,
        "read_csv": read_csv,
    }
    for lines in blocks("python"):
        exec(lines, names)  # noqa: S102 - the document's own lines
    assert names["wrist"][1] == (0.04, [640.87354, 274.00006, None])
    assert len(names["rows"]) == 3


def test_every_word_is_explained() -> None:
    for word in (*STATUSES, *FRAME_COLUMNS, f"`schema_version` | {SCHEMA_VERSION}"):
        assert word in DOCUMENT
    bits = [int(bit) for bit in re.findall(r"^\| \w+ \| (\d) \|", DOCUMENT, re.MULTILINE)]
    assert sum(bits) == ALL_FLAGS
