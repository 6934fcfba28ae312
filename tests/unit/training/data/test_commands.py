"""`aggpose data`: what is told of a data set, and that no head is left in a covered copy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from model.spec.errors import DatasetError, OutputError
from model.spec.head_mask import region_mask
from model.training.data.commands import check, mask_heads
from model.training.data.folder import read_folder

Content = dict[str, Any]
Write = Callable[..., Path]
EXIF = bytes.fromhex("ffe1002245786966000049492a0008000000010012010300010000000600000000000000")


def _check(*words: object) -> Result:
    return CliRunner().invoke(check, [str(word) for word in words], catch_exceptions=False)


def _mask(*words: object) -> str:
    result = CliRunner().invoke(mask_heads, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def _pixels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(path)), np.uint8)


def test_nothing_is_wrong(content: Content, write: Write) -> None:
    result = _check(write(content))
    assert result.exit_code == 0
    assert result.stdout == (
        "2 pictures, 1 instances, keypoints: 21 visible, 0 occluded, 0 unlabelled; "
        "0 problems, 0 warnings\n"
    )


def test_what_only_the_pictures_show(content: Content, write: Write) -> None:
    content["images"][1]["width"] = 161
    root = write(content)
    whole = (root / "images" / "a.jpg").read_bytes()
    for data, what in (
        (whole[: len(whole) // 2], "cut short"),
        (b"no picture", "cannot be decoded"),
        (b"", "cannot be decoded"),
        (whole[:2] + EXIF + whole[2:], "EXIF orientation"),
    ):
        (root / "images" / "a.jpg").write_bytes(data)
        result = _check(root)
        assert result.exit_code == 1
        assert what in result.stdout
        assert "problem: b.png: expected 161x120 as the labels say, got 160x120" in result.stdout
        assert "2 problems, 0 warnings" in result.stdout


def test_what_is_odd(content: Content, write: Write) -> None:
    infant = content["annotations"][0]
    infant |= {"area": 9000, "bbox": [60, 25, 45, 60]}
    points = np.reshape(infant["keypoints"], (21, 3)).astype(float)
    points[:, 0] = 160 - points[:, 0]
    infant["keypoints"] = points.ravel().tolist()
    content["annotations"].append(infant | {"id": 9, "keypoints": [0] * 63})
    root = write(content)
    (root / "images" / "b.png").write_bytes((root / "images" / "a.jpg").read_bytes())
    result = _check(root, "--json")
    assert result.exit_code == 0
    told = " ".join(one["what"] for one in json.loads(result.stdout)["warnings"])
    for what in (
        "is larger than its box", "6 visible keypoint(s) lie outside",
        "left and right look swapped",
        "1 annotation(s) without a labelled keypoint", "the same picture as a.jpg",
    ):  # fmt: skip
        assert what in told
    assert json.loads(result.stdout)["keypoints"]["visible"] == 21


@pytest.mark.parametrize("turn", range(4))
def test_a_turned_infant_is_not_mirrored(turn: int, content: Content, write: Write) -> None:
    infant = content["annotations"][0]
    points = np.reshape(infant["keypoints"], (21, 3)).astype(float)
    xy = points[:, :2] - (80, 70)
    for _ in range(turn):
        xy = np.stack([-xy[:, 1], xy[:, 0]], 1)
    points[:, :2] = xy + np.array([80, 60])
    infant |= {"keypoints": points.ravel().tolist(), "bbox": [30, 10, 100, 100]}
    assert "swapped" not in _check(write(content)).stdout


@pytest.mark.parametrize("polygons", [True, False])
def test_no_pixel_of_a_head_stays(
    *, polygons: bool, content: Content, write: Write, tmp_path: Path
) -> None:
    root = write(content)
    head = read_folder(root).instances[0].head_polygon
    assert head is not None
    if not polygons:
        del content["annotations"][1]
        root = write(content)
    chess = (np.indices((120, 160)).sum(0) % 2 * 255).astype(np.uint8)
    chess = np.repeat(chess[..., None], 3, axis=2)
    content["images"][0]["file_name"] = "a.png"
    content["images"][0]["coco_url"] = "somewhere"
    (root / "annotations.json").write_text(json.dumps(content))
    assert cv2.imwrite(str(root / "images" / "a.png"), chess)
    out = tmp_path / "out"
    assert "2 pictures, 1 heads covered, 0 infants whose head" in _mask(root, out)
    covered = _pixels(out / "images" / "a.png")
    inside = region_mask(head, (160, 120))
    assert (covered[inside] != chess[inside]).all()
    assert (covered[110:] == chess[110:]).all()
    np.testing.assert_array_equal(
        _pixels(out / "images" / "b.png"), _pixels(root / "images" / "b.png")
    )
    again = read_folder(out)
    np.testing.assert_array_equal(
        again.instances[0].labels.keypoints_xy, read_folder(root).instances[0].labels.keypoints_xy
    )
    assert "coco_url" not in (out / "annotations.json").read_text()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_metadata_is_dropped(content: Content, write: Write, tmp_path: Path) -> None:
    root = write(content)
    upright = EXIF.replace(b"\x00\x06\x00", b"\x00\x01\x00")
    whole = (root / "images" / "a.jpg").read_bytes()
    (root / "images" / "a.jpg").write_bytes(whole[:2] + upright + whole[2:])
    _mask(root, tmp_path / "out")
    assert b"Exif" not in (tmp_path / "out" / "images" / "a.jpg").read_bytes()


@pytest.mark.parametrize(
    ("keypoints", "told", "rows"),
    [
        ([0] * 63, "1 boxes covered whole", slice(27, 113)),
        ([*[0] * 24, 80, 100, 2, *[0] * 36], "a.jpg: no head could be placed", slice(27, 68)),
    ],
)
def test_what_cannot_be_placed_is_covered_more(
    keypoints: list[int], told: str, rows: slice, content: Content, write: Write, tmp_path: Path
) -> None:
    content["annotations"] = [content["annotations"][0] | {"keypoints": keypoints}]
    if not any(keypoints):
        other = content["annotations"][0] | {"id": 5, "image_id": 2}
        names = content["categories"][0]["keypoints"]
        other["keypoints"] = [
            v for name in names for v in ((90, 60, 2) if name == "chin" else (0, 0, 0))
        ]
        content["annotations"].append(other)
    root = write(content)
    assert told in _mask(root, tmp_path / "out")
    covered = _pixels(tmp_path / "out" / "images" / "a.jpg")
    noise = _pixels(root / "images" / "a.jpg")
    assert np.std(noise[rows, 62:103]) > 3 * np.std(covered[rows, 62:103])


def test_where_nothing_may_be_written(content: Content, write: Write, tmp_path: Path) -> None:
    root, out = write(content), tmp_path / "out"
    with pytest.raises(OutputError, match="outside the data set"):
        _mask(root, root / "masked")
    (tmp_path / ".out.part").mkdir()
    with pytest.raises(OutputError, match="left by a run that was ended"):
        _mask(root, out)
    (tmp_path / ".out.part").rmdir()
    (root / "images" / "b.png").write_bytes(b"damaged")
    with pytest.raises(DatasetError, match="cannot be decoded"):
        _mask(root, out)
    assert not out.exists()
    assert not (tmp_path / ".out.part").exists()
    out.mkdir()
    (out / "mine").touch()
    with pytest.raises(OutputError, match="new or empty folder"):
        _mask(root, out)
