"""AggPose rewritten for inference engines: the same function, fewer and cheaper operations.

Engines lose their time on AggPose less in arithmetic than in moving data: as written, every
mix-FFN transposes its widest activation twice, every attention splits and joins heads, and every
reshape asks for its sizes at run time. The rewrites here are exact algebra:

- The mix-FFN runs channels-first, its linear layers as 1x1 convolutions, so that the transposes
  are of C channels instead of 4C and the three convolutions stay in the engine's own layout.
- Attention with few heads folds its projections into keys and values: `(x Wq) K' = x (Wq K')` and
  `(A V) Wo = A (V Wo)`. The two N x C x C products and all moving of heads are gone. Biases that
  softmax cannot see (of keys) are dropped; those that it passes through (of values, of the output)
  move into the values, since each row of weights sums to 1.
- A merge's first linear layer is split over its parts: what comes from below is multiplied before
  it is upsampled, at a quarter of the cost or less, together with the last linear layer of its
  own mix-FFN.
- Sizes are numbers in the graph; the batch alone is free.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.network.aggpose import AggPose, Head, LevelFusion, Stage, run_stage
from model.network.layers import (
    Branch,
    FeatureMap,
    MixFeedForward,
    OverlapPatchEmbedding,
    ReducedAttention,
    TransformerBlock,
)


def fuse(network: AggPose) -> nn.Module:
    """A module that gives the network's heatmaps, written for export at its input size.

    It shares what it can of the network's weights and changes none.
    """
    with torch.no_grad():
        return _FusedAggPose(network).eval().requires_grad_(requires_grad=False)


def as_picture(tokens: Tensor, grid_hw: tuple[int, int]) -> Tensor:
    """Tokens (B, N, C) as (B, C, h, w), with every size but the batch's a number."""
    return tokens.transpose(1, 2).reshape(-1, int(tokens.shape[2]), *grid_hw)


def as_tokens(picture: Tensor) -> Tensor:
    """(B, C, h, w) as tokens (B, h * w, C), with every size but the batch's a number."""
    channels, height, width = (int(size) for size in picture.shape[1:])
    return picture.reshape(-1, channels, height * width).transpose(1, 2)


def folding_pays(channels: int, num_heads: int, count: int, keys: int) -> bool:
    """Whether folded attention needs fewer multiply-adds for `count` queries and `keys` keys."""
    projected = count * (2 * channels**2 + 2 * keys * channels) + keys * 2 * channels**2
    folded = num_heads * (count * 2 * keys * channels + keys * 2 * channels**2)
    return folded < projected


def _pointwise(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    """A linear layer, weight (out, in), as a 1x1 convolution."""
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], 1)
    conv.weight = nn.Parameter(weight[:, :, None, None].clone())
    conv.bias = nn.Parameter(bias.clone())
    return conv


class _Embedding(nn.Module):
    """(B, C, h, w) to features one level down."""

    def __init__(self, embedding: OverlapPatchEmbedding) -> None:
        super().__init__()
        self.proj, self.norm = embedding.proj, embedding.norm

    def forward(self, picture: Tensor) -> FeatureMap:
        projected = self.proj(picture)
        height, width = (int(size) for size in projected.shape[2:])
        return FeatureMap(self.norm(as_tokens(projected)), (height, width))


class _MixFeedForward(nn.Module):
    """Channels-first mix-FFN, (B, C_in, h, w) to (B, C_out, h, w).

    `after` is a linear layer's weight that is multiplied into the last layer.
    """

    def __init__(self, ffn: MixFeedForward, *, after: Tensor | None = None) -> None:
        super().__init__()
        self.fc1 = _pointwise(ffn.fc1.weight, ffn.fc1.bias)
        self.dwconv = ffn.dwconv
        weight: Tensor = ffn.fc2.weight
        bias: Tensor = ffn.fc2.bias
        if after is not None:
            weight, bias = after @ weight, after @ bias
        self.fc2 = _pointwise(weight, bias)

    def forward(self, picture: Tensor) -> Tensor:
        return cast("Tensor", self.fc2(F.gelu(self.dwconv(self.fc1(picture)))))


