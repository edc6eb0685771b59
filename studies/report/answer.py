"""The answer: of each transfer task, what became of the rows' gains, beside the baseline and beside the paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from backbones.errors import not_none
from backbones.recipes.recipe import RANDOM_RECIPE
from backbones.reporting.numbers import two_digits
from studies.comparison.cells import Cell
from studies.comparison.compare import Comparison, check_comparison
from studies.comparison.deciding import hours_needed
from studies.report.words import joined, label, number, unbroken
from studies.statistics.power import POWER
from studies.statistics.seeds import CONFIDENCE, Difference
from studies.statistics.verdict import (
    CARRIES_OVER,
    DIFFERS,
    MARGIN,
    NO_DIFFERENCE,
    OUTCOMES,
    PAPER_OUTCOMES,
    REVERSES,
    UNDECIDED,
    Verdict,
)
from transfer.catalogue import metric_names, questions

# Of one row, and of several: "2 carry over".
PLURALS = {
    CARRIES_OVER: "carry over",
    REVERSES: "reverse",
    DIFFERS: "differ without a known direction of top-1",
    NO_DIFFERENCE: "show no difference",
    UNDECIDED: "are undecided",
}
SINGULARS = {
    CARRIES_OVER: "carries over",
    REVERSES: "reverses",
    DIFFERS: "differs without a known direction of top-1",
    NO_DIFFERENCE: "shows no difference",
    UNDECIDED: "is undecided",
}
_PERCENT = f"{CONFIDENCE * 100:.0f} %"


def answer(comparison: Comparison) -> list[Markup]:
    """A paragraph per transfer task."""
    return [_paragraph(comparison, task, metric) for task, metric in questions().items()]


def plain_answer(comparison: Comparison) -> list[str]:
    """The same as plain text.

    Raises:
        UserError: It is given something else than a comparison.
    """
    check_comparison("plain_answer", comparison)
    return [paragraph.striptags() for paragraph in answer(comparison)]


def best_place(comparison: Comparison, metric: str, places: Sequence[int] | None = None) -> int | None:
    """The row, of those at these places or of all, with the largest difference from the baseline; None without any."""
    found = [
        (difference.value, -place)
        for place, row in enumerate(comparison.rows)
        if (difference := row.cells[metric].difference) is not None and (places is None or place in places)
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


def _paragraph(comparison: Comparison, task: str, metric: str) -> Markup:
    start = Markup("<strong>{}</strong> ({}): ").format(task.capitalize(), metric_names()[metric])
    compared = [place for place, row in enumerate(comparison.rows) if row.cells[metric].difference is not None]
    if not compared:
        return start + Markup("{}.").format(not_compared(comparison, metric))
    # A trunk that was never pretrained is a control; the question is about the others, where there are any.
    asked = [place for place in compared if comparison.rows[place].recipe != RANDOM_RECIPE] or compared
    sentences = [] if len(asked) == 1 else [_counted(comparison, metric, asked)]
    sentences += [_row_sentence(comparison, metric, asked), _beside(comparison, metric, asked)]
    sentences += [_drops(comparison) if task == "segmentation" else Markup("")]
    return start + Markup(" ").join(sentence for sentence in sentences if sentence)


def _counted(comparison: Comparison, metric: str, places: Sequence[int]) -> Markup:
    """ "Of the 6 rows compared with b-standard, 4 carry over and 2 are undecided." """
    count = Counter(not_none(comparison.rows[place].cells[metric].verdict).outcome for place in places)
    words = [f"{count[each]} {(SINGULARS if count[each] == 1 else PLURALS)[each]}" for each in OUTCOMES if count[each]]
    return Markup("Of the {} rows compared with {}, {}.").format(
        len(places), unbroken(_baseline(comparison)), joined(words)
    )


def _row_sentence(comparison: Comparison, metric: str, places: Sequence[int]) -> Markup:
    """Of one row, or of the best of several: its differences in top-1 and here, with the interval, and the verdict."""
    place = not_none(best_place(comparison, metric, places))
    row, source = comparison.rows[place], f"rows.{place}.cells"
    top1, difference = row.cells["top1"].difference, not_none(row.cells[metric].difference)
    name = Markup("<strong>{}</strong>").format(unbroken(label(row, comparison.rows)))
    if len(places) > 1:
        name = Markup("The best, {}:" if difference.value > 0 else "None is above it; the nearest, {}:").format(name)
    else:
        name = Markup("{} against {}:").format(name, unbroken(_baseline(comparison)))
    gains = [
        Markup("{} points of {}").format(
            number(each.value, f"{source}.{key}.difference.value", "signed"), metric_names()[key]
        )
        for key, each in (("top1", top1), (metric, difference))
        if each is not None
    ]
    joint = Markup(" and " if top1 is None or (top1.value > 0) == (difference.value > 0) else ", but ").join(gains)
    within = _certainty(difference, f"{source}.{metric}.difference", chosen_from=len(places))
    return Markup("{} {} ({}): {}.").format(name, joint, within, _outcome(comparison, place, metric))


def _certainty(difference: Difference, source: str, chosen_from: int) -> Markup:
    """The interval, for the best of several one that allows for the choice, and the seeds."""
    row, baseline = difference.n
    seeds = "1 seed" if row == baseline == 1 else f"{row if row == baseline else f'{row} and {baseline}'} seeds"
    key, ends = ("interval", difference.interval)
    if chosen_from > 1 and difference.simultaneous:
        key, ends = ("simultaneous", difference.simultaneous)
    if ends is None:
        return Markup("{}, without an interval").format(seeds)
    low, high = (number(end, f"{source}.{key}.{place}", "signed") for place, end in enumerate(ends))
    allowing = ", allowing for the choice of the best" if key == "simultaneous" else ""
    return Markup("{}: {} to {}{}; {}").format(_PERCENT, low, high, allowing, seeds)


def _outcome(comparison: Comparison, place: int, metric: str) -> Markup:
    cells = comparison.rows[place].cells
    verdict, top1 = not_none(cells[metric].verdict), cells["top1"].difference
    if verdict.outcome in (CARRIES_OVER, REVERSES):
        subject = "it" if top1 is None else "the gain" if top1.value > 0 else "the loss"
        return Markup("{} <strong>{}</strong>").format(subject, verdict.outcome)
    if verdict.outcome == DIFFERS:
        return Markup("it <strong>differs</strong>, and the direction of top-1 is not known")
    if verdict.outcome == NO_DIFFERENCE:
        return Markup("<strong>no difference</strong>, to within ±{} point").format(f"{MARGIN:g}")
    return Markup("<strong>undecided</strong>{}").format(_needed(comparison, place, metric, verdict))


def _needed(comparison: Comparison, place: int, metric: str, verdict: Verdict) -> Markup:
    """What would decide it: seeds, and the hours of those that are not there yet."""
    row = comparison.rows[place]
    if not_none(row.cells[metric].difference).interval is None:
        return Markup("; two seeds of each row are the least that tell a difference from noise")
    if verdict.seeds_needed is None:
        return Markup("")
    runs = comparison.tree.rows()
    baseline = not_none(comparison.baseline_row)
    hours = hours_needed(verdict, metric, runs[row.recipe, row.network], runs[baseline.recipe, baseline.network])
    source = f"rows.{place}.cells.{metric}.verdict.seeds_needed"
    cost = "" if hours is None else f", {two_digits(hours)} hours of these machines more"
    return Markup("; about {} seeds of both would decide it in {} % of studies{}").format(
        number(verdict.seeds_needed, source, digits=0), f"{POWER * 100:.0f}", cost
    )


def _beside(comparison: Comparison, metric: str, places: Sequence[int]) -> Markup:
    """The paper's differences, where these rows have some."""
    cells = [comparison.rows[place].cells[metric] for place in places]
    judged = [cell for cell in cells if cell.paper_verdict]
    if not judged:
        return Markup("")
    if len(judged) == 1:
        place = next(place for place in places if comparison.rows[place].cells[metric].paper_verdict)
        source = f"rows.{place}.cells.{metric}.paper.difference"
        theirs = number(not_none(judged[0].paper).difference, source, "signed")
        return Markup("Beside the paper's {}: {}.").format(theirs, not_none(judged[0].paper_verdict).outcome)
    return Markup("Beside the paper's {} differences: {}.").format(len(judged), _listed(judged))


def _listed(cells: Sequence[Cell]) -> str:
    """Outcomes beside the paper, and how often each: "2 same sign, smaller; 1 undecided"."""
    count: Mapping[str, int] = Counter(cell.paper_verdict.outcome for cell in cells if cell.paper_verdict)
    return "; ".join(f"{count[each]} {each}" for each in PAPER_OUTCOMES if count[each])


def _baseline(comparison: Comparison) -> str:
    return label(not_none(comparison.baseline_row), comparison.rows)


def _drops(comparison: Comparison) -> Markup:
    """Section 6.2's drops, where they have been measured with more than one seed."""
    judged = [
        row.cells["miou"]
        for row in comparison.drops
        if row.cells["miou"].paper_verdict and not_none(row.cells["miou"].difference).interval
    ]
    if not judged:
        return Markup("")
    reference = comparison.drops[0].reference
    name = next(label(row, comparison.rows) for row in comparison.rows if row.name == reference)
    what = "drop" if len(judged) == 1 else f"{len(judged)} drops"
    return Markup("Beside the paper's {} against {}: {}.").format(what, unbroken(name), _listed(judged))
