"""From the pixels of a crop to what the network takes."""

import torch
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise(crops: Tensor) -> Tensor:
    """Crops uint8 (N, H, W, 3) RGB to what the network takes: float (N, 3, H, W)."""
    mean = torch.tensor(IMAGENET_MEAN, device=crops.device).view(3, 1, 1) * 255
    per_std = 1 / (torch.tensor(IMAGENET_STD, device=crops.device).view(3, 1, 1) * 255)
    return (crops.permute(0, 3, 1, 2).float() - mean) * per_std
