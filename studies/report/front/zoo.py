"""Many rows: what the headline says of them together, where a line for each would be a tangle."""

from __future__ import annotations

from collections.abc import Sequence

from studies.comparison.compare import Comparison
from studies.comparison.correlations.rank_correlation import Correlation
from studies.report.words import joined, signed
from studies.statistics.spearman import Spearman
from transfer.catalogue import metric_names, questions

MANY = 9  # rows with top-1 and a metric
WITH, AGAINST, OPEN = "goes with top-1", "goes against top-1", "open"
_WAYS = {WITH: "a better", AGAINST: "a worse"}


def asked_correlations(comparison: Comparison) -> list[Correlation]:
    """Those of the metrics that the answer is about, where there are many rows; else none."""
    found = [each for each in comparison.correlations if each.metric in questions().values() and each.ours]
    return found if any(len(each.rows) >= MANY for each in found) else []


def outcome(ours: Spearman | None) -> str:
    """Whether the better top-1 goes with the better metric: by the interval of the rank correlation."""
    if ours is None or ours.interval is None or ours.interval[0] <= 0 <= ours.interval[1]:
        return OPEN
    return WITH if ours.value > 0 else AGAINST


def relation_finding(found: Sequence[Correlation]) -> str:
    """The headline."""
    told: dict[str, list[str]] = {}
    for each in found:
        if each.ours:
            words = f"{metric_names()[each.metric]} (Spearman {signed(each.ours.value)})"
            told.setdefault(outcome(each.ours), []).append(words)
    clauses = [f"a better top-1 goes with {way} {joined(told[key])}" for key, way in _WAYS.items() if key in told]
    if OPEN in told:
        if not clauses:
            return f"Over {_rows(found)} rows, whether a better top-1 transfers better is open: {joined(told[OPEN])}"
        clauses.append(f"for {joined(told[OPEN])} it is open")
    return f"Over {_rows(found)} rows, {'; '.join(clauses)}"


def _rows(found: Sequence[Correlation]) -> int:
    return max(len(each.rows) for each in found)
