"""Suppression keeps the best of what overlaps, as torchvision's does."""

import torch

from model.training.detector.torchvision_nms import mend_torchvision, suppress_overlaps


def test_the_best_of_what_overlaps_stays() -> None:
    boxes = torch.tensor(
        [[0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30], [0, 0, 10, 5], [5, 5, 5, 5]]
    ).float()
    scores = torch.tensor([0.5, 0.9, 0.3, 0.8, 0.1])
    assert suppress_overlaps(boxes, scores, 0.5).tolist() == [1, 3, 2, 4]
    assert suppress_overlaps(boxes, scores, 0.9).tolist() == [1, 3, 0, 2, 4]
    assert suppress_overlaps(boxes[:0], scores[:0], 0.5).tolist() == []


def test_torchvision_is_importable_and_knows_the_operator() -> None:
    mend_torchvision()
    assert not mend_torchvision()  # the second time there is nothing to mend
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]]).float()
    kept = torch.ops.torchvision.nms(boxes, torch.tensor([0.5, 0.9, 0.3]), 0.5)
    assert kept.tolist() == [1, 2]
