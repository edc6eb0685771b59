"""Tables 8 and 9 of the paper, by recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backbones.recipes.paper import load_paper, table_rows
from transfer.catalogue import paper_sources


@dataclass(frozen=True)
class PaperNumber:
    """The paper's number, and its difference from the paper's own row of the baseline's name."""

    value: float
    difference: float | None


@dataclass(frozen=True)
class PaperRow:
    """One row of Tables 8 and 9.

    Attributes:
        recipe: This project's name for the row.
        network: The paper's network in it.
        same_network: Whether that is the network that was asked for.
        values: Metric to percent, for the metrics of ``transfer.catalogue.paper_sources``.
    """

    recipe: str
    network: str
    same_network: bool
    values: Mapping[str, float]


def setting() -> str:
    """Network and data of Tables 8 and 9, in words."""
    return load_paper()["paper"]["setting"]


def recipe_order() -> tuple[str, ...]:
    """Recipes of Tables 8 and 9, from top to bottom."""
    return tuple(row["recipe"] for row in table_rows(8))


def find_row(recipe: str, network: str) -> PaperRow | None:
    """The row of Tables 8 and 9 for a recipe; None when the paper has none.

    The paper transfers ResNet-50 only, so another network finds the same row, with ``same_network`` off.
    """
    numbers = {number for number, _ in paper_sources().values()}
    found = {number: row for number in numbers if (row := _find(number, recipe)) is not None}
    if len(found) < len(numbers):
        return None
    values = {metric: found[number][column] for metric, (number, column) in paper_sources().items()}
    theirs = found[8]["network"]
    return PaperRow(recipe, theirs, theirs == network, values)


def paper_number(metric: str, row: PaperRow | None, baseline: PaperRow | None) -> PaperNumber | None:
    """The number of a row, beside that of the baseline's; None where the paper has none."""
    if row is None or metric not in row.values:
        return None
    if baseline is None or baseline.recipe == row.recipe:
        return PaperNumber(row.values[metric], None)
    return PaperNumber(row.values[metric], row.values[metric] - baseline.values[metric])


def _find(number: int, recipe: str) -> dict[str, Any] | None:
    return next((row for row in table_rows(number) if row["recipe"] == recipe), None)
