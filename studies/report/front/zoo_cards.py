"""The front's cards where there are many rows: the range of top-1, and how each metric's ranks go with it."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from studies.comparison.compare import Comparison
from studies.comparison.correlations.rank_correlation import Correlation
from studies.report.front.card import Card
from studies.report.front.zoo import outcome
from studies.report.words import number, plain
from studies.statistics.seeds import CONFIDENCE
from transfer.catalogue import metric_names, questions

_PERCENT = f"{CONFIDENCE * 100:.0f} %"


def zoo_cards(comparison: Comparison, found: Sequence[Correlation]) -> list[Card]:
    """Of top-1 its range, of each metric its rank correlation with it."""
    levels = [mean for row in comparison.rows if (mean := row.cells["top1"].mean) is not None]
    seeds = max(row.cells["top1"].n for row in comparison.rows)
    extent = Markup(f"{plain(min(levels), 1)} to {plain(max(levels), 1)}")
    rows = Markup(f"over {len(levels)} rows, {seeds} seed{'s' * (seeds != 1)} at most")
    top1 = Card("classification", metric_names()["top1"], extent, rows, None, "", "", Markup(""), unit="%")
    names = {metric: task for task, metric in questions().items()}
    return [top1, *(_card(comparison, each, names[each.metric]) for each in found)]


def _card(comparison: Comparison, each: Correlation, task: str) -> Card:
    source = f"correlations.{comparison.correlations.index(each)}"
    name = metric_names()[each.metric]
    if each.ours is None:
        return Card(task, name, None, Markup(""), None, "", "", Markup(""), "all rows have the same")
    certainty = Markup("no interval")
    if each.ours.interval:
        ends = [number(end, f"{source}.ours.interval.{side}", "signed") for side, end in enumerate(each.ours.interval)]
        certainty = Markup("{}: {} to {} · {} rows").format(_PERCENT, *ends, len(each.rows))
    beside = []
    if each.kendall:
        beside.append(Markup("Kendall {}").format(number(each.kendall.value, f"{source}.kendall.value", "signed")))
    if each.paper:
        beside.append(Markup("paper's Spearman {}").format(number(each.paper.value, f"{source}.paper.value", "signed")))
    value = number(each.ours.value, f"{source}.ours.value", "signed")
    words = outcome(each.ours)
    return Card(task, name, value, certainty, None, words, source, Markup(" · ").join(beside), unit="Spearman")
