"""Samples: labelled infants as crops with keypoints, varied by a seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from model.spec.geometry import CropFrame, Size
from model.spec.head_mask import head_region
from model.spec.skeleton import Skeleton
from model.spec.warp import warp_crop
from model.training.data.folder import Instance, Picture
from model.training.data.pictures import read_rgb
from model.training.pose.augmentation import place, weather
from model.training.pose.recipe import AugmentationPart


class Draw(NamedTuple):
    """One sample to make: which instance, at which size, from which seed."""

    instance: int
    input_hw: tuple[int, int]
    seed: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Batch:
    """N samples.

    Attributes:
        crops: uint8 (N, H, W, 3) RGB.
        keypoints_xy: float32 (N, K, 2) crop px; 0 where unlabelled.
        weights: float32 (N, K): 0 unlabelled or outside the crop, 1 visible, the recipe's
            `occluded` in between.
    """

    crops: Tensor
    keypoints_xy: Tensor
    weights: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same on another device."""
        return Batch(
            self.crops.to(device, non_blocking=True),
            self.keypoints_xy.to(device, non_blocking=True),
            self.weights.to(device, non_blocking=True),
        )


Sample = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]


class PoseSamples(Dataset[Sample]):
    """Instances by number, as varied crops; asked for by `Draw`s."""

    def __init__(
        self,
        instances: Sequence[Instance],
        skeleton: Skeleton,
        augmentation: AugmentationPart,
        *,
        occluded: float,
    ) -> None:
        self.instances = instances
        self.skeleton = skeleton
        self.augmentation = augmentation
        self.occluded = occluded

    def __len__(self) -> int:
        return len(self.instances)

    def __getitem__(self, draw: Draw) -> Sample:
        """One crop (H, W, 3), its keypoints (K, 2) and weights (K,)."""
        instance = self.instances[draw.instance]
        rng = np.random.default_rng(draw.seed)
        height, width = draw.input_hw
        placed = place(instance, self.skeleton, self.augmentation, (width, height), rng)
        crop = cut(instance.picture, placed.frame)
        labelled_xy = instance.labels.keypoints_xy[0]
        points = placed.frame.to_crop(labelled_xy)
        visibility = instance.labels.visibility[0]
        head = instance.head_polygon
        if head is None:
            head = head_region(labelled_xy, self.skeleton, instance.box_xyxy)
        polygon = None if head is None else placed.frame.to_crop(head)
        if placed.mirrored:
            crop, points, visibility, polygon = mirror(
                crop, points, visibility, polygon, self.skeleton
            )
        crop = weather(crop, polygon, self.augmentation, rng)
        weights = np.where(visibility == 1, self.occluded, 1.0)
        weights[(visibility == 0) | ~inside(points, (width, height))] = 0
        return crop, np.nan_to_num(points).astype(np.float32), weights.astype(np.float32)


def cut(picture: Picture, frame: CropFrame) -> NDArray[np.uint8]:
    """Cut a crop, uint8 (H, W, 3) RGB, out of a picture of a data set.

    Where the crop is half as fine as the picture or coarser, a JPEG is decoded at half its size.

    Raises:
        DatasetError: The picture cannot be read, or is not what its labels say.
    """
    if frame.scale < 2 or picture.path.suffix.lower() not in (".jpg", ".jpeg"):
        return warp_crop(read_rgb(picture), frame)
    center_xy = ((frame.center_xy[0] - 0.5) / 2, (frame.center_xy[1] - 0.5) / 2)
    halved = CropFrame(center_xy, (frame.width_px - 1) / 2 + 1, frame.angle_deg, frame.input_wh)
    return warp_crop(read_rgb(picture, halved=True), halved)


def mirror(
    crop: NDArray[np.uint8],
    points: NDArray[np.float64],
    visibility: NDArray[np.uint8],
    polygon: NDArray[np.float64] | None,
    skeleton: Skeleton,
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.uint8], NDArray[np.float64] | None]:
    """A crop in the mirror: x runs the other way, left and right of the infant change names."""
    order, last = skeleton.flip_order, crop.shape[1] - 1
    points = points[order] * (-1, 1) + (last, 0)
    if polygon is not None:
        polygon = polygon * (-1, 1) + (last, 0)
    return np.ascontiguousarray(crop[:, ::-1]), points, visibility[order], polygon


def inside(points: NDArray[np.float64], size_wh: Size) -> NDArray[np.bool_]:
    """Whether points (K, 2) lie on the crop, by half a pixel of its border; NaN does not."""
    return np.asarray(((points >= -0.5) & (points <= np.asarray(size_wh) - 0.5)).all(-1))


def collate(samples: Sequence[Sample]) -> Batch:
    """Samples of one size as a batch."""
    crops, points, weights = (np.stack(part) for part in zip(*samples, strict=True))
    return Batch(torch.from_numpy(crops), torch.from_numpy(points), torch.from_numpy(weights))
