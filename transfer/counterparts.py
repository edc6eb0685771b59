"""Rows of public weights, and which row of the paper each stands beside, where somebody says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from backbones.errors import UserError
from backbones.external.families import FAMILIES
from transfer.paper import recipe_order


def is_imported(recipe: str) -> bool:
    """Whether a row's recipe is the name of public weights, such as ``timm:resnet50d.gluon_in1k``."""
    return recipe.partition(":")[0] in FAMILIES and ":" in recipe


def read_counterparts(stated: Iterable[str]) -> dict[str, str]:
    """From WEIGHTS=RECIPE the paper's recipe by the name of the weights.

    Raises:
        UserError: Another form, or no recipe of the paper's Tables 8 and 9.
    """
    found = {}
    for text in stated:
        weights, _, recipe = text.rpartition("=")
        if not is_imported(weights) or recipe not in recipe_order():
            raise UserError(
                f"--beside {text}: write WEIGHTS=RECIPE, as in timm:resnet50d.gluon_in1k=d-mixup; the recipes are "
                f"{', '.join(recipe_order())}"
            )
        found[weights] = recipe
    return found


def counterpart_notes(recipes: Sequence[str], counterparts: Mapping[str, str]) -> list[str]:
    """What is to be told of a comparison's rows of public weights."""
    imported = list(dict.fromkeys(filter(is_imported, recipes)))
    stated = [f"{weights} beside {counterparts[weights]}" for weights in imported if weights in counterparts]
    others = [weights for weights in imported if weights not in counterparts]
    notes = []
    if stated:
        notes.append(
            f"Public weights: {'; '.join(stated)}, because whoever compares says so. Others trained them, and they "
            "differ from the paper's rows in more than the paper's refinements (docs/public_weights.md)."
        )
    if others:
        notes.append(f"Public weights without a row of the paper beside them: {', '.join(others)}.")
    return notes
