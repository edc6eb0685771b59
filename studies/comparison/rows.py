"""One row of a comparison: a recipe on a network, and what was measured of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from backbones.errors import UserError, did_you_mean
from studies.comparison.cells import Cell


@dataclass(frozen=True)
class Row:
    """One recipe on one network; ``runs`` are paths of result files below the compared folder.

    ``settings`` are those of its classification runs, each with its different values. ``stands_for`` is the paper's
    recipe that public weights stand beside.
    """

    name: str
    recipe: str
    network: str
    paper_network: str | None
    cells: dict[str, Cell]
    runs: tuple[str, ...]
    settings: dict[str, list[Any]]
    stands_for: str | None = None

    @property
    def paper_recipe(self) -> str:
        """The recipe to look for in the paper."""
        return self.stands_for or self.recipe


def read_row_names(said: Iterable[str]) -> dict[str, str]:
    """From RECIPE=NAME what a row is to be called, by its recipe.

    Raises:
        UserError: Another form, or two names for a row.
    """
    found: dict[str, str] = {}
    for text in said:
        recipe, _, name = text.rpartition("=")
        if not recipe or not name.strip():
            raise UserError(f"--call {text}: write RECIPE=NAME, as in timm:resnet50d.gluon_in1k=ours")
        if found.setdefault(recipe, name) != name:
            raise UserError(f"--call {text}: {recipe} is called {found[recipe]} already; leave one of them out")
    return found


def call_rows(
    names: Mapping[tuple[str, str], str], called: Mapping[str, str], elsewhere: Iterable[tuple[str, str]] = ()
) -> dict[tuple[str, str], str]:
    """The names of rows, with those that somebody gives in place of their own.

    Args:
        names: By recipe and network.
        called: By recipe, for all its networks.
        elsewhere: Rows that may be called something though they are not among ``names``.

    Raises:
        UserError: There is no such row, or two rows would have one name.
    """
    known = list(dict.fromkeys(recipe for recipe, _ in (*names, *elsewhere)))
    for recipe, name in called.items():
        if recipe not in known:
            raise UserError(
                f"--call {recipe}={name}: no such row; {did_you_mean(recipe, known)}the recipes are {', '.join(known)}"
            )
    found = {key: called.get(key[0], name) for key, name in names.items()}
    for name in found.values():
        rows = [names[key] for key in found if found[key] == name]
        if len(rows) > 1:
            raise UserError(f"--call: {' and '.join(rows)} would both be called {name}; give one of them another name")
    return found
