"""The sizes of AggPose: the paper's Tables 2 and 3, and a small one of ours."""

from dataclasses import dataclass
from typing import Literal

from model.spec.errors import ConfigurationError

Fusion = Literal["released", "paper", "none"]
"""How levels are merged; `none` is a plain Mix Transformer under the same head."""


@dataclass(frozen=True)
class AggPoseSize:
    """The numbers that make one AggPose.

    Attributes:
        name: As in `aggpose-l`.
        embed_dims: Channels of each level.
        num_heads: Attention heads of each level.
        depths: Blocks of each level's first branch; every further branch is as deep as the first
            level's first branch (released code; the rows of Table 2).
        reduction_ratios: Spatial reduction of keys and values at each level, gamma of equation (1)
            as the side of a square.
        mlp_ratio: Hidden width of a block's mix-FFN over its channels.
        drop_path_rate: Share of dropped residual paths at the deepest block while training.
        paper_giga_multiply_adds: What the paper's Table 3 prints as GFLOPs, if it has this size.
    """

    name: str
    embed_dims: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    num_heads: tuple[int, int, int, int] = (1, 2, 5, 8)
    reduction_ratios: tuple[int, int, int, int] = (8, 4, 2, 1)
    mlp_ratio: int = 4
    drop_path_rate: float = 0.1
    paper_giga_multiply_adds: float | None = None


SIZES = {
    size.name: size
    for size in (
        AggPoseSize("aggpose-t", (32, 64, 160, 256), (2, 2, 2, 2)),
        AggPoseSize("aggpose-s", (64, 128, 320, 512), (3, 4, 6, 3), paper_giga_multiply_adds=9.0),
        AggPoseSize("aggpose-l", (64, 128, 320, 512), (3, 6, 40, 3), paper_giga_multiply_adds=15.0),
    )
}
"""aggpose-s stands on MiT-B2 and aggpose-l on MiT-B5 (Section 4.1); aggpose-t on MiT-B0."""


INPUT_SIZES = {"256x192": (256, 192), "384x288": (384, 288)}
"""Height x width of the crops that AggPose is published for."""


def size_by_name(name: str) -> AggPoseSize:
    """Look a size up.

    Raises:
        ConfigurationError: There is none of that name.
    """
    if name not in SIZES:
        raise ConfigurationError(f"expected a size of {', '.join(SIZES)}, got {name!r}")
    return SIZES[name]


def check_input_size(input_size_hw: tuple[int, int], size: AggPoseSize) -> None:
    """Refuse input sizes that do not divide evenly through every level.

    Raises:
        ConfigurationError: Not positive multiples of 32.
    """
    step = 4 * 2 ** (len(size.embed_dims) - 1)
    if any(not isinstance(side, int) or side <= 0 or side % step for side in input_size_hw):
        raise ConfigurationError(
            f"expected an input size (height, width) of multiples of {step}, got {input_size_hw}"
        )
