"""What is written reads back through pycocotools, and is what was drawn."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from model.synthetic.coco import HEAD, INFANT, annotations_of, dataset, run_lengths
from model.synthetic.labels import nothing
from model.synthetic.landmarks import infant21
from model.synthetic.sample import Moment

# pycocotools 2.0 has not learnt NumPy 2's keyword yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize("seed", range(6))
def test_run_lengths_are_cocos(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((23, 17)) < (0.0, 0.02, 0.3, 0.5, 0.97, 1.0)[seed]
    if seed == 2:
        mask[5:15, 3:12] = True
    packed = run_lengths(mask)
    np.testing.assert_array_equal(coco_mask.decode(packed).astype(bool), mask)
    expected = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert packed["counts"] == expected["counts"].decode()


def test_a_data_set_reads_back(moments: list[Moment], tmp_path: Path) -> None:
    rows = [
        {
            "index": i, "file_name": f"images/{i}.jpg",
            "width": m.camera.size_wh[0], "height": m.camera.size_wh[1],
            **annotations_of(m.labels), "record": {},
        }
        for i, m in enumerate(moments)
    ]  # fmt: skip
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(dataset(rows, {"description": "test"})))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["infant", "head"]
    assert len(coco.getImgIds()) == len(moments)
    for i, moment in enumerate(moments):
        (infant,) = coco.loadAnns(coco.getAnnIds(i + 1, INFANT))
        labels = moment.labels
        assert infant["area"] == labels.mask.sum()
        np.testing.assert_array_equal(coco.annToMask(infant).astype(bool), labels.mask)
        points = np.array(infant["keypoints"]).reshape(21, 3)
        np.testing.assert_array_equal(points[:, 2], labels.keypoints.visibility[0])
        shown = points[:, 2] > 0
        np.testing.assert_allclose(
            points[shown, :2], labels.keypoints.keypoints_xy[0][shown], atol=0.001
        )
        assert (points[~shown, :2] == 0).all()
        x, y, w, h = infant["bbox"]
        ys, xs = np.nonzero(labels.mask)
        assert (x, y, w, h) == (xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1)
        for head in coco.loadAnns(coco.getAnnIds(i + 1, HEAD)):
            assert coco.annToMask(head).sum() == pytest.approx(head["area"], rel=0.08, abs=12)


def test_an_empty_picture_has_no_annotations() -> None:
    labels = nothing((64, 48), infant21().num_keypoints)
    row = {
        "index": 0, "file_name": "a.jpg", "width": 64, "height": 48,
        **annotations_of(labels), "record": {},
    }  # fmt: skip
    made = dataset([row], {})
    assert made["annotations"] == []
    assert len(made["images"]) == 1
