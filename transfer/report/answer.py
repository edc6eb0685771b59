"""The answer, in two sentences: what detection says, and what segmentation says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup, escape

from transfer.cells import METRIC_NAMES, Cell
from transfer.compare import Comparison
from transfer.report.words import interval, joined, number
from transfer.verdict import OUTCOMES, UNDETERMINED

QUESTIONS = {"detection": "voc07_map", "segmentation": "miou"}
_SEVERAL = 2


def answer(comparison: Comparison) -> list[Markup]:
    """One sentence per task of the paper's Section 6."""
    return [_sentence(comparison, task, metric) for task, metric in QUESTIONS.items()]


def best_place(comparison: Comparison, metric: str) -> int | None:
    """The row with the largest difference from the baseline in a metric; None where nothing is compared."""
    found = [
        (row.cells[metric].difference.value, -place)
        for place, row in enumerate(comparison.rows)
        if row.cells[metric].difference is not None
    ]
    return -max(found)[1] if found else None


def _sentence(comparison: Comparison, task: str, metric: str) -> Markup:
    name = METRIC_NAMES[metric]
    place = best_place(comparison, metric)
    if place is None:
        return Markup("{} ({}) has not been compared: no two rows have a finished run.").format(task.capitalize(), name)
    best = comparison.rows[place]
    difference, source = best.cells[metric].difference, f"rows.{place}.cells.{metric}.difference"
    ends = interval(difference.interval, f"{source}.interval", "signed")
    shown = Markup("{} points").format(number(difference.value, f"{source}.value", "signed"))
    if ends:
        shown += Markup(" {}").format(ends)
    best_words = Markup("the best other row, {}, differs from {} by {}").format(best.name, comparison.baseline, shown)
    cells = [row.cells[metric] for row in comparison.rows]
    return Markup("{} {}; {}.").format(
        Markup("On <strong>{}</strong> ({}),").format(task, name), _verdicts(comparison, cells, task), best_words
    )


def _verdicts(comparison: Comparison, cells: Sequence[Cell], task: str) -> Markup:
    judged = [cell for cell in cells if cell.verdict]
    if not judged:
        return escape("the paper has no difference to hold these rows against")
    count = Counter(cell.verdict.outcome for cell in judged)
    few = "each difference" if len(judged) == 1 else f"all {len(judged)} differences"
    if all(cell.difference.pairs < _SEVERAL for cell in judged):
        return escape(f"one seed cannot tell {few if len(judged) > 1 else 'the one difference'} of the paper from noise")
    if len(judged) == 1:
        return escape(f"the one difference of the paper that was measured is {judged[0].verdict.outcome}")
    if set(count) == {UNDETERMINED}:
        return escape(f"all {len(judged)} differences of the paper that were measured are undetermined")
    words = joined([f"{count[outcome]} {outcome}" for outcome in OUTCOMES if count[outcome]])
    text = f"of {len(judged)} differences of the paper from {comparison.baseline}, {words}"
    return escape(text + _losses(comparison, task))


def _losses(comparison: Comparison, task: str) -> str:
    """Section 6.2's losses, where they have been measured with more than one seed."""
    cells = [row.cells["miou"] for row in comparison.losses] if task == "segmentation" else []
    judged = [cell.verdict.outcome for cell in cells if cell.verdict and cell.difference.pairs >= _SEVERAL]
    if not judged:
        return ""
    count = Counter(judged)
    words = joined([f"{count[outcome]} {outcome}" for outcome in OUTCOMES if count[outcome]])
    return f", and of {len(judged)} losses against {comparison.losses[0].reference}, {words}"
