"""Make torchvision importable beside a torch that it was not built for.

torchvision's wheel on the common index is built for torch with CUDA. Beside a CPU build its native
library cannot be loaded, and importing it fails where it describes operators that are then unknown:
`operator torchvision::nms does not exist`. Ultralytics only imports it, and falls back to its `nms`
for detectors that need one. So the operators are declared here, and `nms` is written in torch.
"""

import importlib

import torch
from torch import Tensor

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_libraries: list[torch.library.Library] = []


def mend_torchvision() -> bool:
    """Import torchvision; where it cannot load its operators, declare them first.

    Returns:
        Whether it had to be mended.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    else:
        return False
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    library.impl("nms", suppress_overlaps, "CPU")  # type: ignore[no-untyped-call]
    _libraries.append(library)  # the operators last as long as it does
    boxes = importlib.import_module("torchvision.ops.boxes")
    boxes._assert_has_ops = lambda: None  # type: ignore[attr-defined] # noqa: SLF001
    return True


def suppress_overlaps(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression, as torchvision's `nms`.

    Args:
        boxes: (N, 4) of x1, y1, x2, y2, edges.
        scores: (N,).
        iou_threshold: Boxes that overlap a better one by more are dropped.

    Returns:
        int64 (M,), indices of what stays, best first.
    """
    order = scores.argsort(descending=True, stable=True)
    ranked = boxes[order]
    sides = (ranked[:, 2:] - ranked[:, :2]).clamp(min=0)
    area = sides.prod(1)
    alive = torch.ones(len(ranked), dtype=torch.bool)
    for i in range(len(ranked)):
        if alive[i]:
            corner1 = torch.maximum(ranked[i, :2], ranked[i + 1 :, :2])
            corner2 = torch.minimum(ranked[i, 2:], ranked[i + 1 :, 2:])
            shared = (corner2 - corner1).clamp(min=0).prod(1)
            alive[i + 1 :] &= shared <= iou_threshold * (area[i] + area[i + 1 :] - shared)
    return order[alive]
