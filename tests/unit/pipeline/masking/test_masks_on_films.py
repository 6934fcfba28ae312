"""Masks planned for synthetic films, held against where their heads and bodies truly are."""

import numpy as np
import pytest

from model.spec.head_mask import MOSAIC_CELLS, region_mask
from model.spec.skeleton import load_skeleton
from model.synthetic.film import FilmPlan
from tests.disturbed import (
    DISTURBANCES,
    Truth,
    below_shoulders,
    cut_through_heads,
    film_truth,
    found,
)
from workers.pipeline.masking.plan import MaskSettings
from workers.pipeline.masking.planning import plan_masks

INFANT = load_skeleton("infant21")

FILMS = (
    FilmPlan(seed=40_100, seconds=2.4),
    FilmPlan(seed=40_101, seconds=2.4, portrait=True, variable_rate=True),
    FilmPlan(seed=40_102, seconds=2.4),
)


@pytest.fixture(scope="module")
def truths() -> list[Truth]:
    return [film_truth(plan) for plan in FILMS]


@pytest.mark.parametrize("kind", DISTURBANCES)
def test_no_head_pixel_is_bare(truths: list[Truth], kind: str) -> None:
    disturbance = DISTURBANCES[kind]
    heads = 0
    for seed, whole in enumerate(truths):
        rng = np.random.default_rng(seed)
        truth = cut_through_heads(whole, rng) if disturbance.half_out else whole
        rows, sightings = found(truth, disturbance, INFANT, rng)
        plan = plan_masks(rows, sightings, INFANT, truth.size_wh, MaskSettings())
        for i, head_xy in enumerate(truth.heads_xy):
            if len(head_xy):
                heads += 1
                head = region_mask(head_xy, truth.size_wh)
                assert plan.mask(i, truth.size_wh)[head].all(), f"film {seed}, frame {i}"
                assert np.ptp(head_xy, 0).max() / plan.cell_px[i] <= MOSAIC_CELLS
    assert heads > 100


def test_undisturbed_the_body_stays_clear(truths: list[Truth]) -> None:
    shares = []
    for seed, truth in enumerate(truths):
        rows, sightings = found(
            truth, DISTURBANCES["undisturbed"], INFANT, np.random.default_rng(seed)
        )
        plan = plan_masks(rows, sightings, INFANT, truth.size_wh, MaskSettings())
        for i in range(0, len(plan), 4):
            body = truth.bodies[i] & below_shoulders(truth.keypoints_xy[i], INFANT, truth.size_wh)
            body &= ~region_mask(truth.heads_xy[i], truth.size_wh)
            shares.append((body & ~plan.mask(i, truth.size_wh)).sum() / body.sum())
    assert np.mean(shares) >= 0.8
