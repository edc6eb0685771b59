"""Rows of public weights, and which row of the paper each stands beside, where somebody says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from backbones.errors import UserError, did_you_mean
from backbones.external.families import FAMILIES
from studies.results.paper import recipe_order


def is_imported(recipe: str) -> bool:
    """Whether a row's recipe is the name of public weights, such as ``timm:resnet50d.gluon_in1k``."""
    return recipe.partition(":")[0] in FAMILIES and ":" in recipe


def read_stated_recipes(stated: Iterable[str]) -> dict[str, str]:
    """From WEIGHTS=RECIPE the paper's recipe by the name of the weights.

    Raises:
        UserError: Another form, no recipe of the paper's Tables 8 and 9, or two for the same weights.
    """
    found: dict[str, str] = {}
    for text in stated:
        weights, _, recipe = text.rpartition("=")
        if not is_imported(weights) or recipe not in recipe_order():
            raise UserError(
                f"--beside {text}: write WEIGHTS=RECIPE, as in timm:resnet50d.gluon_in1k=d-mixup; the recipes are "
                f"{', '.join(recipe_order())}"
            )
        if found.setdefault(weights, recipe) != recipe:
            raise UserError(f"--beside {text}: {weights} stands beside {found[weights]} already; leave one of them out")
    return found


def check_stated_recipes(stated_recipes: Iterable[str], recipes: Iterable[str]) -> None:
    """Whether all weights that something is said of have a row.

    Raises:
        UserError: Some have none.
    """
    there = list(dict.fromkeys(filter(is_imported, recipes)))
    for weights in stated_recipes:
        if weights not in there:
            raise UserError(
                f"--beside {weights}=...: there is no row of these weights; {did_you_mean(weights, there)}"
                f"rows of public weights here: {', '.join(there) or 'none'}"
            )


def stated_recipe_notes(recipes: Sequence[str], stated_recipes: Mapping[str, str]) -> list[str]:
    """What is to be told of a comparison's rows of public weights."""
    imported = list(dict.fromkeys(filter(is_imported, recipes)))
    stated = [f"{weights} beside {stated_recipes[weights]}" for weights in imported if weights in stated_recipes]
    others = [weights for weights in imported if weights not in stated_recipes]
    notes = []
    if stated:
        notes.append(
            f"Public weights: {'; '.join(stated)}, because whoever compares says so. Others trained them, and they "
            "differ from the paper's rows in more than the paper's refinements (docs/public_weights.md)."
        )
    if others:
        notes.append(f"Public weights without a row of the paper beside them: {', '.join(others)}.")
    return notes
