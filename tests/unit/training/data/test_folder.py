"""What a folder of labels is read as, and everything that is refused."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.spec.errors import DatasetError
from model.training.data.folder import read_folder, survey_folder

Content = dict[str, Any]
Write = Callable[..., Path]
Bend = Callable[[Content], object]


def test_a_good_folder(content: Content, write: Write) -> None:
    folder = read_folder(write(content))
    assert folder.skeleton.id == "infant21"
    assert [picture.path.name for picture in folder.pictures] == ["a.jpg", "b.png"]
    (one,) = folder.instances
    assert one.picture.size_wh == (160, 120)
    assert one.box_xyxy.tolist() == [60, 25, 104, 114]
    assert one.head_polygon is not None
    assert one.head_polygon.shape == (6, 2)
    assert folder.heads[1][0].tolist() == [66, 26, 93, 51]
    assert (one.labels.visibility == 2).all()
    left_eye = one.labels.keypoints_xy[0, folder.skeleton.index("left_eye")]
    assert left_eye.tolist() == [85, 40]


def test_keypoints_in_another_order_are_the_same(content: Content, write: Write) -> None:
    expected = read_folder(write(content)).instances[0].labels
    order = np.random.default_rng(3).permutation(21)
    category, infant = content["categories"][0], content["annotations"][0]
    category["keypoints"] = [category["keypoints"][i] for i in order]
    infant["keypoints"] = np.reshape(infant["keypoints"], (21, 3))[order].ravel().tolist()
    labels = read_folder(write(content)).instances[0].labels
    np.testing.assert_array_equal(labels.keypoints_xy, expected.keypoints_xy)


@pytest.mark.parametrize("pictures", ["val2017", "images/val2017"])
def test_cocos_own_layout(pictures: str, content: Content, write: Write) -> None:
    names = json.loads(Path("model/spec/skeletons/coco17.json").read_text())["keypoints"]
    content["categories"] = [{"id": 1, "name": "person", "keypoints": names}]
    infant = content["annotations"][0]
    infant["keypoints"] = [80, 50, 1] * 17
    content["annotations"] = [infant]
    root = write(content, "annotations/person_keypoints_val2017.json", pictures)
    folder = read_folder(root)
    assert folder.skeleton.id == "coco17"
    assert folder.pictures[0].path == root / pictures / "a.jpg"
    assert (folder.instances[0].labels.visibility == 1).all()


def test_the_file_itself_and_pictures_elsewhere(content: Content, write: Write) -> None:
    root = write(content, "annotations.json", "elsewhere")
    folder = read_folder(root / "annotations.json", images=root / "elsewhere")
    assert folder.pictures[0].path == root / "elsewhere" / "a.jpg"


def test_unlabelled_is_nan(content: Content, write: Write) -> None:
    content["annotations"][0]["keypoints"][:3] = [0, 0, 0]
    labels = read_folder(write(content)).instances[0].labels
    assert labels.visibility[0, 0] == 0
    assert np.isnan(labels.keypoints_xy[0, 0]).all()


@pytest.mark.parametrize(
    "change", [{"iscrowd": 1}, {"keypoints": [0] * 63}, {"keypoints": []}, {"keypoints": None}]
)
def test_crowds_and_those_without_keypoints_are_told_apart(
    change: Content, content: Content, write: Write
) -> None:
    content["annotations"][0] |= change
    folder = survey_folder(write(content))
    assert folder.instances == ()
    assert folder.problems == ()
    apart, other = folder.unlabelled, folder.crowds
    if "iscrowd" in change:
        apart, other = other, apart
    assert apart[1][0].tolist() == [60, 25, 104, 114]
    assert other == {}


def test_twins_have_heads_of_their_own(content: Content, write: Write) -> None:
    infant, head = content["annotations"]
    moved = np.reshape(infant["keypoints"], (21, 3)).astype(float)
    moved[:, 0] += 50
    far = [x + 50 * (i % 2 == 0) for i, x in enumerate(head["segmentation"][0])]
    content["annotations"] += [
        infant | {"id": 3, "keypoints": moved.ravel().tolist(), "bbox": [60, 25, 90, 90]},
        head | {"id": 4, "segmentation": [far]},
    ]
    one, other = read_folder(write(content)).instances
    assert one.head_polygon is not None
    assert other.head_polygon is not None
    assert (other.head_polygon.mean(0) - one.head_polygon.mean(0)).tolist() == [50, 0]


def _set(*path: str | int, to: object) -> Bend:
    def bend(content: Any) -> None:  # noqa: ANN401 - JSON
        for step in path[:-1]:
            content = content[step]
        content[path[-1]] = to

    return bend


def _infant(name: str, to: object) -> Bend:
    return _set("annotations", 0, name, to=to)


def _value(place: int, to: object) -> Bend:
    return _set("annotations", 0, "keypoints", place, to=to)


@pytest.mark.parametrize(
    ("bend", "where", "what"),
    [
        (_set("images", 0, "file_name", to="../../etc/passwd"), "passwd", "leads elsewhere"),
        (_set("images", 0, "file_name", to="/etc/passwd"), "passwd", "leads elsewhere"),
        (_set("images", 0, "file_name", to="x\\..\\..\\y"), "y", "leads elsewhere"),
        (_set("images", 0, "file_name", to="c:\\y"), "y", "leads elsewhere"),
        (_set("images", 0, "file_name", to="none.jpg"), "none.jpg", "the file is missing"),
        (_set("images", 0, "file_name", to="x" * 999), "xxx", "cannot be read"),
        (_set("images", 0, "file_name", to=None), "annotations.json", "expected a file_name"),
        (_set("images", 1, to=7), "annotations.json", "expected a file_name, got 7"),
        (_set("images", 1, "file_name", to="a.jpg"), "a.jpg", "listed more than once"),
        (_set("images", 1, "id", to=1), "b.png", "id 1 belongs to another"),
        (_set("images", 1, "id", to="2"), "b.png", "expected whole numbers"),
        (_set("images", 1, "width", to=0), "b.png", "expected whole numbers"),
        (_infant("image_id", 9), "annotations.json", "picture 9, which is not listed"),
        (_infant("image_id", [1]), "annotations.json", "whole numbers as id and image_id"),
        (_infant("id", 2), "annotations.json", "id 2 is used more than once"),
        (_infant("id", None), "annotations.json", "whole numbers as id and image_id"),
        (_set("annotations", 0, to="x"), "annotations.json", "whole numbers as id and image_id"),
        (_infant("category_id", 5), "a.jpg", "known category, got 5"),
        (_infant("keypoints", [80, 50, 2]), "a.jpg", "expected 63 numbers of keypoints, got 3"),
        (_infant("keypoints", "x"), "a.jpg", "expected 63 numbers of keypoints, got str"),
        (_value(0, math.nan), "a.jpg", "finite numbers"),
        (_value(0, 10**400), "a.jpg", "finite numbers"),
        (_value(0, "80"), "a.jpg", "expected numbers in keypoints, got '80'"),
        (_value(2, 3), "a.jpg", "visibilities of 0, 1 or 2"),
        (_value(0, 161), "a.jpg", r"1 labelled keypoint\(s\) outside"),
        (_value(1, -2), "a.jpg", r"1 labelled keypoint\(s\) outside"),
        (_infant("area", 0), "a.jpg", "area above 0, got 0"),
        (_infant("area", None), "a.jpg", "expected numbers in area"),
        (_infant("bbox", [60, 25, -4, 9]), "a.jpg", "at least one pixel, got -4 x 9"),
        (_infant("bbox", [60, 25, 4]), "a.jpg", "x, y, width, height"),
        (_infant("bbox", [60, math.inf, 4, 4]), "a.jpg", "finite numbers"),
        (_set("annotations", 1, "segmentation", to=[[1, 2, 3, 4]]), "a.jpg", "at least 3 corners"),
        (_set("annotations", 1, "segmentation", to=[[1.0] * 7]), "a.jpg", "at least 3 corners"),
    ],
)
def test_problems(bend: Bend, where: str, what: str, content: Content, write: Write) -> None:
    bend(content)
    root = write(content)
    folder = survey_folder(root)
    assert len(folder.problems) == 1
    assert where in folder.problems[0].where
    with pytest.raises(DatasetError, match=what):
        read_folder(root)


@pytest.mark.parametrize(
    ("bend", "what"),
    [
        (_set("categories", 0, "keypoints", 20, to="belly"), "missing navel; unknown belly"),
        (_set("categories", 0, "keypoints", 0, to=1), "list of keypoint names"),
        (_set("categories", 0, "keypoints", to=[]), "one category with keypoints, got none"),
        (_set("categories", 1, "keypoints", to=["chin"]), "got infant, head"),
        (_set("categories", 1, "id", to=1), "categories with an id each"),
        (_set("images", to={}), "COCO's lists"),
        (_set("annotations", to=[]), "expected labelled keypoints, got none"),
    ],
)
def test_no_data_set_at_all(bend: Bend, what: str, content: Content, write: Write) -> None:
    bend(content)
    with pytest.raises(DatasetError, match=what):
        read_folder(write(content))


def test_problems_are_counted(content: Content, write: Write) -> None:
    content["annotations"] += [{"id": i, "image_id": 9} for i in range(10, 15)]
    with pytest.raises(DatasetError, match=r"5 problem\(s\).*and 2 more"):
        read_folder(write(content))


def test_files_that_are_none(content: Content, write: Write, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="found nothing there"):
        read_folder(tmp_path / "none")
    with pytest.raises(DatasetError, match="one file of COCO keypoints, got none"):
        read_folder(tmp_path)
    root = write(content)
    (root / "other.json").write_text('{"settings": 1}')
    read_folder(root)
    (root / "other.json").write_text('{"annotations": []}')
    with pytest.raises(DatasetError, match=r"got annotations.json, other.json"):
        read_folder(root)
    (root / "other.json").unlink()
    (root / "annotations.json").write_text('{"images": [')
    with pytest.raises(DatasetError, match="expected JSON, got a file that is damaged"):
        read_folder(root)
