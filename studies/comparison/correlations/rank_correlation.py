"""Do the rows with the better top-1 transfer better? Spearman's rank correlation over the rows, and the paper's.

Both the test and the interval count rows, at one seed too, and can be given for the paper's own tables. They take the
rows for exchangeable: a sample of ways to train that have nothing to do with each other. The rows of Tables 8 and 9 are
not, because each refinement is stacked on the one before, and two columns that grow step by step agree more often than
chance has it (docs/simulations.md says how often). Of such rows the correlation describes whether the two orders agree,
and p is no evidence. Noise between seeds blurs the ranks and pulls a correlation towards 0; nothing here corrects that.

- p: exact, over all orders of one column, two-sided (up to ``MOST_PERMUTED`` rows; above, the usual t approximation).
- Interval: Fisher's z with the variance of D. Bonett and T. Wright, Sample size requirements for estimating Pearson,
  Kendall and Spearman correlations, Psychometrika 65 (2000): (1 + r² / 2) / (n - 3). A correlation of ±1 has no z; it
  is taken half of the smallest step between two correlations short of it, and the interval then reaches to ±1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backbones.recipes.paper import table_rows
from studies.comparison.cells import Cell
from studies.statistics.kendall import Kendall, kendall
from studies.statistics.spearman import LEAST_ROWS, Spearman, spearman
from transfer.catalogue import paper_sources


@dataclass(frozen=True)
class Correlation:
    """Of one metric with top-1.

    Attributes:
        metric: Its key.
        rows: Names of the rows that have both.
        ours: Over those; None when they are too few, or one column is all the same.
        paper: Over all rows of the paper's table; None for a metric that it does not have.
        paper_same_rows: The paper's over those recipes only that ``rows`` has too.
        kendall: Ours by Kendall's measure, which counts pairs of rows.
    """

    metric: str
    rows: tuple[str, ...]
    ours: Spearman | None
    paper: Spearman | None
    paper_same_rows: Spearman | None
    kendall: Kendall | None = None


def correlations(rows: Mapping[str, tuple[str, Mapping[str, Cell]]]) -> tuple[Correlation, ...]:
    """Every metric that at least ``LEAST_ROWS`` rows have together with top-1.

    Args:
        rows: By name: recipe, and cells by metric.
    """
    found = []
    for metric in next(iter(rows.values()))[1] if rows else ():
        both = {
            name: (recipe, cells["top1"].mean, cells[metric].mean)
            for name, (recipe, cells) in rows.items()
            if cells["top1"].mean is not None and cells[metric].mean is not None
        }
        if metric == "top1" or len(both) < LEAST_ROWS:
            continue
        recipes, top1, values = zip(*both.values(), strict=True)
        ours = spearman(top1, values)
        theirs = paper_spearman(metric), paper_spearman(metric, recipes)
        found.append(Correlation(metric, tuple(both), ours, *theirs, kendall(top1, values)))
    return tuple(found)


def paper_spearman(metric: str, recipes: Sequence[str] | None = None) -> Spearman | None:
    """The paper's own correlation of a metric with top-1, over its rows of those recipes, or all its rows."""
    if metric not in paper_sources():
        return None
    number, column = paper_sources()[metric]
    rows = [row for row in table_rows(number) if recipes is None or row["recipe"] in recipes]
    return spearman([row["top1"] for row in rows], [row[column] for row in rows])
