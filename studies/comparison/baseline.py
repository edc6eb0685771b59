"""Which row the others are compared with, also where no run of it is finished."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from backbones.errors import UserError
from backbones.external.families import FAMILIES
from backbones.recipes.recipe import RANDOM_RECIPE
from studies.results.paper import recipe_order

DEFAULT_BASELINE = "b-standard"
RowKey = tuple[str, str]  # recipe and network


def choose_baseline(names: Mapping[RowKey, str], asked: str | None, unfinished: Iterable[RowKey] = ()) -> RowKey:
    """The row that is meant, which may have no finished run; its network is then empty.

    Args:
        names: Of the rows with finished runs.
        asked: Recipe, or "recipe (network)"; None means ``DEFAULT_BASELINE``.
        unfinished: Rows of runs that are not finished.

    Raises:
        UserError: Several rows are meant, or what was asked for is the name of no row: not of one here, nor of the
            paper, nor of public weights.
    """
    wanted = asked or DEFAULT_BASELINE
    there = ", ".join(f'"{name}"' for name in names.values())
    found = [key for key, name in names.items() if wanted in (name, key[0], f"{key[0]} ({key[1]})")]
    if len(found) > 1:
        raise UserError(f"--baseline {wanted} fits {len(found)} rows; choose one of {there}")
    if found:
        return found[0]
    recipe, network, _ = wanted.partition(" (")
    unfinished = list(unfinished)
    elsewhere = [row for row in (*names, *unfinished) if row[0] == recipe]
    on_no_such_network = network and elsewhere and wanted not in (f"{row[0]} ({row[1]})" for row in elsewhere)
    known = {RANDOM_RECIPE, *recipe_order(), *(recipe for recipe, _ in unfinished)}
    if on_no_such_network or (recipe not in known and recipe.partition(":")[0] not in FAMILIES):
        raise UserError(f"--baseline {asked}: no such row; the rows are {there}")
    return recipe, ""


def missing_note(name: str) -> str:
    """What to tell where the baseline has no finished run."""
    return (
        f'NOT COMPARED: no run of the baseline, the row "{name}", is finished. So there are no differences from it '
        "and no verdicts; every row's own numbers stand."
    )
