"""The answer, in two sentences: what detection says, and what segmentation says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup, escape

from transfer.cells import METRIC_NAMES, Cell
from transfer.compare import Comparison
from transfer.report.words import interval, joined, label, number, unbroken
from transfer.verdict import NO_DIFFERENCE, OUTCOMES, UNDETERMINED

QUESTIONS = {"detection": "voc07_map", "segmentation": "miou"}
PHRASES = {NO_DIFFERENCE: "no difference here", UNDETERMINED: "undetermined at this number of seeds"}
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
    best, source = comparison.rows[place], f"rows.{place}.cells.{metric}.difference"
    difference = best.cells[metric].difference
    ends = interval(difference.interval, f"{source}.interval", "signed")
    return Markup("On <strong>{}</strong> ({}), {}; the best row, {}, stands at {} points {}.").format(
        task,
        name,
        _verdicts(comparison, [row.cells[metric] for row in comparison.rows], task),
        Markup("<strong>{}</strong>").format(unbroken(label(best, comparison.rows))),
        number(difference.value, f"{source}.value", "signed"),
        ends or "without an interval",
    )


def _verdicts(comparison: Comparison, cells: Sequence[Cell], task: str) -> Markup:
    judged = [cell for cell in cells if cell.verdict]
    if not judged:
        return escape("the paper has no difference to hold these rows against")
    several = f"{len(judged)} differences" if len(judged) > 1 else "one difference"
    differences = Markup("the paper's {} from {}").format(several, unbroken(_baseline(comparison)))
    if all(cell.difference.pairs < _SEVERAL for cell in judged):
        seeds = "without two seeds in common" if any(cell.n >= _SEVERAL for cell in judged) else "with one seed"
        return Markup("{} {} cannot be told from noise").format(seeds, differences)
    return Markup("of {}, {}{}").format(differences, _counted(judged), _losses(comparison, task))


def _counted(cells: Sequence[Cell]) -> str:
    """Outcomes and how often: "2 are reproduced and 3 undetermined at this n"."""
    count = Counter(cell.verdict.outcome for cell in cells)
    found = [(count[outcome], PHRASES.get(outcome, outcome)) for outcome in OUTCOMES if count[outcome]]
    (number_of, words), *others = found
    first = f"{number_of} {'is' if number_of == 1 else 'are'} {words}"
    return joined([first, *(f"{each} {phrase}" for each, phrase in others)])


def _baseline(comparison: Comparison) -> str:
    return next(label(row, comparison.rows) for row in comparison.rows if row.name == comparison.baseline)


def _losses(comparison: Comparison, task: str) -> Markup:
    """Section 6.2's losses, where they have been measured with more than one seed."""
    cells = [row.cells["miou"] for row in comparison.losses] if task == "segmentation" else []
    judged = [cell for cell in cells if cell.verdict and cell.difference.pairs >= _SEVERAL]
    if not judged:
        return Markup("")
    reference = comparison.losses[0].reference
    name = next(label(row, comparison.rows) for row in comparison.rows if row.name == reference)
    losses = f"its {len(judged)} losses" if len(judged) > 1 else "its one loss"
    return Markup(", and of {} against {}, {}").format(losses, unbroken(name), _counted(judged))
