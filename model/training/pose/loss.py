"""Heatmap targets on the training device, and the loss."""

import torch
from torch import Tensor
from torch.nn import functional as F

from model.spec.codec import HeatmapCodec
from model.spec.geometry import grid_scale
from model.training.pose.recipe import LossPart


def target_heatmaps(keypoints_xy: Tensor, codec: HeatmapCodec) -> Tensor:
    """`HeatmapCodec.encode` where the network is.

    Args:
        keypoints_xy: float32 (N, K, 2) crop px, finite.
        codec: Gives sizes and sigma.

    Returns:
        float32 (N, K, H / 4, W / 4), peak 1.
    """
    scale = grid_scale(codec.input_wh, codec.heatmap_wh)
    axes = []
    for axis, (crop, size) in enumerate(zip(codec.input_wh, codec.heatmap_wh, strict=True)):
        centre = (size - 1) / 2 + (keypoints_xy[..., axis, None] - (crop - 1) / 2) * scale
        cells = torch.arange(size, device=keypoints_xy.device, dtype=torch.float32)
        axes.append(torch.exp(-((cells - centre) ** 2) / (2 * codec.sigma_px**2)))
    across, down = axes
    return down[..., :, None] * across[..., None, :]


def pose_loss(heatmaps: Tensor, targets: Tensor, weights: Tensor, part: LossPart) -> Tensor:
    """The loss of a batch, a scalar.

    `squares` times the mean squared difference over a labelled joint's cells, plus `cross_entropy`
    times the cross-entropy between the target as a distribution and the softmax of `sharpness`
    times the heatmap; both averaged by the joints' weights.

    Args:
        heatmaps: float (N, K, h, w), the network's.
        targets: float32 (N, K, h, w).
        weights: float32 (N, K).
        part: The recipe's weights.
    """
    heatmaps = heatmaps.float().flatten(2)
    targets = targets.flatten(2)
    squares = ((heatmaps - targets) ** 2).mean(-1)
    wanted = targets / targets.sum(-1, keepdim=True).clamp(min=1e-6)
    found = F.log_softmax(part.sharpness * heatmaps, dim=-1)
    entropy = -(wanted * found).sum(-1)
    each = part.squares * squares + part.cross_entropy * entropy
    return (weights * each).sum() / weights.sum().clamp(min=1)
