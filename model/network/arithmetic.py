"""How big a network is: its parameters and its multiply-adds."""

import torch
from torch import Tensor, nn


def count_parameters(network: nn.Module) -> int:
    """Number of trained numbers."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_multiply_adds(network: nn.Module, input_size_hw: tuple[int, int]) -> int:
    """Multiply-adds of the convolutions and linear layers for one crop, as the network is written.

    Attention's two matrix products, norms and activations are left out, as the papers do. Biases
    cost nothing. (The exported graph is rewritten and needs fewer.)
    """
    total = 0

    def add(module: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal total
        weight = module.weight
        assert isinstance(weight, Tensor)  # noqa: S101 - Conv2d and Linear have one
        outputs = output.numel() // weight.shape[0]
        total += weight.numel() * outputs

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(add) for layer in layers]
    device = next(network.parameters()).device
    try:
        with torch.no_grad():
            network(torch.zeros(1, 3, *input_size_hw, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return total
