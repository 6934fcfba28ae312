"""The rewritten network is the same function."""

import pytest
import torch

from model.export.fused import folding_pays, fuse
from model.network.aggpose import build_aggpose
from model.network.sizes import Fusion


@pytest.mark.parametrize(
    ("fusion", "input_hw"),
    [("released", (256, 192)), ("paper", (256, 192)), ("released", (384, 288))],
)
def test_same_heatmaps_as_written(fusion: Fusion, input_hw: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = build_aggpose("aggpose-t", fusion=fusion, input_size_hw=input_hw).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
        pictures = torch.randn(2, 3, *input_hw)
        written, rewritten = network(pictures), fuse(network)(pictures)
    assert written.std() > 0.01  # there is something to compare
    torch.testing.assert_close(rewritten, written, rtol=0, atol=1e-5)


def test_fusing_changes_nothing_in_the_network() -> None:
    network = build_aggpose("aggpose-t").eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fuse(network)
    assert all(torch.equal(network.state_dict()[name], t) for name, t in before.items())


def test_folding_pays_where_heads_are_few_and_queries_many() -> None:
    assert folding_pays(32, 1, 3072, 48)
    assert folding_pays(128, 2, 768, 48)
    assert not folding_pays(320, 5, 192, 48)
    assert not folding_pays(512, 8, 48, 48)
