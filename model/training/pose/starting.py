"""What a training starts from, and which weights of it move (Section 4.1)."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from torch import Tensor

from model.network.aggpose import AggPose, build_aggpose
from model.network.checkpoints import load_checkpoint, load_mit_checkpoint, read_torch_file
from model.network.names import level_of, mit_name
from model.network.sizes import Fusion
from model.spec.errors import CheckpointError, RecipeError
from model.training.pose.recipe import Phase, Recipe

LAST_LAYER = "head.predict."
"""What gives one map a keypoint, and cannot be kept when there are other keypoints."""


def starting_network(
    recipe: Recipe, *, num_keypoints: int, source: Path | None
) -> tuple[AggPose, str]:
    """Build the recipe's network with its first weights.

    Args:
        recipe: Says what to start from.
        num_keypoints: Of the data.
        source: The file, for every start but `random`.

    Returns:
        The network and a sentence on where its weights come from.

    Raises:
        RecipeError: A file is missing, or one was given and not asked for.
        CheckpointError: It does not fit.
    """
    start = recipe.network.start
    if (start == "random") != (source is None):
        wanted = "no file to start from" if start == "random" else f"a file for the start {start}"
        raise RecipeError(f"recipe {recipe.name}: expected {wanted}, got {source or 'none'}")
    size, fusion = recipe.network.size, recipe.network.fusion
    try:
        if source is not None and "same" in (size, fusion):
            config = load_checkpoint(source).network.config
            size = config.size.name if size == "same" else size
            fusion = config.fusion if fusion == "same" else fusion
        network = build_aggpose(
            size,
            num_keypoints=num_keypoints,
            fusion=cast("Fusion", fusion),
            input_size_hw=max(grid.input_hw for grid in recipe.phases[-1].grids),
            drop_path_rate=recipe.network.drop_path,
        )
        if source is None:
            return network, "random weights"
        return network, _SOURCES[start](network, source)
    except CheckpointError as error:
        if source is None or str(source) in str(error):
            raise
        raise CheckpointError(f"{source}: {error}") from error


def _from_mit(network: AggPose, source: Path) -> str:
    fresh = load_mit_checkpoint(network, read_torch_file(source))
    return f"Mix Transformer weights {source.name} ({len(fresh)} tensors fresh)"


def _from_plain(network: AggPose, source: Path) -> str:
    """Every branch of every level, and the head, from a trained plain Mix Transformer."""
    plain = load_checkpoint(source).network
    if plain.config.fusion != "none" or plain.config.size != network.config.size:
        raise CheckpointError(
            f"expected a plain Mix Transformer (fusion none) of {network.config.size.name}, got "
            f"{plain.config.size.name} with fusion {plain.config.fusion}"
        )
    tensors = plain.state_dict()
    load_mit_checkpoint(
        network, {mit: tensors[name] for name in tensors if (mit := mit_name(name)) is not None}
    )
    head = {name: tensor for name, tensor in tensors.items() if name.startswith("head.")}
    dropped = _keep_fitting(network, head)
    return f"plain Mix Transformer {source.name}{dropped}"


def _from_checkpoint(network: AggPose, source: Path) -> str:
    """All weights; the last layer only where the keypoints are the same."""
    other = load_checkpoint(source).network
    mine, theirs = network.config, other.config
    if (theirs.size, theirs.fusion) != (mine.size, mine.fusion):
        raise CheckpointError(
            f"expected {mine.size.name} with fusion {mine.fusion}, got {theirs.size.name} with "
            f"fusion {theirs.fusion}"
        )
    return f"checkpoint {source.name}{_keep_fitting(network, other.state_dict())}"


def _keep_fitting(network: AggPose, tensors: Mapping[str, Tensor]) -> str:
    own = network.state_dict()
    fitting = {n: t for n, t in tensors.items() if t.shape == own[n].shape}
    if strange := [n for n in tensors.keys() - fitting.keys() if not n.startswith(LAST_LAYER)]:
        raise CheckpointError(f"tensors of another size: {', '.join(sorted(strange))}")
    network.load_state_dict(own | fitting)
    return ", last layer fresh (other keypoints)" if len(fitting) < len(tensors) else ""


_SOURCES = {"mit": _from_mit, "plain": _from_plain, "checkpoint": _from_checkpoint}


def freeze(network: AggPose, phase: Phase) -> None:
    """Let the weights of the phase's frozen levels stay, and all others move."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(level_of(name) not in phase.frozen_levels)
