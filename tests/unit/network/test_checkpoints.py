"""Checkpoints load strictly, say what does not fit, and never run code."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model.network.aggpose import AggPose, AggPoseConfig, build_aggpose
from model.network.checkpoints import (
    FORMAT,
    Checkpoint,
    load_checkpoint,
    load_mit_checkpoint,
    load_released_checkpoint,
    read_torch_file,
    recognise_released,
    save_checkpoint,
)
from model.network.names import mit_name, mit_name_of_segformer, released_name
from model.network.sizes import SIZES
from model.spec.errors import CheckpointError, OutputError, UnsafeCheckpointError
from model.spec.manifest import Provenance

Tensors = dict[str, Tensor]


def test_released_wrapper_and_prefix_are_forgiven(
    micro_network: AggPose, micro_state_dict: Tensors
) -> None:
    wrapped = {"state_dict": {f"module.{name}": t for name, t in micro_state_dict.items()}}
    load_released_checkpoint(micro_network, wrapped)
    loaded = micro_network.state_dict()
    assert all(torch.equal(loaded[name], micro_state_dict[released_name(name)]) for name in loaded)


def test_missing_and_unexpected_tensors_are_named(
    micro_network: AggPose, micro_state_dict: Tensors
) -> None:
    changed = {**micro_state_dict, "extra.weight": torch.zeros(1)}
    del changed["final.fc1.bias"]
    with pytest.raises(
        CheckpointError, match=r"missing: final\.fc1\.bias; unexpected: extra\.weight"
    ):
        load_released_checkpoint(micro_network, changed)


def test_a_checkpoint_of_another_size_says_expected_and_got(
    micro_state_dict: Tensors,
) -> None:
    network = build_aggpose("aggpose-t")
    with pytest.raises(CheckpointError, match="missing"):
        load_released_checkpoint(network, micro_state_dict)
    other = AggPose(AggPoseConfig(SIZES["aggpose-t"], 17))
    tensors = {released_name(name): t for name, t in other.state_dict().items()}
    with pytest.raises(
        CheckpointError, match=r"head\.predict\.fc2\.weight expected \[21, 32\] got \[17, 32\]"
    ):
        load_released_checkpoint(network, tensors)


def test_released_checkpoints_fit_the_released_fusion_only(micro_state_dict: Tensors) -> None:
    with pytest.raises(CheckpointError, match="fusion released, got paper"):
        load_released_checkpoint(build_aggpose("aggpose-t", fusion="paper"), micro_state_dict)


def test_recognises_size_and_keypoints() -> None:
    network = build_aggpose("aggpose-t", num_keypoints=17)
    tensors = {released_name(name): t for name, t in network.state_dict().items()}
    config = recognise_released(tensors)
    assert (config.size.name, config.num_keypoints) == ("aggpose-t", 17)
    with pytest.raises(CheckpointError, match="expected a released AggPose"):
        recognise_released({"weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="expected a released AggPose"):
        recognise_released({**tensors, "final_layer.fc2.weight": torch.zeros(())})


def test_unknown_depths_are_named(micro_state_dict: Tensors) -> None:
    with pytest.raises(CheckpointError, match=r"got \(8, 16, 40, 64\) \(1, 2, 3, 1\)"):
        recognise_released(micro_state_dict)


def test_ours_comes_back_as_it_was(tmp_path: Path) -> None:
    network = build_aggpose("aggpose-t", fusion="paper", input_size_hw=(384, 288))
    path = tmp_path / "ours.pt"
    provenance = Provenance(trained=False, summary="fresh", metrics={"AP": 0.5})
    save_checkpoint(Checkpoint(network, provenance, "AGPL-3.0-or-later"), path)
    loaded, *rest = load_checkpoint(path)
    assert loaded.config == network.config
    assert rest == [provenance, "AGPL-3.0-or-later"]
    assert not loaded.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    assert [p.name for p in tmp_path.iterdir()] == ["ours.pt"]


def test_a_compact_checkpoint_is_half_the_size_and_the_same_to_half_precision(
    tmp_path: Path,
) -> None:
    checkpoint = Checkpoint(
        build_aggpose("aggpose-t"), Provenance(trained=False, summary="fresh"), "AGPL-3.0-or-later"
    )
    save_checkpoint(checkpoint, tmp_path / "whole.pt")
    save_checkpoint(checkpoint, tmp_path / "compact.pt", compact=True)
    whole, compact = ((tmp_path / f"{n}.pt").stat().st_size for n in ("whole", "compact"))
    assert compact < 0.55 * whole
    loaded = load_checkpoint(tmp_path / "compact.pt").network.state_dict()
    for name, tensor in checkpoint.network.state_dict().items():
        assert loaded[name].dtype == torch.float32
        assert torch.equal(loaded[name], tensor.half().float())


@pytest.mark.parametrize(
    "damage",
    [
        {"state_dict": [1, 2]},
        {"state_dict": {"weight": "text"}},
        {"state_dict": {"weight": torch.zeros(1), 3: torch.zeros(1)}},
        {"input_size_hw": [256.0, 192.0]},
        {"num_keypoints": 21.5},
        {"format_version": torch.zeros(2)},
        {"provenance": {"trained": "perhaps"}},
        {"size": "aggpose-xl"},
    ],
)
def test_damage_inside_ours_is_an_error_that_names_the_file(
    damage: dict[str, object], tmp_path: Path
) -> None:
    content = {
        "format": FORMAT,
        "format_version": 1,
        "size": "aggpose-t",
        "num_keypoints": 21,
        "fusion": "released",
        "input_size_hw": [256, 192],
        "provenance": {"trained": False, "summary": "x"},
        "licence": "AGPL-3.0-or-later",
        "state_dict": {},
    }
    path = tmp_path / "damaged.pt"
    torch.save(content | damage, path)
    with pytest.raises(CheckpointError, match=r"damaged\.pt"):
        load_checkpoint(path)


def test_places_that_cannot_be_written(tmp_path: Path, micro_network: AggPose) -> None:
    checkpoint = Checkpoint(micro_network, Provenance(trained=False, summary="x"), "none")
    (tmp_path / "file").write_text("kept")
    for path, message in (
        (tmp_path, "got a folder"),
        (tmp_path / "nowhere" / "x.pt", "there is no folder"),
        (tmp_path / "file" / "x.pt", "there is no folder"),
        (tmp_path / ("n" * 300), "cannot be written"),
    ):
        with pytest.raises(OutputError, match=message):
            save_checkpoint(checkpoint, path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_released_file_is_told_the_way(tmp_path: Path, micro_state_dict: Tensors) -> None:
    path = tmp_path / "released.pth"
    torch.save(micro_state_dict, path)
    with pytest.raises(CheckpointError, match="aggpose model convert"):
        load_checkpoint(path)


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code ran",))


def test_a_pickle_with_code_is_refused_and_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"weight": torch.zeros(1), "more": _Evil()}, path)
    with pytest.raises(UnsafeCheckpointError, match="could run code"):
        read_torch_file(path)
    plain = tmp_path / "evil.pkl"
    plain.write_bytes(pickle.dumps(_Evil()))
    with pytest.raises(CheckpointError):
        read_torch_file(plain)
    assert "code ran" not in capsys.readouterr().out


def test_broken_files_are_one_error(tmp_path: Path, micro_state_dict: Tensors) -> None:
    path = tmp_path / "broken.pth"
    torch.save(micro_state_dict, path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"broken\.pth"):
        read_torch_file(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError):
        read_torch_file(path)
    with pytest.raises(CheckpointError, match="No such file"):
        read_torch_file(tmp_path / "nothing.pth")
    for text in (b"hello world", b"a: 1", b"<html>not found</html>", b"{}"):
        path.write_bytes(text)
        with pytest.raises(CheckpointError, match="damaged or something else") as caught:
            read_torch_file(path)
        assert not isinstance(caught.value, UnsafeCheckpointError)
    torch.save(torch.zeros(3), path)
    with pytest.raises(CheckpointError, match="got Tensor"):
        read_torch_file(path)


def test_values_beside_tensors_are_named(micro_network: AggPose) -> None:
    with pytest.raises(CheckpointError, match="got other values: epoch"):
        load_released_checkpoint(micro_network, {"epoch": 3})


def mit_b0() -> Tensors:
    """A Mix Transformer checkpoint by the published names, of aggpose-t's levels."""
    network = build_aggpose("aggpose-t")
    generator = torch.Generator().manual_seed(1)
    tensors = {
        mit: torch.rand(tensor.shape, generator=generator)
        for name, tensor in network.state_dict().items()
        if (mit := mit_name(name)) is not None
    }
    return {**tensors, "head.weight": torch.zeros(1000, 256), "head.bias": torch.zeros(1000)}


