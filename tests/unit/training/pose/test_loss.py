"""Targets and loss."""

import numpy as np
import pytest
import torch

from model.spec.codec import HeatmapCodec
from model.training.pose.loss import pose_loss, target_heatmaps
from model.training.pose.recipe import LossPart

CODEC = HeatmapCodec.for_input((96, 128))


@pytest.fixture
def points() -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.uniform(-5, 130, (3, 4, 2)).astype(np.float32))


@pytest.mark.parametrize("input_wh", [(96, 128), (192, 256), (64, 64)])
def test_targets_are_the_codecs(points: torch.Tensor, input_wh: tuple[int, int]) -> None:
    codec = HeatmapCodec.for_input(input_wh)
    np.testing.assert_allclose(
        target_heatmaps(points, codec), codec.encode(points.numpy()), atol=1e-5
    )


def test_the_target_itself_costs_least(points: torch.Tensor) -> None:
    targets = target_heatmaps(points.clamp(8, 88), CODEC)
    weights = torch.ones(3, 4)
    moved = target_heatmaps(points.clamp(8, 88) + 6, CODEC)
    right, wrong, none = (
        float(pose_loss(maps, targets, weights, LossPart()))
        for maps in (targets, moved, torch.zeros_like(targets))
    )
    assert right < none < wrong


def test_unlabelled_joints_teach_nothing(points: torch.Tensor) -> None:
    targets = target_heatmaps(points, CODEC)
    heatmaps = torch.rand_like(targets).requires_grad_()
    weights = torch.ones(3, 4)
    weights[1, 2] = 0
    pose_loss(heatmaps, targets, weights, LossPart()).backward()  # type: ignore[no-untyped-call]
    assert heatmaps.grad is not None
    assert float(heatmaps.grad[1, 2].abs().max()) == 0
    assert float(heatmaps.grad[1, 3].abs().max()) > 0


def test_weights_average(points: torch.Tensor) -> None:
    targets = target_heatmaps(points, CODEC)
    heatmaps = torch.rand_like(targets)
    one, other, both = torch.zeros(3, 4), torch.zeros(3, 4), torch.zeros(3, 4)
    one[0, 0], other[2, 1] = 1, 1
    both[0, 0], both[2, 1] = 1, 0.5
    a, b, mean = (float(pose_loss(heatmaps, targets, w, LossPart())) for w in (one, other, both))
    assert mean == pytest.approx((a + 0.5 * b) / 1.5, rel=1e-5)


def test_no_label_at_all_costs_nothing(points: torch.Tensor) -> None:
    targets = target_heatmaps(points, CODEC)
    assert float(pose_loss(targets, targets, torch.zeros(3, 4), LossPart())) == 0
