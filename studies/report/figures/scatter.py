"""Top-1 against a transfer metric: the paper's rows and ours in two panels, because they live on different scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from backbones.recipes.paper import table_rows
from studies.comparison.cells import Interval
from studies.comparison.compare import Comparison
from studies.report.figures.labels import place_labels, shortened
from studies.report.figures.svg import Axes, Drawing, Scale, possible, span
from studies.report.words import label
from studies.statistics.logit_fit import LogitFit, fit_logits
from transfer.catalogue import metric_names, paper_sources

LEAST_POINTS = 2
STEPS = 24  # of a fitted line
LONGEST_NAME = 18


@dataclass(frozen=True)
class Size:
    """Of a panel, in units."""

    width: int
    height: int
    class_: str = ""


SMALL, LARGE = Size(360, 282), Size(440, 420, "relation")


class Spot(NamedTuple):
    """A row in a panel: its name, values in percent, and their intervals."""

    name: str
    x: float
    y: float
    x_interval: Interval | None = None
    y_interval: Interval | None = None


def scatter(comparison: Comparison, metric: str) -> list[tuple[str, Markup]]:
    """Titles and panels, the paper's first; none where fewer than two rows have both numbers."""
    ours = spots(comparison, metric)
    if len(ours) < LEAST_POINTS:
        return []
    theirs = _paper(metric)
    paper = [("paper", panel(theirs, metric, "paper", SMALL))] if theirs else []
    return [*paper, ("these runs", panel(ours, metric, "ours", SMALL))]


def spots(comparison: Comparison, metric: str) -> list[Spot]:
    """The rows that have both top-1 and a metric."""
    found = []
    for row in comparison.rows:
        one, other = row.cells["top1"], row.cells[metric]
        if one.mean is not None and other.mean is not None:
            found.append(Spot(label(row, comparison.rows), one.mean, other.mean, one.interval, other.interval))
    return found


def _paper(metric: str) -> list[Spot]:
    if metric not in paper_sources():
        return []
    number, column = paper_sources()[metric]
    return [Spot(row["recipe"], row["top1"], row[column]) for row in table_rows(number)]


def panel(spots: Sequence[Spot], metric: str, class_: str, size: Size, fit: LogitFit | None = None) -> Markup:
    """One panel: points with their intervals and names, and the fitted relation where there is one."""
    drawing = Drawing(size.width, size.height)
    left, right, top, bottom = 46, size.width - 18, 26, size.height - 46
    across = [end for spot in spots for end in (spot.x, *(spot.x_interval or ()))]
    up = [end for spot in spots for end in (spot.y, *(spot.y_interval or ()))]
    axes = Axes(drawing, Scale(*possible(span(across)), left, right), Scale(*possible(span(up)), bottom, top))
    axes.draw("top-1, %", f"{metric_names()[metric]}, %")
    if fit:
        _draw_fit(axes, fit, min(spot.x for spot in spots), max(spot.x for spot in spots))
    for spot in spots:
        _draw_intervals(axes, spot)
    for spot in spots:
        words = f"{spot.name}: top-1 {spot.x:.2f} %, {metric_names()[metric]} {spot.y:.2f} %"
        tip = Markup("<title>{}</title>").format(words)
        x, y = axes(spot.x, spot.y)
        if class_ == "paper":
            drawing.diamond((x, y), 5, "mark paper", tip)
        else:
            drawing.add("circle", tip, cx=x, cy=y, r=5, class_="mark ours")
    names = [shortened(spot.name, LONGEST_NAME) for spot in spots]
    places = place_labels([axes(spot.x, spot.y) for spot in spots], names, (left, top - 8, right + 14, bottom))
    for name, found in zip(names, places, strict=True):
        if found:
            drawing.text(found[0], name, "label halo", found[1])
    told = "; ".join(f"{spot.name}: {spot.x:.2f}, {spot.y:.2f}" for spot in spots)
    return drawing.render(f"{metric_names()[metric]} over top-1, {class_}. {told}", size.class_)


def _draw_intervals(axes: Axes, spot: Spot) -> None:
    if spot.x_interval:
        low, high = (max(axes.x.low, min(axes.x.high, end)) for end in spot.x_interval)
        axes.drawing.whisker(axes(low, spot.y), axes(high, spot.y), "whisker")
    if spot.y_interval:
        low, high = (max(axes.y.low, min(axes.y.high, end)) for end in spot.y_interval)
        axes.drawing.whisker(axes(spot.x, low), axes(spot.x, high), "whisker")


def _draw_fit(axes: Axes, fit: LogitFit, low: float, high: float) -> None:
    """The line as far as there are points, over the band that it lies in."""
    places = [low + (high - low) * step / STEPS for step in range(STEPS + 1)]

    def clipped(value: float) -> float:
        return max(axes.y.low, min(axes.y.high, value))

    bands = [tuple(map(clipped, fit.band(x))) for x in places]
    outline = [axes(x, band[1]) for x, band in zip(places, bands, strict=True)]
    outline += [axes(x, band[0]) for x, band in reversed(list(zip(places, bands, strict=True)))]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in outline)
    axes.drawing.add("polygon", points=points, class_="band")
    axes.drawing.polyline([axes(x, clipped(fit(x))) for x in places], "fit")


def relation(comparison: Comparison, metric: str) -> tuple[Markup, LogitFit | None]:
    """The front's panel of many rows, and the line in it."""
    ours = spots(comparison, metric)
    fit = fit_logits([spot.x for spot in ours], [spot.y for spot in ours])
    return panel(ours, metric, "ours", LARGE, fit), fit
