"""The front's cards: difference, interval and verdict of the row that the headline is about, metric by metric."""

from __future__ import annotations

from markupsafe import Markup

from backbones.errors import not_none
from studies.comparison.compare import Comparison
from studies.report.answer import not_compared
from studies.report.front.card import Card
from studies.report.front.finding import TOP1, focus_place
from studies.report.front.zoo import asked_correlations
from studies.report.front.zoo_cards import zoo_cards
from studies.report.words import number
from studies.statistics.seeds import CONFIDENCE, Difference
from studies.statistics.verdict import DIFFERS
from transfer.catalogue import metric_names, questions

_PERCENT = f"{CONFIDENCE * 100:.0f} %"


def cards(comparison: Comparison) -> list[Card]:
    """One for top-1 and one for each transfer."""
    if many := asked_correlations(comparison):
        return zoo_cards(comparison, many)
    place = focus_place(comparison)
    metrics = {"classification": TOP1, **questions()}
    return [_card(comparison, place, task, metric) for task, metric in metrics.items()]


def _card(comparison: Comparison, place: int | None, task: str, metric: str) -> Card:
    name = metric_names()[metric]
    cell = None if place is None else comparison.rows[place].cells[metric]
    if cell is None or cell.difference is None:
        reason = not_compared(comparison, metric) or "this row has no finished run of it"
        return Card(task, name, None, Markup(""), None, "", "", Markup(""), reason)
    source = f"rows.{place}.cells.{metric}"
    difference, verdict = cell.difference, not_none(cell.verdict)
    outcome = verdict.outcome
    if metric == TOP1 and outcome == DIFFERS:
        outcome = "gain" if difference.value > 0 else "loss"
    paper = Markup("")
    if cell.paper and cell.paper.difference is not None:
        theirs = number(cell.paper.difference, f"{source}.paper.difference", "signed")
        beside = f": {cell.paper_verdict.outcome}" if cell.paper_verdict else ""
        paper = Markup("paper {}{}").format(theirs, beside)
    value = number(difference.value, f"{source}.difference.value", "signed")
    certainty = _certainty(difference, f"{source}.difference")
    return Card(task, name, value, certainty, verdict, outcome, f"{source}.verdict", paper)


def _certainty(difference: Difference, source: str) -> Markup:
    row, baseline = difference.n
    seeds = f"{row} seed{'s' * (row != 1)}" if row == baseline else f"{row} and {baseline} seeds"
    if difference.interval is None:
        return Markup("no interval; {}").format(seeds)
    low, high = (number(end, f"{source}.interval.{side}", "signed") for side, end in enumerate(difference.interval))
    return Markup("{}: {} to {} · {}").format(_PERCENT, low, high, seeds)
