"""A comparison as CSV: a line per row and metric."""

from __future__ import annotations

from typing import Any

from backbones.reporting.csv_text import csv_text
from studies.comparison.cells import Cell
from studies.comparison.compare import Comparison
from studies.comparison.rows import Row
from studies.results.run_record import FIXED, TUNED
from studies.statistics.seeds import Difference
from studies.statistics.verdict import Verdict
from transfer.catalogue import paper_sources

CSV_FIELDS = (
    *("row", "recipe", "network", "metric", "n", "seeds", "mean", "interval_low", "interval_high"),
    *("baseline", "difference", "pairs", "difference_low", "difference_high"),
    *("paper", "paper_difference", "paper_network", "paper_table"),
    *("sd", "images_low", "images_high", "difference_sd", "difference_images_low", "difference_images_high"),
    *("test", "p_value", "p_holm", "simultaneous_low", "simultaneous_high"),
    *("verdict", "margin", "seeds_needed", "paper_verdict", "paper_margin", "paper_seeds_needed"),
)
ARM_FIELDS = ("arm", "search")


def as_csv(comparison: Comparison) -> str:
    """One line per row and metric, with ``CSV_FIELDS``; what is not known is empty.

    Rows of ``Comparison.drops`` have lines of their own, with their reference as the baseline. With tuned runs
    ``ARM_FIELDS`` too: then a row has a line more per metric of a task that has some.
    """
    records = [
        {**_record(comparison.baseline, row, metric, cell), "arm": FIXED}
        for row in comparison.rows
        for metric, cell in row.cells.items()
    ]
    rows = {row.name: row for row in comparison.rows}
    for drop in comparison.drops:
        records += [
            {**_record(drop.reference, rows[drop.name], metric, cell), "arm": FIXED}
            for metric, cell in drop.cells.items()
        ]
    for task in comparison.tuned:
        for row, tuned in zip(comparison.rows, task.rows, strict=True):
            arm = {"arm": TUNED, "search": " ".join(map(str, tuned.searches))}
            records += [_record(comparison.baseline, row, metric, cell) | arm for metric, cell in tuned.cells.items()]
    fields = CSV_FIELDS + ARM_FIELDS if comparison.tuned else CSV_FIELDS
    return csv_text(fields, ([record.get(field) for field in fields] for record in records))


def _record(baseline: str, row: Row, metric: str, cell: Cell) -> dict[str, Any]:
    low, high = cell.interval or (None, None)
    images_low, images_high = cell.image_interval or (None, None)
    return {
        "row": row.name,
        "recipe": row.recipe,
        "network": row.network,
        "metric": metric,
        "n": cell.n,
        "seeds": " ".join(map(str, cell.seeds)),
        "mean": cell.mean,
        "sd": cell.sd,
        "interval_low": low,
        "interval_high": high,
        "images_low": images_low,
        "images_high": images_high,
        "baseline": baseline,
        **(_difference_record(cell.difference) if cell.difference else {}),
        "paper": cell.paper and cell.paper.value,
        "paper_difference": cell.paper and cell.paper.difference,
        "paper_network": row.paper_network if cell.paper else None,
        "paper_table": paper_sources()[metric][0] if cell.paper else None,
        **_verdict_record("", cell.verdict),
        **_verdict_record("paper_", cell.paper_verdict),
    }


def _verdict_record(prefix: str, verdict: Verdict | None) -> dict[str, Any]:
    return {
        f"{prefix}verdict": verdict and verdict.outcome,
        f"{prefix}margin": verdict and verdict.margin,
        f"{prefix}seeds_needed": verdict and verdict.seeds_needed,
    }


def _difference_record(difference: Difference) -> dict[str, Any]:
    low, high = difference.interval or (None, None)
    images_low, images_high = difference.image_interval or (None, None)
    simultaneous_low, simultaneous_high = difference.simultaneous or (None, None)
    return {
        "difference": difference.value,
        "pairs": difference.pairs,
        "difference_sd": difference.spread and difference.spread[2],
        "difference_low": low,
        "difference_high": high,
        "difference_images_low": images_low,
        "difference_images_high": images_high,
        "test": difference.test,
        "p_value": difference.p_value,
        "p_holm": difference.adjusted_p,
        "simultaneous_low": simultaneous_low,
        "simultaneous_high": simultaneous_high,
    }
