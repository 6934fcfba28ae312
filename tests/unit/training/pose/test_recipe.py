"""Recipe files."""

import pytest

from model.spec.errors import RecipeError
from model.training.pose.commands import shortened
from model.training.pose.recipe import load_recipe, parse_recipe, shipped_recipes

SMALL = 'name = "n"\nsummary = "s"\n[network]\nsize = "aggpose-t"\n'


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_reads_and_bears_its_name(name: str) -> None:
    assert load_recipe(name).name == name


def test_the_papers_chain_is_there() -> None:
    starts = [
        load_recipe(name).network.start for name in shipped_recipes() if name.startswith("paper-")
    ]
    assert starts == ["mit", "plain", "checkpoint", "checkpoint", "checkpoint"]
    assert load_recipe("paper-e-infants").optimiser.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("not toml at all [", "TOML"),
        (SMALL, "phases"),
        (SMALL + "[[phases]]\nsteps = 1\nepochs = 1\n", "either steps or epochs"),
        (SMALL + "[[phases]]\nsteps = 1\nspeed = 2\n", "speed"),
        (SMALL + "drop_path = 1.0\n[[phases]]\nsteps = 1\n", "drop_path"),
        (
            SMALL + "[[phases]]\nsteps = 1\n[[phases.grids]]\ninput_hw = [100, 96]\n",
            "multiple of 32",
        ),
        (SMALL.replace("aggpose-t", "same") + "[[phases]]\nsteps = 1\n", "checkpoint"),
    ],
)
def test_what_is_wrong_is_named(text: str, named: str) -> None:
    with pytest.raises(RecipeError, match=named):
        parse_recipe(text, "mine.toml")


def test_unknown_recipe_names_the_known() -> None:
    with pytest.raises(RecipeError, match=r"paper-a-mix-transformer.*no-such"):
        load_recipe("no-such")


def test_shortened_keeps_shares_and_leaves_a_step() -> None:
    recipe = load_recipe("infant-t-cpu")
    short = shortened(recipe, 0.01)
    assert [phase.steps for phase in short.phases] == [
        round((phase.steps or 0) * 0.01) for phase in recipe.phases
    ]
    assert [phase.steps for phase in shortened(recipe, 1e-6).phases] == [1] * len(recipe.phases)
    assert short.optimiser.warm_up_steps == 2
