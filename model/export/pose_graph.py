"""The graph that is exported: uint8 crops in, keypoints out, nothing left to do outside."""

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.network.pixels import normalise
from model.spec.codec import LARGEST_SHIFT, SMALLEST, HeatmapCodec
from model.spec.geometry import grid_scale
from model.spec.skeleton import Skeleton


class HeatmapDecoder(nn.Module):
    """`HeatmapCodec.decode` in the graph: heatmaps (N, K, h, w) to (N, K, 3) of x, y, score.

    No operation in it is one that engines lower to bfloat16 (sums of products stand for matrix
    products), so that keypoints keep float32 when the network does not.
    """

    def __init__(self, codec: HeatmapCodec) -> None:
        super().__init__()
        self.codec = codec
        width = codec.heatmap_wh[0] + 2 * codec.window_radius
        reach = np.arange(2 * codec.window_radius + 1)
        cells = (reach[:, None] * width + reach).reshape(-1)
        self.register_buffer("cells", torch.from_numpy(cells), persistent=False)
        stencil = torch.from_numpy(codec.stencil).flatten(1)
        self.register_buffer("stencil", stencil, persistent=False)

    def forward(self, heatmaps: Tensor) -> Tensor:
        """Read keypoints in crop px and scores out of heatmaps."""
        codec = self.codec
        width, height = codec.heatmap_wh
        count = int(heatmaps.shape[1])
        flat = heatmaps.reshape(-1, count, height * width)
        scores, peak = flat.max(dim=-1)
        x, y = peak % width, peak // width

        radius = codec.window_radius
        padded = F.pad(heatmaps, (radius, radius, radius, radius))
        padded_width = width + 2 * radius
        padded = padded.reshape(-1, count, (height + 2 * radius) * padded_width)
        corner = (y * padded_width + x).unsqueeze(-1)
        windows = padded.gather(-1, corner + self.get_buffer("cells"))
        smoothed = (windows.unsqueeze(-2) * self.get_buffer("stencil")).sum(-1)
        shift = _top_of_quadratic(smoothed.clamp(min=SMALLEST).log())

        inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
        shift = torch.where(inside.unsqueeze(-1), shift, 0.0)
        scale = grid_scale(codec.heatmap_wh, codec.input_wh)
        points = [
            (axis + shift[..., i] - (size - 1) / 2) * scale + (crop - 1) / 2
            for i, (axis, size, crop) in enumerate(
                zip((x, y), codec.heatmap_wh, codec.input_wh, strict=True)
            )
        ]
        return torch.stack([*points, scores], dim=-1)


def _top_of_quadratic(log_values: Tensor) -> Tensor:
    """As in the codec: the shift (N, K, 2) to the top of the quadratic through the stencil."""
    mid, right, left, below, above, right2, left2, below2, above2, pp, mm, pm, mp = (
        log_values.unbind(-1)
    )
    dx, dy = (right - left) / 2, (below - above) / 2
    dxx, dyy = (right2 - 2 * mid + left2) / 4, (below2 - 2 * mid + above2) / 4
    dxy = (pp - pm - mp + mm) / 4
    determinant = dxx * dyy - dxy * dxy
    has_top = (determinant > 0) & (dxx < 0)
    safe = torch.where(has_top, determinant, 1.0)
    shift = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], dim=-1) / safe.unsqueeze(-1)
    shift = shift.clamp(-LARGEST_SHIFT, LARGEST_SHIFT)
    return torch.where(has_top.unsqueeze(-1), shift, 0.0)


class PoseGraph(nn.Module):
    """Crops to keypoints: normalisation, network (as written, or fused) and decoding.

    With `flip_test` the network sees every crop twice, as it is and mirrored, and the heatmaps
    are averaged; under the pixel convention mirroring is exact, without a shift.
    """

    def __init__(
        self,
        network: nn.Module,
        skeleton: Skeleton,
        codec: HeatmapCodec,
        *,
        flip_test: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.decoder = HeatmapDecoder(codec)
        self.flip_order = skeleton.flip_order.tolist() if flip_test else None

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Crops uint8 (N, H, W, 3) RGB to keypoints (N, K, 3) and heatmaps (N, K, h, w)."""
        pictures = normalise(crops)
        heatmaps = cast("Tensor", self.network(pictures))
        if self.flip_order is not None:
            mirrored = self.network(pictures.flip(-1)).flip(-1)[:, self.flip_order]
            heatmaps = (heatmaps + mirrored) / 2
        return self.decoder(heatmaps), heatmaps
