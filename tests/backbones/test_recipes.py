"""The recipes, against the paper's text."""

from __future__ import annotations

from dataclasses import asdict

from pytest import mark, raises

from backbones.errors import UserError
from backbones.recipes import RECIPES, find_recipe, recipe_list


def changes(base: str, refined: str) -> dict[str, object]:
    """Settings in which two recipes differ, apart from how they are described."""
    old, new = asdict(find_recipe(base)), asdict(find_recipe(refined))
    return {key: new[key] for key in new if new[key] != old[key] and key not in ("name", "summary", "paper")}


def test_baseline_is_section_2() -> None:
    recipe = find_recipe("b-standard")
    assert (recipe.epochs, recipe.batch_size, recipe.base_learning_rate) == (120, 256, 0.1)
    assert (recipe.schedule, recipe.milestones, recipe.warmup_epochs) == ("step", (30, 60, 90), 0)
    assert (recipe.linear_scaling, recipe.zero_gamma, recipe.no_bias_decay) == (False, False, False)
    assert recipe.label_smoothing == 0.0


def test_efficient_is_the_baseline_with_the_heuristics_of_section_3() -> None:
    assert changes("b-standard", "d-efficient") == {
        "batch_size": 1024,
        "warmup_epochs": 5,
        "linear_scaling": True,
        "zero_gamma": True,
        "no_bias_decay": True,
        "precision": "fp16",
    }


def test_each_further_row_adds_one_refinement() -> None:
    assert changes("d-efficient", "d-cosine") == {"schedule": "cosine", "milestones": ()}
    assert changes("d-cosine", "d-smooth") == {"label_smoothing": 0.1}


@mark.parametrize("name", RECIPES)
def test_momentum_and_weight_decay_are_gluoncvs(name: str) -> None:
    recipe = find_recipe(name)
    assert (recipe.momentum, recipe.weight_decay) == (0.9, 1e-4)
    assert recipe.name == name


def test_unknown_recipe_lists_the_known_ones() -> None:
    with raises(UserError, match=r"'d-smoth'.*b-standard, d-efficient, d-cosine, d-smooth"):
        find_recipe("d-smoth")


def test_list_names_every_recipe() -> None:
    assert [line.split()[0] for line in recipe_list().splitlines()[::2]] == list(RECIPES)
