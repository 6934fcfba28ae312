"""Judging a network while it trains, as `aggpose evaluate` would from labelled boxes."""

from dataclasses import dataclass

from model.network.aggpose import AggPose
from model.runtime.engines import Precision
from model.training.data.folder import LabelledFolder
from model.training.evaluation.judging import judge
from model.training.evaluation.networks import NetworkPredictor
from model.training.evaluation.predictors import PredictorOptions


@dataclass(frozen=True)
class Scores:
    """OKS AP by pycocotools and PCK of the trunk, in percent."""

    ap: float
    pck20: float
    pck10: float


def validate(
    network: AggPose, folder: LabelledFolder, *, upright: bool, precision: Precision = "float32"
) -> Scores:
    """Judge a network by a data set; it is left in evaluation mode.

    Args:
        network: At its own input size.
        folder: The labelled pictures.
        upright: Turn crops by the labelled trunk, for a network that is trained so.
        precision: Of its arithmetic.
    """
    options = PredictorOptions(precision=precision, batch_size=32)
    predictor = NetworkPredictor(network, folder.skeleton, options, name="validation")
    evaluation = judge(predictor, folder, turn="label" if upright else "none").evaluation
    shares = (
        evaluation.oks["AP"],
        evaluation.accuracy.pck20.share,
        evaluation.accuracy.pck10.share,
    )
    return Scores(*(100 * (share or 0.0) for share in shares))
