"""The plan of a run: which samples at which step. It follows from the recipe and a seed alone.

A run that goes on after a break asks the plan for the steps that are left and gets what an
unbroken one would have had.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.training.pose.recipe import Grid, OptimiserPart, Phase, Recipe
from model.training.pose.samples import Draw


@dataclass(frozen=True)
class Step:
    """One optimiser step: its phase, its crop size, and its number from 0."""

    number: int
    phase: Phase
    grid: Grid
    position: int
    """Samples drawn before this step, all processes together."""


@dataclass(frozen=True)
class Plan:
    """All steps of a run.

    Attributes:
        recipe: What to do.
        num_instances: Of the training set.
        seed: Of everything random.
        world_size: Processes that share each step.
    """

    recipe: Recipe
    num_instances: int
    seed: int
    world_size: int = 1

    @cached_property
    def steps(self) -> list[Step]:
        """The steps in order."""
        steps: list[Step] = []
        position = 0
        for number, phase in enumerate(self.recipe.phases):
            shares = np.array([grid.share for grid in phase.grids])
            rng = np.random.default_rng([self.seed, 11, number])
            target = None if phase.epochs is None else phase.epochs * self.num_instances
            first, done = position, 0
            while (done < phase.steps) if phase.steps else (position - first < (target or 0)):
                grid = phase.grids[int(rng.choice(len(shares), p=shares / shares.sum()))]
                steps.append(Step(len(steps), phase, grid, position))
                position += grid.batch_size * phase.accumulate * self.world_size
                done += 1
        return steps

    def draws(self, step: Step, rank: int) -> list[list[Draw]]:
        """What one process takes at a step: one list of samples for each batch accumulated."""
        size, each = step.grid.batch_size, step.grid.batch_size * step.phase.accumulate
        start = step.position + rank * each
        places = range(start, start + each)
        draws = [
            Draw(self._instance(place), step.grid.input_hw, (self.seed, 13, place))
            for place in places
        ]
        return [draws[i : i + size] for i in range(0, each, size)]

    def _instance(self, place: int) -> int:
        """The instance at a place in the endless sequence of shuffled passes."""
        pass_number, index = divmod(place, self.num_instances)
        return int(self._order(pass_number)[index])

    def _order(self, pass_number: int) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
        if pass_number not in self._orders:
            while len(self._orders) > 3:
                self._orders.pop(next(iter(self._orders)))
            rng = np.random.default_rng([self.seed, 12, pass_number])
            self._orders[pass_number] = rng.permutation(self.num_instances)
        return self._orders[pass_number]

    @cached_property
    def _orders(self) -> dict[int, "np.ndarray[tuple[int], np.dtype[np.intp]]"]:
        return {}


class StepBatches:
    """The batches of the steps from one on, for a data loader's `batch_sampler`."""

    def __init__(self, plan: Plan, *, first: int, rank: int) -> None:
        self.plan, self.first, self.rank = plan, first, rank

    def __iter__(self) -> Iterator[list[Draw]]:
        """One list of draws a batch, in order."""
        for step in self.plan.steps[self.first :]:
            yield from self.plan.draws(step, self.rank)

    def __len__(self) -> int:
        return sum(step.phase.accumulate for step in self.plan.steps[self.first :])


def learning_rate(part: OptimiserPart, step: int, total: int) -> float:
    """The learning rate of a step, counted from 0."""
    rate = part.learning_rate
    if step < part.warm_up_steps:
        return rate * (step + 1) / part.warm_up_steps
    if part.schedule == "steps":
        passed = sum(step >= milestone * total for milestone in part.milestones)
        return float(rate * 0.1**passed)
    progress = (step - part.warm_up_steps) / max(1, total - part.warm_up_steps)
    return float(rate * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * progress))))
