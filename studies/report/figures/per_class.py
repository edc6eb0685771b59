"""Which classes gained and which lost: the row that gained most, class by class, against the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from markupsafe import Markup

from backbones.errors import not_none
from studies.comparison.compare import Comparison
from studies.comparison.rows import Row
from studies.report.answer import best_place
from studies.report.figures.svg import Drawing, Scale, span, tick_label, ticks
from studies.report.forms.records import Record, Records
from studies.report.words import label, signed
from transfer.catalogue import TASKS, questions

WIDTH, ROW = 360, 21
LEFT, RIGHT, TOP = 118, 312, 6
MOST_EACH = 8
LONGEST_NAME = 18


class ClassFigure(NamedTuple):
    """A panel: task, the row that is shown, what is measured, the picture, and how many classes it leaves out."""

    task: str
    row: str
    measure: str
    picture: Markup
    left_out: str
    rest: tuple[tuple[str, str], ...]  # the classes that it leaves out, with their changes


def per_class(comparison: Comparison, records: Records) -> list[ClassFigure]:
    """A panel for each task whose runs hold results per class."""
    figures = []
    baseline = comparison.baseline_row
    for task, metric in questions().items():
        place = best_place(comparison, metric)
        measured = TASKS[task].per_class
        if place is None or measured is None:
            continue
        best, (key, measure) = comparison.rows[place], measured
        changes = _changes(_of(best, task, records), _of(not_none(baseline), task, records), key)
        if changes:
            order = sorted(changes, key=lambda name: -changes[name])
            cut = [*order[:MOST_EACH], *order[-MOST_EACH:]] if len(order) > 2 * MOST_EACH else order
            left_out = f"{len(order) - len(cut)} of {len(order)} classes, in between" * (cut != order)
            rest = tuple((name, signed(changes[name], 1)) for name in order if name not in cut)
            picture = _draw({name: changes[name] for name in cut}, measure)
            figures.append(ClassFigure(task, label(best, comparison.rows), measure, picture, left_out, rest))
    return figures


def _of(row: Row, task: str, records: Records) -> list[Record]:
    return records.of((row.recipe, row.network), task)


def _changes(mine: Sequence[Record], baseline: Sequence[Record], key: str) -> dict[str, float]:
    """Class to the difference of the means over the seeds that both have, or over all where they share none."""
    shared = {each.run.seed for each in mine} & {each.run.seed for each in baseline}
    sides = [[each for each in side if each.run.seed in shared or not shared] for side in (mine, baseline)]
    ours, theirs = (_means(side, key) for side in sides)
    return {name: ours[name] - theirs[name] for name in ours if name in theirs}


def _means(records: Sequence[Record], key: str) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for each in records:
        for name, measured in (each.find("per_class", dict) or {}).items():
            value = measured.get(key) if isinstance(measured, dict) else None
            if isinstance(value, (int, float)):
                values.setdefault(name, []).append(value)
    return {name: fmean(found) for name, found in values.items()}


def _draw(changes: dict[str, float], measure: str) -> Markup:
    bottom = TOP + ROW * len(changes)
    drawing = Drawing(WIDTH, bottom + 38)
    x = Scale(*span(changes.values(), with_zero=True), LEFT, RIGHT)
    for value in ticks(x.low, x.high, 4):
        drawing.line((x(value), TOP), (x(value), bottom), "zero" if value == 0 else "grid")
        drawing.text((x(value), bottom + 15), tick_label(value), "tick", "middle")
    drawing.text(((LEFT + RIGHT) / 2, bottom + 32), f"difference in {measure}, points", "title", "middle")
    for place, (name, change) in enumerate(changes.items()):
        middle = TOP + ROW * (place + 0.5)
        start, end = sorted((x(0), x(change)))
        drawing.text((LEFT - 8, middle + 4), _cut(name), "", "end")
        drawing.add(
            "rect",
            x=start,
            y=middle - 6,
            width=max(end - start, 1.0),
            height=12,
            class_="bar" if change > 0 else "bar loss",
        )
        drawing.text((WIDTH - 2, middle + 4), signed(change, 1), "tick", "end")
    words = "; ".join(f"{name} {signed(change, 1)}" for name, change in changes.items())
    return drawing.render(f"Change of {measure} by class, points. {words}")


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
