"""Labels keep their boxes exactly, at every angle; pictures stay as they are, some heads aside."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from model.spec.errors import DatasetError, OutputError
from model.training.data.folder import read_folder
from model.training.detector import yolo_folder
from model.training.detector.covers import cover_heads
from model.training.detector.evaluation import labels_of
from model.training.detector.outlines import outline_in_box


def test_every_box_is_kept_to_a_thousandth_of_a_pixel(drawn_set: Path) -> None:
    data = read_folder(drawn_set)
    lines = yolo_folder.label_lines(data)
    assert [len(lines[picture.id]) for picture in data.pictures] == [2] * 9 + [0] * 3
    sizes = {picture.id: picture.size_wh for picture in data.pictures}
    for one in data.instances:
        infant, head = lines[one.picture.id]
        for line, name, box in (
            (infant, "0", one.box_xyxy),
            (head, "1", data.heads[one.picture.id][0]),
        ):
            class_id, *numbers = line.split()
            assert class_id == name
            outline = np.array(numbers, np.float64).reshape(-1, 2) * sizes[one.picture.id]
            edges = np.concatenate([outline.min(0), outline.max(0)])
            np.testing.assert_allclose(edges, np.add(box, (0, 0, 1, 1)), atol=1e-3)


def test_outlines_are_tight_when_turned_and_boxes_are_not(drawn_set: Path) -> None:
    """A disc's box stays of one size at every angle; the box of its turned box does not."""
    data = read_folder(drawn_set)
    head = yolo_folder.label_lines(data)[1][1].split()[1:]
    outline = np.array(head, np.float64).reshape(-1, 2) * data.pictures[0].size_wh
    turn = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    assert np.ptp(outline @ turn.T, axis=0) == pytest.approx(np.ptp(outline, axis=0), rel=0.06)


def test_outlines_without_a_segmentation_or_outside_of_the_picture() -> None:
    box = np.array([10, 20, 29, 59], np.float32)
    for segmentation in (None, [], [[10.0, 20.0, 29.0, 20.0]]):
        outline = outline_in_box(segmentation, box, (100, 100))
        assert len(outline) == 32
        np.testing.assert_allclose(outline.min(0), [10, 20])
        np.testing.assert_allclose(outline.max(0), [30, 60])
    cut = outline_in_box(None, np.array([-5, 90, 9, 120], np.float32), (100, 100))
    np.testing.assert_allclose([*cut.min(0), *cut.max(0)], [0, 90, 10, 100])


def test_the_layout(drawn_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = read_folder(drawn_set)
    before = {path: path.read_bytes() for path in drawn_set.rglob("*.*")}
    monkeypatch.setattr(yolo_folder, "COVERED_SHARE", 0.5)
    file = yolo_folder.write_yolo_data(data, data, tmp_path / "data", seed=3)
    assert file == tmp_path / "data" / "data.yaml"
    train, val = tmp_path / "data" / "train", tmp_path / "data" / "val"
    assert len(list((train / "labels").iterdir())) == 12
    assert (val / "labels" / "000000000012.txt").read_text() == ""
    assert all(path.is_symlink() for path in (val / "images").iterdir())
    covered = [path for path in (train / "images").iterdir() if not path.is_symlink()]
    assert 0 < len(covered) < 9
    for path in covered:
        index = int(path.stem) - 1
        original = _read(drawn_set / "images" / f"{index}.png")
        x1, y1, x2, y2 = data.heads[index + 1][0].astype(int)
        changed = np.asarray((_read(path) != original).any(-1))
        assert changed[y1 : y2 + 1, x1 : x2 + 1].mean() > 0.3
        changed[max(0, y1 - 6) : y2 + 7, max(0, x1 - 6) : x2 + 7] = False
        assert not changed.any()
    again = yolo_folder.write_yolo_data(data, data, tmp_path / "data", seed=3)
    assert again.is_file()
    assert {path: path.read_bytes() for path in drawn_set.rglob("*.*")} == before


def _read(path: Path) -> NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(path)), np.uint8)


def test_a_jpeg_without_an_end_is_copied(tmp_path: Path) -> None:
    """Ultralytics would mend it through the link, in the data set."""
    whole, cut = tmp_path / "whole.jpg", tmp_path / "cut.jpg"
    cv2.imwrite(str(whole), np.zeros((8, 8, 3), np.uint8))
    cut.write_bytes(whole.read_bytes()[:-2])
    yolo_folder.place(whole, tmp_path / "a.jpg")
    yolo_folder.place(cut, tmp_path / "b.jpg")
    assert (tmp_path / "a.jpg").is_symlink()
    assert not (tmp_path / "b.jpg").is_symlink()
    assert (tmp_path / "b.jpg").read_bytes() == cut.read_bytes()


def test_a_damaged_picture_and_a_place_that_cannot_be(
    drawn_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = read_folder(drawn_set)
    with pytest.raises(OutputError, match="cannot be written"):
        yolo_folder.write_yolo_data(data, data, drawn_set / "annotations.json" / "x")
    monkeypatch.setattr(yolo_folder, "COVERED_SHARE", 1.0)
    shutil.copytree(drawn_set, tmp_path / "copy")
    picture = tmp_path / "copy" / "images" / "0.png"
    picture.write_bytes(picture.read_bytes()[:300])
    damaged = read_folder(tmp_path / "copy")
    with pytest.raises(DatasetError, match="expected a whole picture, got one that is cut short"):
        yolo_folder.write_yolo_data(damaged, data, tmp_path / "data")


def test_an_infant_without_keypoints_is_no_background(drawn_set: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn_set, tmp_path / "copy")
    labels = tmp_path / "copy" / "annotations.json"
    content = json.loads(labels.read_text())
    infant = content["annotations"][0]
    infant["keypoints"] = [0] * 63
    labels.write_text(json.dumps(content))
    data = read_folder(tmp_path / "copy")
    assert len(data.instances) == len(read_folder(drawn_set).instances) - 1
    lines = yolo_folder.label_lines(data)
    whole = yolo_folder.label_lines(read_folder(drawn_set))
    assert {key: sorted(rows) for key, rows in lines.items()} == {
        key: sorted(rows) for key, rows in whole.items()
    }
    assert len(labels_of(data)[infant["image_id"]]["infant"]) == 1


def test_every_kind_of_cover_stays_near_the_head() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    polygon = np.array([[20, 20], [40, 22], [38, 40], [22, 38]], np.float32)
    seen = set()
    for seed in range(40):
        covered = cover_heads(picture, [polygon], np.random.default_rng(seed))
        changed = (covered != picture).any(-1)
        assert changed[24:36, 24:36].mean() > 0.3
        assert not changed[:10].any()
        assert not changed[:, 52:].any()
        seen.add(len(np.unique(covered[changed].reshape(-1, 3), axis=0)) == 1)
    assert seen == {True, False}  # one colour, and others
