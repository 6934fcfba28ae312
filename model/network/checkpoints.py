"""Reading and writing checkpoints: ours, the authors' released ones, and ImageNet's MiT.

Files are read as tensors only: a pickle that holds code is refused, never run.
"""

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from model.network.aggpose import AggPose, AggPoseConfig
from model.network.names import mit_name, mit_name_of_segformer, released_name
from model.network.sizes import SIZES, size_by_name
from model.spec.errors import CheckpointError, ModelError, OutputError, UnsafeCheckpointError
from model.spec.files import written_aside
from model.spec.manifest import Provenance, parse_provenance

FORMAT = "aggpose-checkpoint"
FORMAT_VERSION = 1

_UNSAFE = re.compile("Unsupported (global|class)")

StateDict = Mapping[str, Tensor]


class Checkpoint(NamedTuple):
    """A network, where its weights come from, and on what terms."""

    network: AggPose
    provenance: Provenance
    licence: str


def read_torch_file(path: Path) -> dict[str, Any]:
    """Read a torch file that holds tensors and plain values only.

    Raises:
        UnsafeCheckpointError: It holds other objects: loading them could run their code.
        CheckpointError: It is not there, cut short, or no checkpoint.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd pickles; they load or are refused below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # torch's reader raises whatever a broken file leads it to
        if isinstance(error, pickle.UnpicklingError) and _UNSAFE.search(str(error)):
            raise UnsafeCheckpointError(
                f"{path}: expected tensors only, got a pickle with other objects in it, which "
                "could run code; save its state_dict alone and try again"
            ) from error
        raise CheckpointError(
            f"{path}: expected a torch checkpoint, got a file that is damaged or something else"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path}: expected a dictionary of tensors, got {type(content).__name__}"
        )
    return content


def write_torch_file(content: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values; aside first, then renamed.

    Raises:
        OutputError: It cannot be written.
    """
    with written_aside(path) as aside:
        try:
            torch.save(content, aside)
        except RuntimeError as error:  # torch's writer, of a full disk for one
            raise OutputError(f"{path}: cannot be written: {error}") from error