class _Merge(nn.Module):
    """A mix-FFN over parts on its grid, concatenated, and mix-FFNs of parts from below."""

    def __init__(self, merge: MixFeedForward, ups: list[MixFeedForward]) -> None:
        super().__init__()
        widths = [up.fc2.out_features for up in ups]
        widths = [merge.fc1.in_features - sum(widths), *widths]
        wide, *parts = torch.split(merge.fc1.weight, widths, dim=1)
        self.fc1 = _pointwise(wide, merge.fc1.bias)
        self.lowers = nn.ModuleList(
            _MixFeedForward(up, after=part) for up, part in zip(ups, parts, strict=True)
        )
        self.dwconv = merge.dwconv
        self.fc2 = _pointwise(merge.fc2.weight, merge.fc2.bias)

    def forward(self, wide: Tensor, below: list[Tensor]) -> Tensor:
        hidden = self.fc1(wide)
        for lower, picture in zip(self.lowers, below, strict=True):
            factor = float(int(wide.shape[2]) // int(picture.shape[2]))
            hidden = hidden + F.interpolate(lower(picture), scale_factor=factor, mode="nearest")
        return cast("Tensor", self.fc2(F.gelu(self.dwconv(hidden))))


class _Attention(nn.Module):
    """What both forms of attention share: sizes, and the spatial reduction."""

    def __init__(self, attention: ReducedAttention) -> None:
        super().__init__()
        self.num_heads = attention.num_heads
        self.reduction = (
            nn.ModuleList([attention.sr, attention.norm]) if attention.ratio > 1 else None
        )

    def reduced(self, features: FeatureMap) -> Tensor:
        if self.reduction is None:
            return features.tokens
        convolution, norm = self.reduction
        return cast("Tensor", norm(as_tokens(convolution(as_picture(*features)))))


class _SplitAttention(_Attention):
    """Attention by heads; the scale is in the queries, the bias of values in the output."""

    def __init__(self, attention: ReducedAttention) -> None:
        super().__init__(attention)
        channels = attention.q.in_features
        scale = (channels // self.num_heads) ** -0.5
        k, v = attention.kv.weight.chunk(2)
        v_bias = attention.kv.bias.chunk(2)[1]
        self.q = _linear(attention.q.weight * scale, attention.q.bias * scale)
        self.k, self.v = _linear(k), _linear(v)
        out = attention.proj
        self.proj = _linear(out.weight, out.bias + out.weight @ v_bias)

    def forward(self, features: FeatureMap) -> Tensor:
        count, channels = (int(size) for size in features.tokens.shape[1:])
        reduced = self.reduced(features)
        split = (int(reduced.shape[1]), self.num_heads, channels // self.num_heads)
        q = self.q(features.tokens).reshape(-1, count, *split[1:]).transpose(1, 2)
        k = self.k(reduced).reshape(-1, *split).permute(0, 2, 3, 1)
        v = self.v(reduced).reshape(-1, *split).transpose(1, 2)
        attended = (q @ k).softmax(-1) @ v
        return cast("Tensor", self.proj(attended.transpose(1, 2).reshape(-1, count, channels)))


class _FoldedAttention(_Attention):
    """Attention with its projections folded into keys (heads, C, M) and values (heads, M, C)."""

    def __init__(self, attention: ReducedAttention) -> None:
        super().__init__(attention)
        heads, channels = self.num_heads, attention.q.in_features
        head = channels // heads
        k, v = (part.view(heads, head, channels) for part in attention.kv.weight.chunk(2))
        v_bias = attention.kv.bias.chunk(2)[1].view(heads, head)
        q = attention.q.weight.view(heads, head, channels) * head**-0.5
        q_bias = attention.q.bias.view(heads, head) * head**-0.5
        out = attention.proj.weight.view(channels, heads, head)
        self.to_keys = _linear(torch.einsum("hdi,hdj->hij", q, k).flatten(0, 1))
        self.to_offset = _linear(torch.einsum("hd,hdj->hj", q_bias, k))
        bias = torch.einsum("ohd,hd->ho", out, v_bias) + attention.proj.bias / heads
        self.to_values = _linear(torch.einsum("ohd,hdj->hoj", out, v).flatten(0, 1), bias.flatten())

    def forward(self, features: FeatureMap) -> Tensor:
        tokens, heads = features.tokens, self.num_heads
        count, channels = (int(size) for size in tokens.shape[1:])
        reduced = self.reduced(features)
        each = (int(reduced.shape[1]), heads, channels)
        keys = self.to_keys(reduced).reshape(-1, *each)
        values = self.to_values(reduced).reshape(-1, *each).transpose(1, 2)
        offset = self.to_offset(reduced).transpose(1, 2)
        stacked = heads * each[0]
        keys = keys.permute(0, 3, 2, 1).reshape(-1, channels, stacked)
        scores = tokens @ keys + offset.reshape(-1, 1, stacked)
        if heads == 1:
            # A head axis from here on: with it everywhere or nowhere, OpenVINO 2026.4 compiles
            # its own attention kernel from this, to wrong numbers or a crash (the gate tells).
            weights = scores.reshape(-1, 1, count, stacked).softmax(-1)
            return cast("Tensor", (weights @ values).reshape(-1, count, channels))
        weights = scores.reshape(-1, count, heads, each[0]).softmax(-1)
        weights = weights.reshape(-1, count, stacked)
        return cast("Tensor", weights @ values.reshape(-1, stacked, channels))


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    linear.weight = nn.Parameter(weight.clone())
    if bias is not None:
        linear.bias = nn.Parameter(bias.clone())
    return linear


class _Block(nn.Module):
    def __init__(self, block: TransformerBlock, grid_hw: tuple[int, int]) -> None:
        super().__init__()
        self.norm1, self.norm2 = block.norm1, block.norm2
        attention, count = block.attn, grid_hw[0] * grid_hw[1]
        keys = (grid_hw[0] // attention.ratio) * (grid_hw[1] // attention.ratio)
        folds = folding_pays(attention.q.in_features, attention.num_heads, count, keys)
        self.attn = (_FoldedAttention if folds else _SplitAttention)(attention)
        self.mlp = _MixFeedForward(block.mlp)

    def forward(self, features: FeatureMap) -> FeatureMap:
        tokens = features.tokens
        tokens = tokens + self.attn(features.with_tokens(self.norm1(tokens)))
        mixed = self.mlp(as_picture(self.norm2(tokens), features.grid_hw))
        return features.with_tokens(tokens + as_tokens(mixed))


class _Branch(nn.Module):
    def __init__(self, branch: Branch, grid_hw: tuple[int, int]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(_Block(cast("TransformerBlock", block), grid_hw) for block in branch.blocks)
        )
        self.norm = branch.norm

    def forward(self, features: FeatureMap) -> FeatureMap:
        features = self.blocks(features)
        return features.with_tokens(self.norm(features.tokens))


class _LevelFusion(nn.Module):
    def __init__(self, fusion: LevelFusion) -> None:
        super().__init__()
        self.down_ffn = _MixFeedForward(fusion.down_ffn) if fusion.down_ffn else None
        self.down = _Embedding(fusion.down) if fusion.down else None
        self.merge = _Merge(fusion.merge, [fusion.up] if fusion.up else [])
        self.own_first, self.residual = fusion.own_first, fusion.residual

    def forward(
        self, above: FeatureMap | None, own: FeatureMap, below: FeatureMap | None
    ) -> FeatureMap:
        parts = [as_picture(*own)]
        if self.down is not None and above is not None:
            picture = as_picture(*above)
            lower = picture if self.down_ffn is None else self.down_ffn(picture)
            parts.insert(1 if self.own_first else 0, as_picture(*self.down(lower)))
        wide = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        merged = as_tokens(self.merge(wide, [] if below is None else [as_picture(*below)]))
        return own.with_tokens(merged + own.tokens if self.residual else merged)


class _Stage(nn.Module):
    def __init__(self, stage: Stage, grids_hw: list[tuple[int, int]]) -> None:
        super().__init__()
        self.embed = _Embedding(stage.embed)
        self.branches = nn.ModuleList(
            _Branch(branch, grid_hw) if isinstance(branch, Branch) else branch
            for branch, grid_hw in zip(stage.branches, grids_hw, strict=True)
        )
        self.fusions = nn.ModuleList(
            _LevelFusion(cast("LevelFusion", fusion)) for fusion in stage.fusions
        )

    def forward(
        self, merged: list[FeatureMap], newest: Tensor
    ) -> tuple[list[FeatureMap], FeatureMap]:
        return run_stage(self.branches, self.fusions, [*merged, self.embed(newest)])


class _Head(nn.Module):
    def __init__(self, head: Head) -> None:
        super().__init__()
        self.fuse = _Merge(head.fuse, [cast("MixFeedForward", up) for up in head.ups])
        self.predict = _MixFeedForward(head.predict)

    def forward(self, levels: list[FeatureMap]) -> Tensor:
        first, *others = (as_picture(*level) for level in levels)
        return cast("Tensor", self.predict(self.fuse(first, others)))


class _FusedAggPose(nn.Module):
    def __init__(self, network: AggPose) -> None:
        super().__init__()
        height, width = network.config.input_size_hw
        grids_hw = [(height // step, width // step) for step in (4, 8, 16, 32)]
        self.stages = nn.ModuleList(
            _Stage(cast("Stage", stage), grids_hw[: i + 1])
            for i, stage in enumerate(network.stages)
        )
        self.head = _Head(network.head)

    def forward(self, pictures: Tensor) -> Tensor:
        """Normalised pictures (B, 3, H, W) to heatmaps (B, K, H / 4, W / 4)."""
        levels: list[FeatureMap] = []
        newest = pictures
        for stage in self.stages:
            levels, deepest = stage(levels, newest)
            newest = as_picture(*deepest)
        return cast("Tensor", self.head(levels))
