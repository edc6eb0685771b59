"""The finding: the page's headline, in one plain sentence, and the row that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backbones.errors import not_none
from backbones.recipes.recipe import RANDOM_RECIPE
from studies.comparison.cells import Cell
from studies.comparison.compare import Comparison
from studies.report.front.zoo import asked_correlations, relation_finding
from studies.report.words import joined, label, signed
from studies.statistics.seeds import Difference
from studies.statistics.verdict import CARRIES_OVER, DIFFERS, NO_DIFFERENCE, REVERSES, UNDECIDED
from transfer.catalogue import metric_names, questions

TOP1 = "top1"
# What a known gain in top-1 does in a task, in the order in which it is told.
_VERBS = {
    CARRIES_OVER: "carry over to {}",
    REVERSES: "reverse in {}",
    NO_DIFFERENCE: "make no difference in {}",
}


def asked_places(comparison: Comparison) -> list[int]:
    """Rows that the question is about: compared with the baseline, and pretrained where any of them was."""
    metrics = (TOP1, *questions().values())
    compared = [
        place
        for place, row in enumerate(comparison.rows)
        if any(row.cells[metric].difference is not None for metric in metrics)
    ]
    return [place for place in compared if comparison.rows[place].recipe != RANDOM_RECIPE] or compared


def focus_place(comparison: Comparison) -> int | None:
    """The row that headline and cards are about; None where nothing is compared.

    It is the one with the largest gain in top-1. No transfer has a say in the choice, so the intervals of the transfers
    need not allow for it. Where no row has a top-1, it is the one with the largest difference in the first metric.
    """
    places = asked_places(comparison)
    for metric in (TOP1, *questions().values()):
        found = [
            (difference.value, -place)
            for place in places
            if (difference := comparison.rows[place].cells[metric].difference) is not None
        ]
        if found:
            return -max(found)[1]
    return None


def finding(comparison: Comparison) -> str:
    """The sentence, without a full stop."""
    if many := asked_correlations(comparison):
        return relation_finding(many)
    place = focus_place(comparison)
    if place is None:
        return _nothing(comparison)
    cells = comparison.rows[place].cells
    name, baseline = (
        label(row, comparison.rows) for row in (comparison.rows[place], not_none(comparison.baseline_row))
    )
    transferred = {task: cells[metric] for task, metric in questions().items() if cells[metric].difference is not None}
    top1 = cells[TOP1].difference
    if not transferred:
        return f"{name}'s {points(not_none(top1))} of top-1 have not been transferred yet"
    if all(not_none(cell.difference).interval is None for cell in transferred.values()):
        return _without_noise(name, baseline, top1, transferred)
    outcomes = {task: not_none(cell.verdict).outcome for task, cell in transferred.items()}
    if top1 is None or DIFFERS in outcomes.values():
        return _of_levels(name, baseline, top1, transferred)
    return _of_gain(f"{name}'s {points(top1)} of top-1", outcomes)


def points(difference: Difference) -> str:
    """ "+2.3 points", with a decimal more where there would be a zero."""
    return f"{_short(difference.value)} points"


def _short(value: float) -> str:
    return signed(value, 1 if abs(value) >= 0.1 else 2)


def _nothing(comparison: Comparison) -> str:
    row = comparison.baseline_row
    if row is None:
        return f"Nothing to compare yet: the baseline, {comparison.baseline}, has no finished run"
    return f"Nothing to compare yet: only the baseline, {label(row, comparison.rows)}, has finished runs"


def _of_gain(subject: str, outcomes: Mapping[str, str]) -> str:
    """What became of a gain, task by task: "... carry over to detection; segmentation is undecided"."""
    told = {outcome: [task for task, each in outcomes.items() if each == outcome] for outcome in _VERBS}
    clauses = [_VERBS[outcome].format(joined(tasks)) for outcome, tasks in told.items() if tasks]
    undecided = [task for task, outcome in outcomes.items() if outcome == UNDECIDED]
    if not clauses:
        return f"Whether {subject} carry over to {joined(undecided)} is undecided"
    opposed = bool(told[CARRIES_OVER]) and len(clauses) > 1
    sentence = f"{subject} {joined(clauses, 'but' if opposed else 'and')}"
    return sentence + (f"; {joined(undecided)} {'is' if len(undecided) == 1 else 'are'} undecided" if undecided else "")


def _of_levels(name: str, baseline: str, top1: Difference | None, transferred: Mapping[str, Cell]) -> str:
    """Where no direction of top-1 is known: how the row stands to the baseline in each task."""
    told = [
        f"{abs(difference.value):.1f} points of {metric_names()[questions()[task]]} "
        f"{'above' if difference.value > 0 else 'below'} {baseline}"
        for task, cell in transferred.items()
        if not_none(cell.verdict).outcome in (CARRIES_OVER, REVERSES, DIFFERS)
        and (difference := not_none(cell.difference))
    ]
    rest = {
        outcome: [task for task, cell in transferred.items() if not_none(cell.verdict).outcome == outcome]
        for outcome in (NO_DIFFERENCE, UNDECIDED)
    }
    clauses = [f"{name} is {joined(told)}"] if told else []
    if rest[NO_DIFFERENCE]:
        clauses.append(f"{'' if told else f'{name} makes '}no difference in {joined(rest[NO_DIFFERENCE])}")
    if rest[UNDECIDED]:
        tasks = joined(rest[UNDECIDED])
        clauses.append(f"undecided in {tasks}" if clauses else f"Whether {name} differs in {tasks} is undecided")
    known = "" if top1 is None else f"; its {points(top1)} of top-1 may be noise"
    return ", ".join(clauses) + known


def _without_noise(name: str, baseline: str, top1: Difference | None, transferred: Mapping[str, Cell]) -> str:
    """Of one seed: the values, and that they may be noise."""
    gains = [(TOP1, top1)] * (top1 is not None)
    gains += [(questions()[task], cell.difference) for task, cell in transferred.items()]
    words: Sequence[str] = [
        f"{_short(not_none(difference).value)} {metric_names()[metric]}" for metric, difference in gains
    ]
    return f"One seed is too few to tell: {name} is at {joined(list(words))} against {baseline}"
