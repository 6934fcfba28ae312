"""Which samples at which step."""

from itertools import pairwise

import numpy as np
import pytest

from model.training.pose.plan import Plan, StepBatches, learning_rate
from model.training.pose.recipe import Grid, NetworkPart, OptimiserPart, Phase, Recipe

GRIDS = (
    Grid(input_hw=(64, 64), batch_size=4, share=0.5),
    Grid(input_hw=(96, 96), batch_size=2, share=0.5),
)
RECIPE = Recipe(
    name="r",
    summary="s",
    network=NetworkPart(size="aggpose-t"),
    phases=(
        Phase(steps=30, grids=GRIDS),
        Phase(epochs=2, grids=(Grid(input_hw=(64, 64), batch_size=5),), accumulate=2),
    ),
)


def all_draws(plan: Plan, *, first: int = 0, rank: int = 0) -> list[list[object]]:
    return [list(draws) for draws in StepBatches(plan, first=first, rank=rank)]


def test_a_plan_follows_from_its_seed() -> None:
    assert all_draws(Plan(RECIPE, 17, 3)) == all_draws(Plan(RECIPE, 17, 3))
    assert all_draws(Plan(RECIPE, 17, 3)) != all_draws(Plan(RECIPE, 17, 4))


def test_going_on_gives_what_is_left() -> None:
    plan = Plan(RECIPE, 17, 3)
    first = 32  # in the phase that takes two batches a step
    taken = sum(step.phase.accumulate for step in plan.steps[:first])
    assert all_draws(plan)[taken:] == all_draws(Plan(RECIPE, 17, 3), first=first)


def test_every_pass_takes_every_instance_once() -> None:
    plan = Plan(RECIPE, 17, 3)
    order = [d.instance for step in plan.steps for batch in plan.draws(step, 0) for d in batch]
    for start in range(0, len(order) - 17, 17):
        assert sorted(order[start : start + 17]) == list(range(17))
    seeds = {d.seed for step in plan.steps for batch in plan.draws(step, 0) for d in batch}
    assert len(seeds) == len(order)


def test_processes_share_a_step_without_overlap() -> None:
    plan = Plan(RECIPE, 17, 3, world_size=3)
    for step, following in pairwise(plan.steps):
        seeds = [d.seed for rank in range(3) for batch in plan.draws(step, rank) for d in batch]
        assert len(set(seeds)) == len(seeds) == following.position - step.position


def test_sizes_of_a_phase_are_dealt_by_share() -> None:
    recipe = RECIPE.model_copy(update={"phases": (Phase(steps=400, grids=GRIDS),)})
    large = np.mean([step.grid is GRIDS[1] for step in Plan(recipe, 17, 0).steps])
    assert 0.4 < large < 0.6


def test_epochs_are_passes_over_the_data() -> None:
    recipe = RECIPE.model_copy(update={"phases": (RECIPE.phases[1],)})
    assert len(Plan(recipe, 20, 0).steps) == 4  # 2 passes of 20 by 10 a step


def test_learning_rate_rises_then_falls_by_tenths() -> None:
    part = OptimiserPart(learning_rate=1.0, warm_up_steps=10, milestones=(0.5, 0.9))
    rates = [learning_rate(part, step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert [rates[49], rates[50], rates[89], rates[90]] == pytest.approx([1, 0.1, 0.1, 0.01])


def test_cosine_ends_at_a_hundredth() -> None:
    part = OptimiserPart(learning_rate=1.0, schedule="cosine", warm_up_steps=0)
    rates = [learning_rate(part, step, 1000) for step in range(1001)]
    assert rates[0] == pytest.approx(1)
    assert rates[500] == pytest.approx(0.505)
    assert rates[1000] == pytest.approx(0.01)
    assert all(a > b for a, b in pairwise(rates))
