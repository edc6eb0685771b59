"""The answer, in two sentences: what detection says, and what segmentation says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from transfer.cells import METRIC_NAMES, Cell
from transfer.compare import Comparison
from transfer.report.words import interval, joined, label, number, unbroken
from transfer.statistics import Difference
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


def not_compared(comparison: Comparison, metric: str) -> str | None:
    """Why no row has a difference from the baseline in a metric; None where some row has one."""
    if best_place(comparison, metric) is not None:
        return None
    if all(row.cells[metric].mean is None for row in comparison.rows):
        return "there is no finished run"
    row = comparison.baseline_row
    if row is None:
        return f"nothing is compared, because the baseline, {comparison.baseline}, has no finished run"
    if row.cells[metric].mean is None:
        return f"nothing is compared, because the baseline, {_baseline(comparison)}, has no finished run of it"
    return f"nothing is compared, because no row but the baseline, {_baseline(comparison)}, has a finished run"


def _sentence(comparison: Comparison, task: str, metric: str) -> Markup:
    start = Markup("On <strong>{}</strong> ({}), ").format(task, METRIC_NAMES[metric])
    place = best_place(comparison, metric)
    if place is None:
        return start + Markup("{}.").format(not_compared(comparison, metric))
    return start + Markup("{}; {}.").format(_verdicts(comparison, metric, task), _best(comparison, metric, place))


def _best(comparison: Comparison, metric: str, place: int) -> Markup:
    """Where the row with the largest difference stands, and that it is not above the baseline if it is not."""
    best, source = comparison.rows[place], f"rows.{place}.cells.{metric}.difference"
    difference = best.cells[metric].difference
    name, baseline = (unbroken(label(row, comparison.rows)) for row in (best, comparison.baseline_row))
    several = sum(row.cells[metric].difference is not None for row in comparison.rows) > 1
    if not several:
        who = Markup("<strong>{}</strong>").format(name)
    elif difference.value > 0:
        who = Markup("the best row, <strong>{}</strong>,").format(name)
    else:
        who = Markup("no row is above {}, and the nearest, <strong>{}</strong>,").format(baseline, name)
    points = number(difference.value, f"{source}.value", "signed")
    return Markup("{} is {} points from {}{}").format(who, points, baseline, _interval(difference, source))


def _interval(difference: Difference, source: str) -> Markup:
    ends = interval(difference.interval, f"{source}.interval", "signed")
    return Markup(" {}").format(ends) if ends else Markup(", without an interval")


def _verdicts(comparison: Comparison, metric: str, task: str) -> Markup:
    rows = [row for row in comparison.rows if row.cells[metric].verdict]
    judged = [row.cells[metric] for row in rows]
    baseline = unbroken(_baseline(comparison))
    if not judged:
        return Markup("the paper has no difference from {} that these rows could show").format(baseline)
    if len(judged) > 1:
        differences = Markup("the paper's {} differences from {}").format(len(judged), baseline)
    else:
        name = unbroken(label(rows[0], comparison.rows))
        differences = Markup("the paper's difference between {} and {}").format(name, baseline)
    if all(cell.difference.pairs < _SEVERAL for cell in judged):
        seeds = "without two seeds in common" if any(cell.n >= _SEVERAL for cell in judged) else "with one seed per row"
        return Markup("{} nothing can be said of {}").format(seeds, differences)
    if len(judged) == 1:
        return Markup("{} is {}{}").format(differences, _phrase(judged[0].verdict.outcome), _losses(comparison, task))
    return Markup("of {}, {}{}").format(differences, _counted(judged), _losses(comparison, task))


def _phrase(outcome: str) -> str:
    return PHRASES.get(outcome, outcome)


def _counted(cells: Sequence[Cell]) -> str:
    """Outcomes and how often: "2 are reproduced and 3 undetermined at this n"."""
    count = Counter(cell.verdict.outcome for cell in cells)
    found = [(count[outcome], _phrase(outcome)) for outcome in OUTCOMES if count[outcome]]
    (number_of, words), *others = found
    first = f"{number_of} {'is' if number_of == 1 else 'are'} {words}"
    return joined([first, *(f"{each} {phrase}" for each, phrase in others)])


def _baseline(comparison: Comparison) -> str:
    return label(comparison.baseline_row, comparison.rows)


def _losses(comparison: Comparison, task: str) -> Markup:
    """Section 6.2's losses, where they have been measured with more than one seed."""
    cells = [row.cells["miou"] for row in comparison.losses] if task == "segmentation" else []
    judged = [cell for cell in cells if cell.verdict and cell.difference.pairs >= _SEVERAL]
    if not judged:
        return Markup("")
    reference = comparison.losses[0].reference
    name = next(label(row, comparison.rows) for row in comparison.rows if row.name == reference)
    if len(judged) == 1:
        return Markup(", and its one loss against {} is {}").format(unbroken(name), _phrase(judged[0].verdict.outcome))
    return Markup(", and of its {} losses against {}, {}").format(len(judged), unbroken(name), _counted(judged))