def test_mit_weights_reach_every_level() -> None:
    network, mit = build_aggpose("aggpose-t"), mit_b0()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fresh = load_mit_checkpoint(network, mit)
    after = network.state_dict()
    pairs = {
        "stages.0.branches.0.blocks.1.mlp.fc1.weight": "block1.1.mlp.fc1.weight",
        "stages.3.branches.0.blocks.1.mlp.fc1.weight": "block1.1.mlp.fc1.weight",
        "stages.3.branches.2.blocks.0.attn.kv.bias": "block3.0.attn.kv.bias",
        "stages.2.branches.1.norm.weight": "norm2.weight",
        "stages.3.embed.proj.weight": "patch_embed4.proj.weight",
        "stages.3.fusions.1.down.norm.bias": "patch_embed2.norm.bias",
        "stages.1.branches.1.blocks.0.mlp.dwconv.weight": "block2.0.mlp.dwconv.dwconv.weight",
    }
    for ours, theirs in pairs.items():
        assert torch.equal(after[ours], mit[theirs]), ours
    assert {name.split(".")[0] for name in fresh} == {"head", "stages"}
    assert all(".merge." in name or ".up." in name or name.startswith("head.") for name in fresh)
    assert all(torch.equal(after[name], before[name]) for name in fresh)
    changed = set(after) - set(fresh)
    assert all(not torch.equal(after[name], before[name]) for name in changed)


