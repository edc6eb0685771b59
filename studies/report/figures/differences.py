"""Bars of the differences from the baseline with their intervals, and the paper's beside each."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from backbones.errors import not_none
from studies.comparison.cells import Cell
from studies.comparison.compare import Comparison
from studies.report.figures.svg import Axes, Drawing, Scale, span, tick_label, ticks
from studies.report.front.finding import asked_places
from studies.report.words import label, signed
from transfer.catalogue import metric_names

WIDTH, ROW = 360, 40
LEFT, RIGHT, TOP = 14, 346, 8


def difference_bars(comparison: Comparison, metric: str) -> Markup | None:
    """All rows that have a difference, with the paper's, on one axis in points; None without any of ours.

    A random trunk is not among them where others are: on its scale they would all look alike.
    """
    shown = [
        (label(row, comparison.rows), row.cells[metric])
        for place, row in enumerate(comparison.rows)
        if row.cells[metric].difference is not None and place in asked_places(comparison)
    ]
    if not shown:
        return None
    bottom = TOP + ROW * len(shown)
    drawing = Drawing(WIDTH, bottom + 40)
    values = [end for _, cell in shown for end in _ends(cell)]
    x = Scale(*span(values, with_zero=True), LEFT, RIGHT)
    axes = Axes(drawing, x, Scale(0, len(shown), TOP, bottom))
    _draw_axis(axes, bottom)
    for place, (name, cell) in enumerate(shown):
        _draw_row(axes, TOP + ROW * place, name, cell)
    words = "; ".join(f"{name} {signed(not_none(cell.difference).value)}" for name, cell in shown)
    return drawing.render(f"Differences from {comparison.baseline} in {metric_names()[metric]}, points. {words}")


def _ends(cell: Cell) -> Sequence[float]:
    difference = not_none(cell.difference)
    paper = [cell.paper.difference] if cell.paper and cell.paper.difference is not None else []
    return [difference.value, *(difference.interval or ()), *(difference.image_interval or ()), *paper]


def _draw_axis(axes: Axes, bottom: float) -> None:
    drawing, x = axes.drawing, axes.x
    for value in ticks(x.low, x.high, 6):
        drawing.line((x(value), TOP), (x(value), bottom), "zero" if value == 0 else "grid")
        drawing.text((x(value), bottom + 16), tick_label(value), "tick", "middle")
    drawing.text(((LEFT + RIGHT) / 2, bottom + 33), "difference from the baseline, points", "title", "middle")


def _draw_row(axes: Axes, top: float, label: str, cell: Cell) -> None:
    drawing, x, difference = axes.drawing, axes.x, not_none(cell.difference)
    middle = top + 26
    start, end = sorted((x(0), x(difference.value)))
    drawing.text((LEFT, top + 13), label, "label halo")
    tip = Markup("<title>{}</title>").format(f"{label}: {signed(difference.value)} points")
    drawing.add("rect", tip, x=start, y=middle - 6, width=max(end - start, 1.0), height=12, class_="bar")
    if difference.image_interval:
        low, high = (x(value) for value in difference.image_interval)
        drawing.line((low, middle), (high, middle), "images")
    if difference.interval:
        drawing.whisker((x(difference.interval[0]), middle), (x(difference.interval[1]), middle), "whisker", 4)
    if cell.paper and cell.paper.difference is not None:
        drawing.diamond((x(cell.paper.difference), middle), 5, "mark paper")
