"""What a detector gets wrong is told from what it knows, and comes out as a data set."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from model.runtime.detector import Detections
from model.spec.arrays import Boxes
from model.spec.errors import DatasetError, OutputError
from model.spec.files import folder_made_aside
from model.training.data.folder import Picture, read_folder
from model.training.data.pictures import find_pictures
from model.training.detector.evaluation import Judged
from model.training.detector.hardest import command, error_of, hardest, write_part

DETECTOR = "infant-head-detector.onnx"
INFANT, ELSEWHERE = [10.0, 10, 59, 59], [70.0, 70, 90, 90]
Found = tuple[list[float], float, int]


def judged(label: list[float] | None, *found: Found, picture: Picture | None = None) -> Judged:
    boxes, scores, class_ids = zip(*found, strict=True) if found else ((), (), ())
    return Judged(
        picture or Picture(1, Path("none.png"), (100, 100)),
        {"infant": as_boxes([] if label is None else [label]), "head": as_boxes([])},
        Detections(as_boxes(boxes), np.array(scores, np.float32), np.array(class_ids, np.int64)),
    )


def as_boxes(rows: object) -> Boxes:
    return Boxes(np.array(rows, np.float32).reshape(-1, 4))


@pytest.mark.parametrize(
    ("label", "found", "error"),
    [
        (INFANT, [], 1.0),
        (INFANT, [(INFANT, 0.75, 0)], 0.25),
        (INFANT, [(INFANT, 0.75, 0), (INFANT, 0.5, 0)], 0.25),  # twice, but nowhere else
        (INFANT, [(INFANT, 0.75, 0), (ELSEWHERE, 0.5, 0)], 0.5),
        (INFANT, [(INFANT, 0.75, 1)], 1.0),  # taken for a head
        (INFANT, [(ELSEWHERE, 0.5, 0)], 1.0),
        (None, [], 0.0),
        (None, [(INFANT, 0.125, 0), (ELSEWHERE, 0.5, 1)], 0.5),
    ],
)
def test_how_wrong(label: list[float] | None, found: list[Found], error: float) -> None:
    assert error_of(judged(label, *found)) == error


def test_the_worst_are_kept_in_their_order() -> None:
    all_of_them = [judged(INFANT, (INFANT, score, 0)) for score in (0.5, 0.9, 0.25, 0.75, 0.3)]
    assert hardest(all_of_them, 0.5) == [all_of_them[i] for i in (0, 2, 4)]
    assert hardest(all_of_them, 0.01) == [all_of_them[2]]
    assert hardest(all_of_them, 1) == all_of_them


def test_a_part_is_a_data_set(drawn_set: Path, tmp_path: Path) -> None:
    data = read_folder(drawn_set)
    kept = [judged(None, picture=picture) for picture in data.pictures[3:5]]
    write_part(drawn_set, kept, tmp_path / "part", data)
    part = read_folder(tmp_path / "part")
    assert [one.id for one in part.pictures] == [one.id for one in data.pictures[3:5]]
    assert [one.id for one in part.instances] == [
        one.id for one in data.instances if one.picture in data.pictures[3:5]
    ]
    assert set(part.heads) == {one.id for one in data.pictures[3:5]}

    def write_twice() -> None:
        with folder_made_aside(tmp_path / "again") as again:
            write_part(drawn_set, kept, again, data)
            write_part(drawn_set, kept, again, data)

    with pytest.raises(OutputError, match="again: cannot be written: File exists"):
        write_twice()
    assert [path.name for path in tmp_path.iterdir()] == ["part"]


def test_the_command(drawn_set: Path, tmp_path: Path) -> None:
    def call(*words: object) -> str:
        run = CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)
        assert run.exit_code == 0
        return run.output

    said = call(DETECTOR, drawn_set, tmp_path / "part", "--share", 0.25)
    assert "3 of 12 pictures" in said
    kept = json.loads((tmp_path / "part" / "annotations.json").read_text())["images"]
    assert len(kept) == len(find_pictures(tmp_path / "part")) == 3
    said = call(DETECTOR, drawn_set / "images", tmp_path / "cots", "--empty")
    assert "6 of 12 pictures" in said
    assert not list((tmp_path / "cots").rglob("*.json"))
    with pytest.raises(OutputError, match="got one that holds something"):
        call(DETECTOR, drawn_set, tmp_path / "part")


def test_what_fails_in_the_middle_leaves_nothing(drawn_set: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "cots"
    pictures.mkdir()
    for path in find_pictures(drawn_set)[:9]:
        (pictures / path.name).write_bytes(path.read_bytes())
    (pictures / "zzz.jpg").write_bytes(b"damaged")
    with pytest.raises(DatasetError, match=r"zzz\.jpg"):
        CliRunner().invoke(
            command,
            [str(DETECTOR), str(pictures), str(tmp_path / "out"), "--empty"],
            catch_exceptions=False,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["cots"]