def save_checkpoint(checkpoint: Checkpoint, path: Path, *, compact: bool = False) -> None:
    """Write a network with everything needed to build it again; aside first, then renamed.

    Args:
        checkpoint: What to write.
        path: Where to.
        compact: Round the weights to half precision, for half the size; to read it is the same.

    Raises:
        OutputError: It cannot be written.
    """
    config = checkpoint.network.config
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "size": config.size.name,
        "num_keypoints": config.num_keypoints,
        "fusion": config.fusion,
        "input_size_hw": list(config.input_size_hw),
        "provenance": checkpoint.provenance.model_dump(),
        "licence": checkpoint.licence,
        "state_dict": {
            name: tensor.half() if compact else tensor
            for name, tensor in checkpoint.network.state_dict().items()
        },
    }
    write_torch_file(content, path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Build the network of one of our checkpoints.

    Returns:
        The network in evaluation mode, with its provenance and licence.

    Raises:
        CheckpointError: Not one of ours, or its tensors do not fit.
    """
    content = read_torch_file(path)
    if content.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: expected a checkpoint of ours, got something else; if it is one of the "
            "authors' released checkpoints, make it ours with `aggpose model convert`"
        )
    version = content.get("format_version")
    if not isinstance(version, int) or version != FORMAT_VERSION:
        raise CheckpointError(f"{path}: expected format version {FORMAT_VERSION}, got {version}")
    try:
        height, width = content["input_size_hw"]
        config = AggPoseConfig(
            size_by_name(content["size"]),
            content["num_keypoints"],
            content["fusion"],
            (height, width),
        )
        network = AggPose(config)
        _load(network, unwrapped(content["state_dict"]))
        provenance = parse_provenance(content["provenance"])
        return Checkpoint(network.eval(), provenance, str(content["licence"]))
    except (KeyError, TypeError, ValueError, ModelError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from error


def load_released_checkpoint(network: AggPose, state_dict: Mapping[str, Any]) -> None:
    """Load one of the authors' released checkpoints, strictly.

    Args:
        network: Of the same size, number of keypoints, and fusion `released`.
        state_dict: Released names to tensors; a `state_dict` wrapper and a `module.` prefix are
            forgiven.

    Raises:
        CheckpointError: Names are missing or unexpected, or shapes differ; all are named.
    """
    if network.config.fusion != "released":
        raise CheckpointError(
            f"expected a network of the fusion released, got {network.config.fusion}"
        )
    theirs = unwrapped(state_dict)
    ours = {released_name(name): name for name in network.state_dict()}
    _check_names(theirs, ours)
    _load(network, {ours[name]: tensor for name, tensor in theirs.items()})


def recognise_released(
    state_dict: Mapping[str, Any], *, input_size_hw: tuple[int, int] = (256, 192)
) -> AggPoseConfig:
    """Tell the size and number of keypoints of a released checkpoint by its tensors.

    Raises:
        CheckpointError: It is no AggPose, or of a size that we do not know.
    """
    tensors = unwrapped(state_dict)
    try:
        num_keypoints = tensors["final_layer.fc2.weight"].shape[0]
        dims = tuple(tensors[f"patch_embed{level}.proj.weight"].shape[0] for level in (1, 2, 3, 4))
    except (KeyError, IndexError) as error:
        raise CheckpointError(f"expected a released AggPose, got one without {error}") from error
    depths = tuple(
        len({name.split(".")[1] for name in tensors if name.startswith(f"block{level}.")})
        for level in (1, 2, 3, 4)
    )
    for size in SIZES.values():
        if (size.embed_dims, size.depths) == (dims, depths):
            return AggPoseConfig(size, num_keypoints, input_size_hw=input_size_hw)
    known = "; ".join(f"{s.name} {s.embed_dims} {s.depths}" for s in SIZES.values())
    raise CheckpointError(f"expected channels and depths of {known}; got {dims} {depths}")


def load_mit_checkpoint(network: AggPose, state_dict: Mapping[str, Any]) -> list[str]:
    """Start every resolution level from a Mix Transformer trained on ImageNet, Section 4.1.

    Args:
        network: Any size; aggpose-t stands on MiT-B0, -s on MiT-B2, -l on MiT-B5.
        state_dict: Tensors under mit_b* names or those of the transformers library's SegFormer;
            a classification or segmentation head in it is passed over.

    Returns:
        Our names of what stays as it was: merges, upsampling and head.

    Raises:
        CheckpointError: Tensors are missing, or the checkpoint is of another size.
    """
    theirs = _as_mit(unwrapped(state_dict))
    wanted = {name: mit_name(name) for name in network.state_dict()}
    sources = {name: source for name, source in wanted.items() if source is not None}
    used = set(sources.values())
    if missing := sorted(used - theirs.keys()):
        raise CheckpointError(_listing("the Mix Transformer checkpoint lacks", missing))
    if deeper := sorted(n for n in theirs.keys() - used if n.startswith("block")):
        raise CheckpointError(_listing("the checkpoint is of a deeper Mix Transformer", deeper))
    _load(network, network.state_dict() | {n: theirs[source] for n, source in sources.items()})
    return sorted(wanted.keys() - sources.keys())


def unwrapped(state_dict: Mapping[str, Any]) -> dict[str, Tensor]:
    """Take a `state_dict` wrapper and a `module.` prefix off; what is left must be tensors.

    Raises:
        CheckpointError: It holds no tensors, or other things beside them.
    """
    inner = state_dict.get("state_dict", state_dict) if isinstance(state_dict, Mapping) else None
    if not isinstance(inner, Mapping) or not inner:
        raise CheckpointError("expected a dictionary of tensors, got none")
    others = sorted(str(name) for name, value in inner.items() if not isinstance(value, Tensor))
    if others:
        raise CheckpointError(_listing("expected tensors only, got other values", others))
    return {str(name).removeprefix("module."): tensor for name, tensor in inner.items()}


def _as_mit(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Under mit_b* names, whichever of the two schemes they came in."""
    if not any("patch_embeddings." in name for name in tensors):
        return {name.removeprefix("backbone."): tensor for name, tensor in tensors.items()}
    renamed = {mit_name_of_segformer(name): tensor for name, tensor in tensors.items()}
    for key_name in [name for name in renamed if ".attn.k." in name]:
        value_name = key_name.replace(".k.", ".v.")
        if value_name not in renamed:
            raise CheckpointError(_listing("the SegFormer checkpoint lacks", [value_name]))
        pair = [renamed.pop(key_name), renamed.pop(value_name)]
        renamed[key_name.replace(".k.", ".kv.")] = torch.cat(pair)
    return renamed


def _check_names(got: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    problems = []
    if missing := sorted(expected.keys() - got.keys()):
        problems.append(_listing("missing", missing))
    if unexpected := sorted(got.keys() - expected.keys()):
        problems.append(_listing("unexpected", unexpected))
    if problems:
        raise CheckpointError(
            f"expected {len(expected)} tensors, got {len(got)}: {'; '.join(problems)}"
        )


def _load(network: nn.Module, state_dict: StateDict) -> None:
    """Load strictly, with shapes that differ named as expected and got."""
    own = network.state_dict()
    _check_names(state_dict, own)
    differing = [
        f"{name} expected {list(own[name].shape)} got {list(tensor.shape)}"
        for name, tensor in state_dict.items()
        if tensor.shape != own[name].shape
    ]
    if differing:
        raise CheckpointError(_listing("tensors of another size", differing))
    network.load_state_dict(dict(state_dict))


def _listing(what: str, names: list[str], *, most: int = 8) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{what}: {', '.join(names[:most])}{rest}"
