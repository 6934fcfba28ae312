"""One evaluation: a model looks at a data set, and what it found is held against the labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.spec.geometry import Size
from model.spec.skeleton import Skeleton
from model.spec.turning import Turn
from model.training.data.folder import Instance, LabelledFolder
from model.training.evaluation.accuracy import Accuracy, labels_of, measure
from model.training.evaluation.boxes import BoxSource, LabelledBoxes, match_to_labels
from model.training.evaluation.coco_ap import average_precision, read_coco_file, result_rows
from model.training.evaluation.estimating import Estimates, estimate
from model.training.evaluation.predictors import Predictor, PredictorFacts


@dataclass(frozen=True)
class DataFacts:
    """On what a model was judged.

    Attributes:
        file: Name of the labels' file.
        skeleton: Of the labels.
        pictures: How many were looked at.
        infants: Labelled infants in them.
        labelled_keypoints: Of those infants.
    """

    file: str
    skeleton: str
    pictures: int
    infants: int
    labelled_keypoints: int


@dataclass(frozen=True)
class BoxFacts:
    """Where the model looked.

    Attributes:
        source: `gt`, or what gave the boxes.
        turn: How crops were turned.
        boxes: How many were looked in.
        missed: Labelled infants that no box fits.
        surplus: Boxes that fit no labelled infant.
        turned: Crops that were turned; the trunk is not always known.
    """

    source: str
    turn: str
    boxes: int
    missed: int
    surplus: int
    turned: int


@dataclass(frozen=True)
class Evaluation:
    """What there is to say, as it stands in the JSON.

    Attributes:
        schema_version: Of this structure.
        model: What ran.
        data: On what.
        boxes: Where it looked.
        oks: pycocotools' ten numbers by name, in 0..1 or None.
        accuracy: Distances from the labels.
    """

    schema_version: int
    model: PredictorFacts
    data: DataFacts
    boxes: BoxFacts
    oks: dict[str, float | None]
    accuracy: Accuracy


@dataclass(frozen=True, eq=False)
class Judgement:
    """An evaluation with what it was made from.

    Attributes:
        evaluation: The numbers.
        skeleton: Of the labels.
        input_wh: Size of the model's crops, px.
        instances: The labelled infants.
        matched: For each of them the index of its box among the estimates', or None.
        estimates: What was found.
        results: The same as COCO results.
    """

    evaluation: Evaluation
    skeleton: Skeleton
    input_wh: Size
    instances: tuple[Instance, ...]
    matched: tuple[int | None, ...]
    estimates: Estimates
    results: list[dict[str, Any]]

    @property
    def keypoints_xy(self) -> NDArray[np.float32]:
        """float32 (N, K, 2): what was found of each labelled infant, NaN where it was missed."""
        return _matched_points(self.estimates, self.matched)


def judge(
    predictor: Predictor,
    folder: LabelledFolder,
    *,
    source: BoxSource | None = None,
    turn: Turn = "none",
    progress: Callable[[int], None] = lambda _done: None,
) -> Judgement:
    """Judge a model by a data set.

    Args:
        predictor: The model, of the data set's skeleton.
        folder: The labelled pictures.
        source: Where to look; in the labelled boxes if None.
        turn: How crops are turned.
        progress: Told how many pictures are done.

    Raises:
        DatasetError: A picture cannot be read.
        ConfigurationError: Crops are to be turned by labels, and boxes have none.
    """
    pictures, instances, skeleton = folder.pictures, folder.instances, folder.skeleton
    source = LabelledBoxes(instances) if source is None else source
    estimates = estimate(predictor, pictures, source, turn=turn, progress=progress)
    matched = tuple(match_to_labels(estimates.boxes, instances))
    labels = labels_of(instances, skeleton)
    coco_file = read_coco_file(folder)
    rows = result_rows(estimates, coco_file)
    missed = matched.count(None)
    evaluation = Evaluation(
        1,
        predictor.facts,
        DataFacts(
            folder.file.name,
            skeleton.id,
            len(pictures),
            len(instances),
            int((labels.visibility > 0).sum()),
        ),
        BoxFacts(
            source.name,
            turn,
            len(estimates.boxes),
            missed,
            len(estimates.boxes) - (len(instances) - missed),
            sum(1 for frame in estimates.frames if frame.angle_deg),
        ),
        average_precision(rows, coco_file, pictures, skeleton),
        measure(_matched_points(estimates, matched), labels, skeleton),
    )
    return Judgement(evaluation, skeleton, predictor.input_wh, instances, matched, estimates, rows)


def spread(folder: LabelledFolder, limit: int | None) -> LabelledFolder:
    """The same data set with at most `limit` of its pictures, spread evenly, in their order."""
    count = len(folder.pictures)
    if limit is None or limit >= count:
        return folder
    pictures = tuple(folder.pictures[i * count // limit] for i in range(limit))
    ids = {picture.id for picture in pictures}
    instances = tuple(one for one in folder.instances if one.picture.id in ids)
    return replace(folder, pictures=pictures, instances=instances)


def _matched_points(estimates: Estimates, matched: Sequence[int | None]) -> NDArray[np.float32]:
    found = estimates.keypoints.keypoints_xy
    nothing = np.full(found.shape[1:], np.nan, np.float32)
    points = [nothing if number is None else found[number] for number in matched]
    return np.stack(points) if points else found[:0]
