"""What a study found of one metric, row by row, as ``comparison.json`` holds it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.wrong_normalisation import SUFFIX

# Weights by their name in a comparison: how a document calls them, and their published top-1 on ImageNet in percent
# (Liu et al. 2020, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog; the table of their
# repository).
WEIGHTS: Mapping[str, tuple[str, float | None]] = {
    "random": ("random", None),
    "timm:tf_efficientnet_lite0.in1k": ("lite0", 75.1),
    "timm:tf_efficientnet_lite1.in1k": ("lite1", 76.7),
    "timm:tf_efficientnet_lite2.in1k": ("lite2", 77.6),
}


@dataclass(frozen=True)
class Found:
    """One row's values of a metric in percent, and its difference from the baseline, which has none.

    ``verdict`` is the comparison's word; ``more_seeds`` how many seeds in all would decide what is not decided.
    """

    name: str
    top1: float | None
    values: tuple[float, ...]
    sd: float | None
    difference: float | None
    interval: tuple[float, float] | None
    verdict: str | None
    more_seeds: int | None

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)


def read_found(folder: Path, metric: str) -> list[Found]:
    """The rows of a study's ``comparison.json`` that have values of a metric, from the least to the greatest."""
    comparison = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    rows = [
        _found(row, row["cells"][metric]) for row in comparison["rows"] if row["cells"].get(metric, {}).get("values")
    ]
    return sorted(rows, key=lambda row: row.mean)


def _found(row: Mapping[str, Any], cell: Mapping[str, Any]) -> Found:
    difference, verdict = cell.get("difference") or {}, cell.get("verdict") or {}
    weights = row["recipe"].partition(" from ")[0]  # then comes the name of the file
    name, top1 = WEIGHTS.get(weights, (row["name"], None))
    if row["recipe"].endswith(SUFFIX):
        name, top1 = f"{name}{SUFFIX}", None
    interval = difference.get("interval")
    return Found(
        name=name,
        top1=top1,
        values=tuple(cell["values"]),
        sd=cell.get("sd"),
        difference=difference.get("value"),
        interval=(interval[0], interval[1]) if interval else None,
        verdict=verdict.get("outcome"),
        more_seeds=verdict.get("seeds_needed"),
    )


def noise(rows: Sequence[Found]) -> float | None:
    """Standard deviation over seeds, pooled over the rows by their degrees of freedom; None where no row has two."""
    spread = [(len(row.values) - 1, row.sd) for row in rows if row.sd is not None and len(row.values) > 1]
    freedom = sum(each for each, _ in spread)
    return (sum(each * sd * sd for each, sd in spread) / freedom) ** 0.5 if freedom else None
