"""The network is the released one, and the paper's where that is asked for."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model.network.aggpose import AggPose, LevelFusion, build_aggpose
from model.network.arithmetic import count_multiply_adds, count_parameters
from model.network.checkpoints import load_released_checkpoint
from model.network.layers import DropPath, FeatureMap, TransformerBlock
from model.network.names import released_name
from model.network.sizes import Fusion
from model.spec.errors import ConfigurationError

SHAPES = Path(__file__).parents[2] / "data" / "aggpose_l_21_state_dict_shapes.json"


def test_heatmaps_of_the_reference_network(
    micro_network: AggPose,
    micro_reference: Mapping[str, NDArray[np.float32]],
    micro_state_dict: dict[str, torch.Tensor],
) -> None:
    load_released_checkpoint(micro_network, micro_state_dict)
    with torch.no_grad():
        heatmaps = micro_network(torch.from_numpy(micro_reference["input"]).float())
    np.testing.assert_allclose(heatmaps.numpy(), micro_reference["output"], rtol=0, atol=1e-5)


def test_aggpose_l_has_exactly_the_released_tensors() -> None:
    expected = json.loads(SHAPES.read_text())
    with torch.device("meta"):
        network = build_aggpose("aggpose-l")
    got = {released_name(name): list(value.shape) for name, value in network.state_dict().items()}
    assert got == expected
    assert len(got) == 1568
    assert count_parameters(network) == 96_752_085


@pytest.mark.parametrize(
    ("size", "input_hw", "num_keypoints", "giga"),
    [
        ("aggpose-l", (256, 192), 21, 14.96),
        ("aggpose-s", (256, 192), 21, 6.91),
        ("aggpose-t", (256, 192), 21, 1.15),
        ("aggpose-t", (384, 288), 17, 2.58),
    ],
)
def test_multiply_adds(
    size: str, input_hw: tuple[int, int], num_keypoints: int, giga: float
) -> None:
    with torch.device("meta"):
        network = build_aggpose(size, num_keypoints=num_keypoints).eval()
    assert count_multiply_adds(network, input_hw) / 1e9 == pytest.approx(giga, rel=0.005)


@pytest.mark.parametrize("fusion", ["released", "paper"])
@pytest.mark.parametrize("num_keypoints", [21, 17])
def test_heatmaps_are_a_quarter_of_any_input(fusion: Fusion, num_keypoints: int) -> None:
    network = build_aggpose("aggpose-t", num_keypoints=num_keypoints, fusion=fusion).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 128, 96)).shape == (1, num_keypoints, 32, 24)


def test_the_papers_fusion_adds_a_residual_and_an_ffn() -> None:
    torch.manual_seed(0)
    fusion = build_aggpose("aggpose-t", fusion="paper").get_submodule("stages.1.fusions.1")
    assert isinstance(fusion, LevelFusion)
    assert fusion.down_ffn is not None
    merge = fusion.merge
    for parameter in (merge.fc2.weight, merge.fc2.bias):
        torch.nn.init.zeros_(parameter)
    features = [torch.randn(1, n, c) for n, c in ((3072, 32), (768, 64))]
    own = FeatureMap(features[1], (32, 24))
    merged = fusion(FeatureMap(features[0], (64, 48)), own, None)
    torch.testing.assert_close(merged.tokens, own.tokens)


def test_initialisation_is_the_papers() -> None:
    torch.manual_seed(0)
    network = build_aggpose("aggpose-t")
    block = network.get_submodule("stages.3.branches.3.blocks.0")
    assert isinstance(block, TransformerBlock)
    assert block.mlp.fc1.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert block.mlp.fc1.bias.abs().max() == 0
    depthwise = block.mlp.dwconv.weight  # fan-out: 9 outputs a group
    assert depthwise.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.05)
    embedding = network.get_parameter("stages.1.embed.proj.weight")
    assert embedding.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)


def test_drop_path_drops_whole_samples_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    drop = DropPath(0.25)
    tokens = torch.ones(4000, 2, 3)
    assert drop.eval()(tokens) is tokens
    dropped = drop.train()(tokens)
    each = dropped.flatten(1)
    assert (each == each[:, :1]).all()
    assert each[:, 0].unique().tolist() == pytest.approx([0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)


def test_drop_path_rises_with_depth() -> None:
    network = build_aggpose("aggpose-s")
    rates = [
        block.drop_path.rate
        for level in range(4)
        for block in network.get_submodule(f"stages.{level}.branches.{level}").modules()
        if isinstance(block, TransformerBlock)
    ]
    assert rates == sorted(rates)
    assert rates[0] == 0
    assert rates[-1] == pytest.approx(0.1)


def test_drop_path_can_be_another_than_the_size_has() -> None:
    def highest(rate: float | None) -> float:
        network = build_aggpose("aggpose-t", drop_path_rate=rate)
        return max(one.rate for one in network.modules() if isinstance(one, DropPath))

    assert highest(None) == pytest.approx(0.1)
    assert highest(0.3) == pytest.approx(0.3)
    assert highest(0) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "aggpose-xl"}, "aggpose-t, aggpose-s, aggpose-l, got 'aggpose-xl'"),
        ({"size": "aggpose-t", "input_size_hw": (250, 192)}, r"multiples of 32, got \(250, 192\)"),
        ({"size": "aggpose-t", "num_keypoints": 0}, "at least 1 keypoint, got 0"),
        ({"size": "aggpose-t", "fusion": "mine"}, "released, paper, none, got 'mine'"),
        ({"size": "aggpose-t", "drop_path_rate": 1.0}, "from 0 to below 1, got 1.0"),
    ],
)
def test_networks_that_cannot_be(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build_aggpose(**arguments)  # type: ignore[arg-type]
