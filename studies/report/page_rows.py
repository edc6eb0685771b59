"""The rows of the page: those of the comparison, and the paper's that nobody has finished, each with its number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backbones.recipes.recipe import RANDOM_RECIPE
from studies.comparison.compare import Comparison
from studies.comparison.public_weights import is_imported
from studies.comparison.rows import Row
from studies.report.forms.records import Record, Records
from studies.report.marks import MISSING, PARTIAL, Mark, run_marks
from studies.report.words import label
from studies.results.paper import find_row, paper_number, recipe_order
from transfer.catalogue import TASKS


@dataclass(frozen=True)
class PageRow:
    """A row under the number that it has in all tables and figures.

    Attributes:
        number: From 1; None for a row without a finished run, which no figure shows.
        place: In ``Comparison.rows``; None for a row without a finished run.
        row: That row.
        name: Its label, or the name of the paper's recipe.
        recipe: This project's name for it; that of the paper's row which public weights stand beside.
        paper: The paper's numbers by metric; empty where it has no such row.
        gains: Their differences from the paper's row of the baseline's name, where it has one and this is another.
        marks: Task to what is to be said of its runs.
        waiting: Of a row without a finished run, the unfinished ones.
        public: Of public weights, whether they stand beside a row of the paper, in words.
    """

    number: int | None
    place: int | None
    row: Row | None
    name: str
    recipe: str
    paper: dict[str, float]
    gains: dict[str, float]
    marks: dict[str, list[Mark]]
    waiting: tuple[Record, ...] = ()
    public: str = ""


def page_rows(comparison: Comparison, records: Records) -> list[PageRow]:
    """The comparison's rows in their order; where one of them is the paper's, the others of the paper too."""
    rows = [_row(comparison, records, place) for place in range(len(comparison.rows))]
    here, order = {row.recipe for row in rows}, recipe_order()
    finished = {(row.recipe, row.network) for row in comparison.rows}
    absent: dict[str, list[Record]] = {recipe: [] for recipe in order if here & set(order) and recipe not in here}
    for each in records.unfinished:
        if each.run.row not in finished:
            recipe, network = each.run.row
            absent.setdefault(f"{recipe} ({network})" if recipe in here else recipe, []).append(each)
    baseline = comparison.baseline_recipe
    for name, waiting in absent.items():
        row = _absent(name, waiting, baseline)
        rows.insert(_position(rows, row.recipe, order), row)
    return rows


def _position(rows: Sequence[PageRow], recipe: str, order: tuple[str, ...]) -> int:
    """Behind the last of the rows that the paper has before a recipe, or at the end."""
    if recipe not in order:
        return len(rows)
    before = order[: order.index(recipe)]
    first = next((place for place, row in enumerate(rows) if row.recipe in order), len(rows))
    return max((place + 1 for place, row in enumerate(rows) if row.recipe in before), default=first)


def _row(comparison: Comparison, records: Records, place: int) -> PageRow:
    row = comparison.rows[place]
    baseline = comparison.baseline_row
    keys, reference = (row.recipe, row.network), (baseline.recipe, baseline.network) if baseline else None
    marks = {task: run_marks(records, keys, reference, task) for task in TASKS}
    if row.recipe == RANDOM_RECIPE:
        marks["classification"] = []  # a trunk that was never trained has no top-1
    elif row.cells["top1"].mean is not None and not records.of(keys, "classification"):
        marks["classification"] = [Mark(PARTIAL, "as its backbone says")]
    public = ""
    if is_imported(row.recipe):
        public = f"as the paper's {row.stands_for}" if row.stands_for else "public weights, no row of the paper"
    paper, gains = _paper(row.paper_recipe, comparison.baseline_recipe)
    name = label(row, comparison.rows)
    return PageRow(place + 1, place, row, name, row.paper_recipe, paper, gains, marks, public=public)


def _absent(name: str, waiting: Sequence[Record], baseline: str) -> PageRow:
    recipe = waiting[0].run.recipe if waiting else name
    marks = {}
    for task in TASKS:
        seeds = ", ".join(str(each.run.seed) for each in waiting if each.run.task == task)
        marks[task] = [Mark(PARTIAL, f"unfinished: seed {seeds}") if seeds else Mark(MISSING, "not run")]
    paper, gains = _paper(recipe, baseline)
    return PageRow(None, None, None, name, recipe, paper, gains, marks, tuple(waiting))


def _paper(recipe: str, baseline: str) -> tuple[dict[str, float], dict[str, float]]:
    row, reference = find_row(recipe, ""), find_row(baseline, "")
    asked = row.values if row else ()
    numbers = {metric: found for metric in asked if (found := paper_number(metric, row, reference)) is not None}
    gains = {metric: found.difference for metric, found in numbers.items() if found.difference is not None}
    return {metric: found.value for metric, found in numbers.items()}, gains
