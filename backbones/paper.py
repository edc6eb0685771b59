"""The paper's own numbers, read from ``paper.json``.

``paper.json`` is the only place where they are typed: Tables 1 to 9 of arXiv 1812.01187 in both versions, and a list of
the places where the paper contradicts itself.
"""

from __future__ import annotations

import json
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
