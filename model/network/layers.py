"""The parts of AggPose: Mix Transformer blocks (Xie et al. 2021) as Section 3.2 uses them.

Features travel as a `FeatureMap`: tokens (B, N, C) and the grid (h, w) that they lie on, N = h * w
in row order. Layer norms inside patch embeddings and after the spatial reduction use PyTorch's
epsilon of 1e-5, those of blocks and stage ends 1e-6, as the released network does.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCK_NORM_EPS = 1e-6


class FeatureMap(NamedTuple):
    """Features of one resolution level: tokens (B, h * w, C) float and their grid (h, w)."""

    tokens: Tensor
    grid_hw: tuple[int, int]

    def as_picture(self) -> Tensor:
        """The features as (B, C, h, w)."""
        batch, _, channels = self.tokens.shape
        return self.tokens.transpose(1, 2).reshape(batch, channels, *self.grid_hw)

    @classmethod
    def from_picture(cls, picture: Tensor) -> "FeatureMap":
        """From (B, C, h, w)."""
        height, width = picture.shape[-2:]
        return cls(picture.flatten(2).transpose(1, 2), (height, width))

    def with_tokens(self, tokens: Tensor) -> "FeatureMap":
        """Other tokens on the same grid."""
        return FeatureMap(tokens, self.grid_hw)


class DropPath(nn.Module):
    """Drop a residual path for whole samples while training (stochastic depth, Huang et al. 2016).

    What is kept is scaled by 1 / (1 - rate), so that evaluation needs no change.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, C) to the same shape."""
        if not self.training or self.rate == 0:
            return tokens
        keep = 1 - self.rate
        mask = tokens.new_empty(len(tokens), 1, 1).bernoulli_(keep)
        return tokens * (mask / keep)

    def extra_repr(self) -> str:
        """Show the rate when printed."""
        return f"rate={self.rate:g}"


class OverlapPatchEmbedding(nn.Module):
    """A strided convolution wider than its stride, then a layer norm: one level down."""

    def __init__(self, channels_in: int, channels_out: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels_in, channels_out, kernel, stride=stride, padding=kernel // 2)
        self.norm = nn.LayerNorm(channels_out)

    def forward(self, picture: Tensor) -> FeatureMap:
        """Picture (B, C_in, H, W) to features on the grid (H / stride, W / stride)."""
        features = FeatureMap.from_picture(self.proj(picture))
        return features.with_tokens(self.norm(features.tokens))


class MixFeedForward(nn.Module):
    """Mix-FFN without the residual, equation (3): MLP(GELU(DWConv3x3(MLP(x)))).

    It also unifies channels before an upsampling and merges concatenated levels.
    """

    def __init__(self, channels_in: int, hidden: int, channels_out: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels_in, hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, channels_out)

    def forward(self, features: FeatureMap) -> FeatureMap:
        """Features with C_in channels to features with C_out on the same grid."""
        hidden = features.with_tokens(self.fc1(features.tokens))
        hidden = FeatureMap.from_picture(self.dwconv(hidden.as_picture()))
        return features.with_tokens(self.fc2(F.gelu(hidden.tokens)))


class ReducedAttention(nn.Module):
    """Multi-head self-attention with spatially reduced keys and values, equations (1) and (2).

    Reducing by `ratio` on each side leaves N / ratio**2 keys; the paper's gamma is ratio**2.
    """

    def __init__(self, channels: int, *, num_heads: int, ratio: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ratio = ratio
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)
        if ratio > 1:
            self.sr = nn.Conv2d(channels, channels, ratio, stride=ratio)
            self.norm = nn.LayerNorm(channels)

    def reduced(self, features: FeatureMap) -> Tensor:
        """The tokens that give keys and values: (B, N / ratio**2, C)."""
        if self.ratio == 1:
            return features.tokens
        tokens: Tensor = self.norm(FeatureMap.from_picture(self.sr(features.as_picture())).tokens)
        return tokens

    def forward(self, features: FeatureMap) -> Tensor:
        """Features (B, N, C) to attended tokens (B, N, C)."""
        batch, count, channels = features.tokens.shape
        head = channels // self.num_heads
        q = self.q(features.tokens).reshape(batch, count, self.num_heads, head)
        k, v = (
            part.reshape(batch, -1, self.num_heads, head).transpose(1, 2)
            for part in self.kv(self.reduced(features)).chunk(2, dim=-1)
        )
        # There are few keys: written out, this trains 1.2 to 1.4 times as fast on a CPU as
        # PyTorch's fused attention, whose backward pass is made for many.
        weights = (q.transpose(1, 2) * head**-0.5 @ k.transpose(2, 3)).softmax(-1)
        attended = weights.to(v.dtype) @ v
        tokens: Tensor = self.proj(attended.transpose(1, 2).reshape(batch, count, channels))
        return tokens


class TransformerBlock(nn.Module):
    """Attention and mix-FFN, each behind a layer norm and around it a residual."""

    def __init__(
        self, channels: int, *, num_heads: int, ratio: int, mlp_ratio: int, drop_path: float
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=BLOCK_NORM_EPS)
        self.attn = ReducedAttention(channels, num_heads=num_heads, ratio=ratio)
        self.norm2 = nn.LayerNorm(channels, eps=BLOCK_NORM_EPS)
        self.mlp = MixFeedForward(channels, mlp_ratio * channels, channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, features: FeatureMap) -> FeatureMap:
        """Features to features of the same shape."""
        tokens = features.tokens
        attended = self.attn(features.with_tokens(self.norm1(tokens)))
        tokens = tokens + self.drop_path(attended)
        mixed = self.mlp(features.with_tokens(self.norm2(tokens)))
        return features.with_tokens(tokens + self.drop_path(mixed.tokens))


class Branch(nn.Module):
    """The blocks of one level in one stage, closed by a layer norm."""

    def __init__(self, blocks: list[TransformerBlock], channels: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(channels, eps=BLOCK_NORM_EPS)

    def forward(self, features: FeatureMap) -> FeatureMap:
        """Features to features of the same shape."""
        for block in self.blocks:
            features = block(features)
        return features.with_tokens(self.norm(features.tokens))


def upsample(features: FeatureMap, factor: int) -> FeatureMap:
    """Nearest-neighbour upsampling by a whole factor (released code)."""
    height, width = features.grid_hw
    size = (height * factor, width * factor)
    return FeatureMap.from_picture(F.interpolate(features.as_picture(), size=size, mode="nearest"))


def initialise(module: nn.Module) -> None:
    """Initialise as the Mix Transformer does; give it to `nn.Module.apply`.

    Linear layers: normal of deviation 0.02, truncated at 2 units; convolutions: normal by their
    fan-out; biases 0; layer norms 1 and 0.
    """
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        with torch.no_grad():
            module.weight.normal_(0, math.sqrt(2.0 * module.groups / fan_out))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
