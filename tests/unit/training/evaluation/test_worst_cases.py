"""The worst come first, and nobody's face is on the sheet."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from model.spec.geometry import CropFrame
from model.training.data.folder import LabelledFolder
from model.training.data.heads import head_regions
from model.training.evaluation.chart import write_chart
from model.training.evaluation.covering import CELLS, covered
from model.training.evaluation.judging import Judgement, judge
from model.training.evaluation.predictors import Predictor
from model.training.evaluation.worst_cases import mean_errors, write_worst_cases

Infant = Callable[[float, tuple[float, float]], NDArray[np.float64]]
MakeFolder = Callable[..., LabelledFolder]
MakeSurveyor = Callable[..., Predictor]


def test_mean_errors() -> None:
    nan, inf = np.nan, np.inf
    errors = np.array([[0.2, 0.4, nan], [7.0, 0.0, 0.5], [inf, nan, inf], [nan, nan, nan]])
    assert mean_errors(errors).tolist() == pytest.approx([0.3, 0.5, 1.0, -1.0])


def test_a_labelled_head_is_taken_as_it_is_and_covers_only_its_own_infant(
    infant: Infant, make_folder: MakeFolder
) -> None:
    first, second = infant(0, (60.0, 96.0)), infant(0, (180.0, 96.0))
    folder = make_folder([first, second])
    x, y = first[[0, 9, 18]].mean(0)
    polygon = np.array([[x - 30, y - 30], [x + 30, y - 30], [x + 30, y + 30], [x - 30, y + 30]])
    labelled = polygon.astype(np.float32)
    folder = replace(folder, head_polygons={1: [labelled]})
    regions, unplaced = head_regions(folder, folder.pictures[0], list(folder.instances))
    np.testing.assert_array_equal(regions[0], labelled)
    assert len(regions) == 2
    assert not unplaced
    own = second[[0, 9, 18]]
    assert (regions[1].min(0) < own.min(0)).all()
    assert (regions[1].max(0) > own.max(0)).all()


@pytest.mark.parametrize("known", ["all", "trunk", "head", "limbs"])
def test_a_head_that_is_not_labelled_is_guessed_generously(
    infant: Infant, make_folder: MakeFolder, known: str
) -> None:
    """The head spans from the chin to the crown, some 0.95 trunks above the chest."""
    points = infant(70, (118.0, 96.0))
    chin, chest, hips = points[18].copy(), points[19].copy(), points[[5, 14]].mean(0)
    crown = chest + 0.9 * (chest - hips)
    if known in ("trunk", "limbs"):
        points[[0, 9, 18]] = np.nan
    if known in ("head", "limbs"):
        points[[19, 5, 14]] = np.nan
    folder = make_folder([points])
    (one,) = folder.instances
    crop = np.random.default_rng(0).integers(0, 255, (200, 240, 3), np.uint8)
    frame = CropFrame((119.5, 99.5), 240.0, 0.0, (240, 200))
    heads, unplaced = head_regions(folder, one.picture, [one])
    hidden = covered(crop, frame, [*heads, *unplaced], np.array([0.0, 0.0, 239.0, 199.0]))
    changed = (hidden != crop).any(-1)
    for share in np.linspace(0, 1, 9):
        x, y = (chin + share * (crown - chin)).round().astype(int)
        window = changed[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5]
        inside_box = (one.box_xyxy[:2] < (x - 4, y - 4)) & (one.box_xyxy[2:] > (x + 4, y + 4))
        if known != "limbs" or inside_box.all():
            assert window.mean() > 0.95
    assert not changed[:20, :20].any()


def test_the_mosaic_is_coarse_and_covers_what_is_outside_the_box() -> None:
    rng = np.random.default_rng(0)
    crop = rng.integers(0, 255, (256, 192, 3), np.uint8)
    frame = CropFrame((200.0, 200.0), 384.0, 30.0, (192, 256))
    middle = frame.to_picture(np.array([96.0, 60.0]))
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    head = (middle + 60.0 * square).astype(np.float32)
    box = np.array([*(middle - 80), *(middle + 80)])
    hidden = covered(crop, frame, [head], box)
    assert len(np.unique(hidden[45:75, 81:111].reshape(-1, 3), axis=0)) <= (CELLS + 1) ** 2
    assert len(np.unique(hidden[200:].reshape(-1, 3), axis=0)) < 200
    everything = np.array([-999.0, -999.0, 999.0, 999.0])
    np.testing.assert_array_equal(covered(crop, frame, [], everything), crop)


def test_the_sheet(
    infant: Infant, make_folder: MakeFolder, surveyor: MakeSurveyor, tmp_path: Path
) -> None:
    points = infant(0, (118.0, 96.0))
    worse = points + np.where(np.arange(21)[:, None] % 3 == 0, 12.0, 0.0)
    folder = make_folder([points], [worse], [points])
    judgement = judge(surveyor(points), folder)
    missing = replace_matched(judgement, (0, 1, None))
    path = tmp_path / "worst.png"
    write_worst_cases(missing, folder, path, count=2)
    sheet = cv2.imread(str(path))
    assert sheet is not None
    assert sheet.shape == (340, 480, 3)
    write_worst_cases(missing, folder, path, show_heads=True)
    shown = cv2.imread(str(path))
    assert shown is not None
    assert shown.shape == (340, 720, 3)
    assert np.abs(shown[:, :480].astype(int) - sheet).max() > 2
    np.testing.assert_array_equal(shown[:20, :480], sheet[:20])


def replace_matched(judgement: Judgement, matched: tuple[int | None, ...]) -> Judgement:
    """The same judgement with other boxes for the labels."""
    return replace(judgement, matched=matched)


def test_the_chart(
    infant: Infant, make_folder: MakeFolder, surveyor: MakeSurveyor, tmp_path: Path
) -> None:
    points = infant(0, (118.0, 96.0))
    labelled = points.copy()
    labelled[3] = np.nan
    judgement = judge(surveyor(points), make_folder([labelled]))
    write_chart(judgement.evaluation, tmp_path / "chart.png")
    chart = cv2.imread(str(tmp_path / "chart.png"))
    assert chart is not None
    assert chart.std() > 20
    assert [path.name for path in tmp_path.glob("*.part")] == []