def as_segformer(mit: Tensors, *, version: int) -> Tensors:
    """The same tensors under the transformers library's names, published or since version 5."""
    renames = {
        "attn.q": ("attention.self.query", "attention.q_proj"),
        "attn.proj": ("attention.output.dense", "attention.o_proj"),
        "attn.sr": ("attention.self.sr", "attention.sequence_reduction.sequence_reduction"),
        "attn.norm": ("attention.self.layer_norm", "attention.sequence_reduction.layer_norm"),
        "norm1": ("layer_norm_1", "layernorm_before"),
        "norm2": ("layer_norm_2", "layernorm_after"),
        "mlp.fc1": ("mlp.dense1", "mlp.fc1"),
        "mlp.fc2": ("mlp.dense2", "mlp.fc2"),
        "mlp.dwconv.dwconv": ("mlp.dwconv.dwconv", "mlp.dwconv.dwconv"),
    }
    new = version >= 5
    result: Tensors = {}
    for name, tensor in mit.items():
        module, _, rest = name.partition(".")
        level = int(module[-1]) - 1 if module[-1].isdigit() else None
        if level is None:
            result[f"classifier.{rest}"] = tensor
            continue
        stage = f"segformer.stages.{level}." if new else "segformer.encoder."
        at = "" if new else f".{level}"
        if module.startswith("patch_embed"):
            part = rest.replace("norm.", "layer_norm.")
            result[f"{stage}patch_embeddings{at}.{part}"] = tensor
        elif module.startswith("norm"):
            result[f"{stage}layer_norm{at}.{rest}"] = tensor
        else:
            index, _, inner = rest.partition(".")
            block = f"{stage}{'blocks' if new else 'block'}{at}.{index}."
            part, _, kind = inner.rpartition(".")
            if part == "attn.kv":
                for half, words in zip(
                    tensor.chunk(2), (("key", "k_proj"), ("value", "v_proj")), strict=True
                ):
                    word = f"attention.{words[1]}" if new else f"attention.self.{words[0]}"
                    result[f"{block}{word}.{kind}"] = half
            else:
                result[f"{block}{renames[part][new]}.{kind}"] = tensor
    return result


@pytest.mark.parametrize("version", [4, 5])
def test_segformer_names_load_the_same(version: int) -> None:
    mit = mit_b0()
    by_mit, by_segformer = build_aggpose("aggpose-t"), build_aggpose("aggpose-t")
    by_segformer.load_state_dict(by_mit.state_dict())
    load_mit_checkpoint(by_mit, mit)
    load_mit_checkpoint(by_segformer, as_segformer(mit, version=version))
    for name, tensor in by_mit.state_dict().items():
        assert torch.equal(by_segformer.state_dict()[name], tensor), name


def test_published_segformer_names() -> None:
    name = "segformer.encoder.block.2.1.attention.self.sr.weight"
    assert mit_name_of_segformer(name) == "block3.1.attn.sr.weight"
    name = "segformer.stages.0.patch_embeddings.layer_norm.bias"
    assert mit_name_of_segformer(name) == "patch_embed1.norm.bias"


def test_mit_of_another_size_is_refused() -> None:
    mit = mit_b0()
    with pytest.raises(CheckpointError, match=r"lacks: block1\.2\."):
        load_mit_checkpoint(build_aggpose("aggpose-s"), mit)
    deeper = {**mit, "block3.2.norm1.weight": torch.zeros(160)}
    with pytest.raises(CheckpointError, match=r"deeper Mix Transformer: block3\.2"):
        load_mit_checkpoint(build_aggpose("aggpose-t"), deeper)
    wider = {**mit, "norm1.weight": torch.zeros(64)}
    with pytest.raises(CheckpointError, match=r"norm.weight expected \[32\] got \[64\]"):
        load_mit_checkpoint(build_aggpose("aggpose-t"), wider)
