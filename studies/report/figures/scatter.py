"""Top-1 against a transfer metric: the paper's rows and ours in two panels, because they live on different scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from backbones.recipes.paper import table_rows
from studies.comparison.cells import Interval
from studies.comparison.compare import Comparison
from studies.report.figures.svg import Axes, Drawing, Point, Scale, span
from transfer.catalogue import metric_names, paper_sources

WIDTH, HEIGHT = 360, 282
LEFT, RIGHT, TOP, BOTTOM = 46, 342, 26, 236
LEAST_POINTS = 2
_AROUND = ((8, -6, "start"), (-8, -6, "end"), (8, 14, "start"), (-8, 14, "end"), (0, -10, "middle"), (0, 19, "middle"))


class Spot(NamedTuple):
    """A row in a panel: its label, values in percent, and their intervals."""

    label: str
    x: float
    y: float
    x_interval: Interval | None = None
    y_interval: Interval | None = None


def scatter(comparison: Comparison, metric: str) -> list[tuple[str, Markup]]:
    """Titles and panels, the paper's first; none where fewer than two rows have both numbers."""
    ours = _ours(comparison, metric)
    if len(ours) < LEAST_POINTS:
        return []
    numbers = {row.paper_recipe: str(place + 1) for place, row in enumerate(comparison.rows)}
    theirs = _paper(metric, numbers)
    paper = [("paper", _panel(theirs, metric, "paper"))] if theirs else []
    return [*paper, ("these runs", _panel(ours, metric, "ours"))]


def _ours(comparison: Comparison, metric: str) -> list[Spot]:
    spots = []
    for place, row in enumerate(comparison.rows):
        one, other = row.cells["top1"], row.cells[metric]
        if one.mean is not None and other.mean is not None:
            spots.append(Spot(str(place + 1), one.mean, other.mean, one.interval, other.interval))
    return spots


def _paper(metric: str, numbers: Mapping[str, str]) -> list[Spot]:
    if metric not in paper_sources():
        return []
    number, column = paper_sources()[metric]
    return [Spot(numbers.get(row["recipe"], ""), row["top1"], row[column]) for row in table_rows(number)]


def _panel(spots: Sequence[Spot], metric: str, class_: str) -> Markup:
    drawing = Drawing(WIDTH, HEIGHT)
    across = [end for spot in spots for end in (spot.x, *(spot.x_interval or ()))]
    up = [end for spot in spots for end in (spot.y, *(spot.y_interval or ()))]
    axes = Axes(drawing, Scale(*span(across), LEFT, RIGHT), Scale(*span(up), BOTTOM, TOP))
    axes.draw("top-1, %", f"{metric_names()[metric]}, %")
    for spot in spots:
        if spot.x_interval:
            drawing.whisker(axes(spot.x_interval[0], spot.y), axes(spot.x_interval[1], spot.y), "whisker")
        if spot.y_interval:
            drawing.whisker(axes(spot.x, spot.y_interval[0]), axes(spot.x, spot.y_interval[1]), "whisker")
    places = [axes(spot.x, spot.y) for spot in spots]
    for place in places:
        if class_ == "paper":
            drawing.diamond(place, 5, "mark paper")
        else:
            drawing.circle(place, 5, "mark ours")
    for spot, (place, anchor) in zip(spots, _label_places(places), strict=True):
        drawing.text(place, spot.label, "label", anchor)
    words = "; ".join(f"row {spot.label or 'not run here'}: {spot.x:.2f}, {spot.y:.2f}" for spot in spots)
    return drawing.render(f"{metric_names()[metric]} over top-1, {class_}. {words}")


def _label_places(points: Sequence[Point]) -> list[tuple[Point, str]]:
    """For each point where its label stands: of the places around it the one with the most room."""
    taken = list(points)
    chosen = []
    for x, y in points:
        others = [point for point in taken if point != (x, y)]

        def room(offset: tuple[int, int, str], x: float = x, y: float = y, others: list[Point] = others) -> float:
            center = (x + offset[0], y + offset[1] - 4)
            inside = LEFT <= center[0] <= RIGHT + 8 and TOP - 8 <= center[1] <= BOTTOM
            nearest = min((abs(center[0] - a) + abs(center[1] - b) for a, b in others), default=99.0)
            return min(nearest, 18.0) if inside else -1.0

        right, down, anchor = max(_AROUND, key=room)
        taken.append((x + right, y + down - 4))
        chosen.append(((x + right, y + down), anchor))
    return chosen
