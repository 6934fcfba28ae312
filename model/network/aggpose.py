"""AggPose: Mix Transformer branches at four resolutions, aggregated after every stage (Figure 2).

Stage s has s levels. A level's tokens go through a branch of blocks; then every level is merged
with its neighbours: the one above comes down by an overlapping patch embedding, the one below up
by a mix-FFN and nearest-neighbour upsampling (equations 4 and 5). A new level starts from the
branch above it, before the merge. The head brings all four levels to a quarter of the input.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast, get_args

import numpy as np
import torch
from torch import Tensor, nn

from model.network.layers import (
    Branch,
    FeatureMap,
    MixFeedForward,
    OverlapPatchEmbedding,
    TransformerBlock,
    initialise,
    upsample,
)
from model.network.sizes import AggPoseSize, Fusion, check_input_size, size_by_name
from model.spec.errors import ConfigurationError

NUM_LEVELS = 4


@dataclass(frozen=True)
class AggPoseConfig:
    """Everything needed to build a network again.

    Attributes:
        size: The numbers of its size.
        num_keypoints: Heatmaps that it gives.
        fusion: `released`, as the authors' code merges levels, or `paper`, as equations (4) and
            (5) are printed: a mix-FFN before each downsampling and a residual around each merge.
            With `none` nothing is aggregated: each level has its first branch alone, a plain Mix
            Transformer, and the head takes all four (the recipe's first step; Table 5).
        input_size_hw: Crop height and width that it is meant for; other multiples of 32 run too.
        drop_path_rate: Share of dropped residual paths at the deepest block; None for the size's.
            Only training feels it, and no checkpoint keeps it.
    """

    size: AggPoseSize
    num_keypoints: int
    fusion: Fusion = "released"
    input_size_hw: tuple[int, int] = (256, 192)
    drop_path_rate: float | None = None

    def __post_init__(self) -> None:
        check_input_size(self.input_size_hw, self.size)
        if not isinstance(self.num_keypoints, int) or self.num_keypoints < 1:
            raise ConfigurationError(f"expected at least 1 keypoint, got {self.num_keypoints}")
        if self.drop_path_rate is not None and not 0 <= self.drop_path_rate < 1:
            raise ConfigurationError(
                f"expected a drop-path rate from 0 to below 1, got {self.drop_path_rate}"
            )
        if self.fusion not in get_args(Fusion):
            expected = ", ".join(get_args(Fusion))
            raise ConfigurationError(f"expected a fusion of {expected}, got {self.fusion!r}")


class LevelFusion(nn.Module):
    """What one level takes from its neighbours at the end of a stage, equations (4) and (5).

    `down` is there where a level lies above, `up` where one lies below. `own_first` tells the
    order of the concatenation: (from above, own, from below), but the released code has
    (own, from above) at stage 2's second level, and its checkpoints hold us to that.
    """

    def __init__(self, config: AggPoseConfig, *, stage: int, level: int) -> None:
        super().__init__()
        dims = config.size.embed_dims
        own = dims[level - 1]
        has_above, has_below = level > 1, level < stage
        self.own_first = (stage, level) == (2, 2)
        self.down_ffn: MixFeedForward | None = None
        self.down: OverlapPatchEmbedding | None = None
        self.up: MixFeedForward | None = None
        if has_above:
            above = dims[level - 2]
            self.down = OverlapPatchEmbedding(above, own, kernel=3, stride=2)
            if config.fusion == "paper":
                self.down_ffn = MixFeedForward(above, above, above)
        if has_below:
            self.up = MixFeedForward(dims[level], own, own)
        self.merge = MixFeedForward(own * (1 + has_above + has_below), own, own)
        self.residual = config.fusion == "paper"

    def forward(
        self, above: FeatureMap | None, own: FeatureMap, below: FeatureMap | None
    ) -> FeatureMap:
        """Merge a level with the branches above and below it; the grid stays the level's."""
        parts = [own.tokens]
        if self.down is not None and above is not None:
            lower = above if self.down_ffn is None else self.down_ffn(above)
            parts.insert(1 if self.own_first else 0, self.down(lower.as_picture()).tokens)
        if self.up is not None and below is not None:
            parts.append(upsample(self.up(below), 2).tokens)
        merged: FeatureMap = self.merge(own.with_tokens(torch.cat(parts, dim=-1)))
        return merged.with_tokens(merged.tokens + own.tokens) if self.residual else merged


class Stage(nn.Module):
    """One stage: a new level, a branch for every level, and the merge of neighbours.

    Without fusion the levels from before pass through as they are.
    """

    def __init__(self, config: AggPoseConfig, *, stage: int) -> None:
        super().__init__()
        dims = config.size.embed_dims
        if stage == 1:
            self.embed = OverlapPatchEmbedding(3, dims[0], kernel=7, stride=4)
        else:
            self.embed = OverlapPatchEmbedding(dims[stage - 2], dims[stage - 1], kernel=3, stride=2)
        levels = range(1, stage + 1)
        merges = stage > 1 and config.fusion != "none"
        self.branches = nn.ModuleList(
            _make_branch(config, stage=stage, level=level)
            if merges or level == stage
            else nn.Identity()
            for level in levels
        )
        self.fusions = nn.ModuleList(
            LevelFusion(config, stage=stage, level=level) for level in levels if merges
        )

    def forward(
        self, merged: list[FeatureMap], newest: Tensor
    ) -> tuple[list[FeatureMap], FeatureMap]:
        """Run the stage.

        Args:
            merged: The levels of the stage before, merged.
            newest: What the new level starts from, (B, C, h, w): the picture at stage 1, else the
                deepest branch of the stage before, not yet merged.

        Returns:
            The levels of this stage, merged, and its deepest branch before the merge.
        """
        return run_stage(self.branches, self.fusions, [*merged, self.embed(newest)])


def run_stage(
    branches: Iterable[nn.Module], fusions: Iterable[nn.Module], inputs: list[FeatureMap]
) -> tuple[list[FeatureMap], FeatureMap]:
    """Send each level through its branch, then merge each with its neighbours."""
    levels: list[FeatureMap] = [
        branch(features) for branch, features in zip(branches, inputs, strict=True)
    ]
    around = [None, *levels, None]
    merged = [fusion(*around[i : i + 3]) for i, fusion in enumerate(fusions)]
    return merged or levels, levels[-1]


class Head(nn.Module):
    """All levels at a quarter of the input, concatenated and fused, then one map a keypoint."""

    def __init__(self, config: AggPoseConfig) -> None:
        super().__init__()
        first, *others = config.size.embed_dims
        self.ups = nn.ModuleList(MixFeedForward(channels, first, first) for channels in others)
        self.fuse = MixFeedForward(first * NUM_LEVELS, first, first)
        self.predict = MixFeedForward(first, first, config.num_keypoints)

    def forward(self, levels: list[FeatureMap]) -> Tensor:
        """Four levels to heatmaps (B, K, H / 4, W / 4)."""
        first, *others = levels
        parts = [first.tokens]
        for depth, (up, features) in enumerate(zip(self.ups, others, strict=True), start=1):
            parts.append(upsample(up(features), 2**depth).tokens)
        fused = self.fuse(first.with_tokens(torch.cat(parts, dim=-1)))
        return cast("FeatureMap", self.predict(fused)).as_picture()


class AggPose(nn.Module):
    """The network. Pictures in ImageNet-normalised RGB, heatmaps out; see `build_aggpose`."""

    def __init__(self, config: AggPoseConfig) -> None:
        super().__init__()
        self.config = config
        self.stages = nn.ModuleList(
            Stage(config, stage=stage) for stage in range(1, NUM_LEVELS + 1)
        )
        self.head = Head(config)
        if not self.head.predict.fc2.weight.is_meta:  # only counted, never run
            self.apply(initialise)

    def forward(self, pictures: Tensor) -> Tensor:
        """Crops to heatmaps.

        Args:
            pictures: float (B, 3, H, W), RGB normalised by ImageNet's mean and deviation; H and W
                multiples of 32.

        Returns:
            float (B, K, H / 4, W / 4); a keypoint's peak is near 1 when trained.
        """
        levels: list[FeatureMap] = []
        newest = pictures
        for stage in self.stages:
            levels, deepest = stage(levels, newest)
            newest = deepest.as_picture()
        return cast("Tensor", self.head(levels))


def build_aggpose(
    size: str,
    *,
    num_keypoints: int = 21,
    fusion: Fusion = "released",
    input_size_hw: tuple[int, int] = (256, 192),
    drop_path_rate: float | None = None,
) -> AggPose:
    """Build a network with fresh weights.

    Args:
        size: `aggpose-t`, `aggpose-s` or `aggpose-l`.
        num_keypoints: 21 for infant21, 17 for coco17.
        fusion: `released` or `paper`, see `AggPoseConfig`.
        input_size_hw: Crop height and width, multiples of 32.
        drop_path_rate: See `AggPoseConfig`.

    Raises:
        ConfigurationError: No such size or fusion, or an input size or rate that does not fit.
    """
    return AggPose(
        AggPoseConfig(size_by_name(size), num_keypoints, fusion, input_size_hw, drop_path_rate)
    )


def _make_branch(config: AggPoseConfig, *, stage: int, level: int) -> Branch:
    """Blocks of one level in one stage; drop-path rates rise through the stages."""
    size = config.size
    highest = size.drop_path_rate if config.drop_path_rate is None else config.drop_path_rate
    channels = size.embed_dims[level - 1]
    depth = size.depths[level - 1] if level == stage else size.depths[0]
    step = highest / max(1, sum(size.depths) - 1)
    before = sum(size.depths[: stage - 1])
    first, last = step * before, step * (before + size.depths[stage - 1] - 1)
    blocks = [
        TransformerBlock(
            channels,
            num_heads=size.num_heads[level - 1],
            ratio=size.reduction_ratios[level - 1],
            mlp_ratio=size.mlp_ratio,
            drop_path=rate,
        )
        for rate in np.linspace(first, last, depth).tolist()
    ]
    return Branch(blocks, channels)
