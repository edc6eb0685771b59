"""One row of a comparison: a recipe on a network, and what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
