"""The paper's own numbers, read from ``paper.json``.

``paper.json`` is the only place that code takes them from: Tables 1 to 9 of arXiv 1812.01187 in both versions, and a
list of the places where the paper contradicts itself. Docstrings of ``backbones.tricks`` quote some of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("paper.json")


@lru_cache(maxsize=1)
def load_paper() -> dict[str, Any]:
    """The whole of ``paper.json``."""
    return json.loads(_FILE.read_text(encoding="utf-8"))


def table_rows(number: int) -> list[dict[str, Any]]:
    """The rows of a table (1 to 9), from top to bottom."""
    return load_paper()["tables"][str(number)]["rows"]


def table_value(cell: Any) -> float | None:
    """The number in a table's cell; where the two versions differ, the single run of arXiv v2, as Tables 8 and 9 do."""
    return cell["B"]["value"] if isinstance(cell, dict) else cell


@dataclass(frozen=True)
class PaperResult:
    """Top-1 in percent that a table of the paper has for one of our recipes on one of our networks."""

    table: int
    label: str
    network: str
    top1: float


def paper_results(recipe: str) -> list[PaperResult]:
    """What Tables 2 to 6 report for a recipe by this project's name, in their order."""
    results = []
    for number in range(2, 7):
        for row in table_rows(number):
            columns = row.get("recipes") or {"top1": row.get("recipe")}
            for column, name in columns.items():
                if name == recipe and (top1 := table_value(row[column])) is not None:
                    results.append(PaperResult(number, row["label"], row["network"], top1))
    return results
