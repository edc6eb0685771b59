"""The front's figure: of each row the gain in top-1, in mAP and in mIoU, joined by a line, the paper's pale behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from backbones.errors import not_none
from studies.comparison.compare import Comparison
from studies.comparison.rows import Row
from studies.report.figures.labels import LINE, apart, shortened
from studies.report.figures.svg import Drawing, Point, Scale, tick_label, ticks
from studies.report.front.finding import TOP1, asked_places, focus_place
from studies.report.words import label, signed
from studies.statistics.seeds import CONFIDENCE, Difference
from studies.statistics.verdict import differs
from transfer.catalogue import metric_names, questions

COLORS = 8
LEAST_SPAN, MOST_WHISKER = 0.5, 2.0  # points; and how much longer than the largest difference an interval is drawn


@dataclass(frozen=True)
class Format:
    """Sizes of a drawing in units, one for a screen and one for a phone."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    longest: int  # letters of a name
    dodge: float  # between the rows at one station
    class_: str


WIDE = Format(800, 462, 40, 648, 48, 452, 22, 11.0, "wide")
NARROW = Format(372, 390, 30, 270, 46, 380, 13, 6.0, "narrow")


@dataclass(frozen=True)
class Line:
    """A row: its name, colour, differences by station, and the paper's."""

    name: str
    color: int
    differences: tuple[Difference | None, ...]
    paper: tuple[float | None, ...]
    focus: bool


def hero(comparison: Comparison) -> Markup:
    """Both drawings, of which the page shows the one that fits; empty where nothing is compared."""
    stations = [
        metric
        for metric in (TOP1, *questions().values())
        if any(comparison.rows[place].cells[metric].difference for place in asked_places(comparison))
    ]
    lines = [_line(comparison, place, stations) for place in asked_places(comparison)]
    if not lines:
        return Markup("")
    baseline = label(not_none(comparison.baseline_row), comparison.rows)
    return Markup("").join(_draw(lines, stations, baseline, each) for each in (WIDE, NARROW))


def _line(comparison: Comparison, place: int, stations: Sequence[str]) -> Line:
    row: Row = comparison.rows[place]
    cells = [row.cells[metric] for metric in stations]
    paper = tuple(cell.paper.difference if cell.paper else None for cell in cells)
    focus = place == focus_place(comparison)
    name = label(row, comparison.rows)
    return Line(name, place % COLORS + 1, tuple(cell.difference for cell in cells), paper, focus)


def limits(lines: Sequence[Line]) -> tuple[float, float]:
    """The axis: all differences and the paper's, 0, and of the intervals what is not out of all proportion."""
    values = [0.0, *(each for line in lines for each in line.paper if each is not None)]
    known = [each for line in lines for each in line.differences if each is not None]
    values += [each.value for each in known]
    largest = max(LEAST_SPAN, *map(abs, values)) * MOST_WHISKER
    ends = [max(-largest, min(largest, end)) for each in known for end in each.interval or ()]
    low, high = min(values + ends), max(values + ends)
    room = 0.08 * max(high - low, LEAST_SPAN)
    return low - room, high + room


def _draw(lines: Sequence[Line], stations: Sequence[str], baseline: str, size: Format) -> Markup:
    drawing = Drawing(size.width, size.height)
    y = Scale(*limits(lines), size.bottom, size.top)
    edge = min(44, (size.right - size.left) // 6)
    step = (size.right - size.left - 2 * edge) / max(1, len(stations) - 1)
    places = [size.right - edge - step * place for place in reversed(range(len(stations)))]
    _draw_axes(drawing, y, places, stations, size)
    order = sorted(lines, key=lambda line: line.focus)
    offsets = {id(line): (place - (len(lines) - 1) / 2) * size.dodge for place, line in enumerate(lines)}
    for line in order:
        _draw_paper(drawing, y, places, line)
    for line in order:
        _draw_line(drawing, y, [x + offsets[id(line)] for x in places], stations, line)
    _draw_names(drawing, y, lines, size)
    return drawing.render(_describe(lines, stations, baseline), f"hero {size.class_}")


def _draw_axes(drawing: Drawing, y: Scale, places: Sequence[float], stations: Sequence[str], size: Format) -> None:
    for value in ticks(y.low, y.high, 6):
        drawing.line((size.left, y(value)), (size.right, y(value)), "zero" if value == 0 else "grid")
        words = tick_label(value) if value <= 0 else f"+{tick_label(value)}"
        drawing.text((size.left - 7, y(value) + 4), words, "tick", "end")
    tasks = {metric: task for task, metric in questions().items()}
    for x, metric in zip(places, stations, strict=True):
        drawing.line((x, size.top), (x, size.bottom), "station")
        drawing.text((x, size.top - 27), tasks.get(metric, "classification"), "tick", "middle")
        drawing.text((x, size.top - 11), metric_names()[metric], "head", "middle")


def _draw_paper(drawing: Drawing, y: Scale, places: Sequence[float], line: Line) -> None:
    points = [(x, y(value)) for x, value in zip(places, line.paper, strict=True) if value is not None]
    if points:
        drawing.polyline(points, f"behind s{line.color}")
    for point in points:
        drawing.diamond(point, 4, f"behind s{line.color}")


def _draw_line(drawing: Drawing, y: Scale, places: Sequence[float], stations: Sequence[str], line: Line) -> None:
    known = [
        (x, metric, difference)
        for x, metric, difference in zip(places, stations, line.differences, strict=True)
        if difference is not None
    ]
    weight = " focus" if line.focus else ""
    drawing.polyline([(x, y(difference.value)) for x, _, difference in known], f"slope s{line.color}{weight}")
    for x, _, difference in known:
        if difference.interval:
            _whisker(drawing, y, x, difference.interval, f"interval s{line.color}{weight}")
    for x, metric, difference in known:
        kind = "told" if differs(difference) else "open"
        title = Markup("<title>{}</title>").format(_words(line.name, metric, difference))
        drawing.add(
            "circle", title, cx=x, cy=y(difference.value), r=5.5, class_=f"point {kind} s{line.color} f{line.color}"
        )
    if line.focus:
        for x, _, difference in known:
            highest = max(difference.value, *(difference.interval or (difference.value,)))
            above, words = y(min(highest, y.high)) - 8, signed(difference.value, 1)
            if above > y(y.high) + LINE:
                drawing.text((x, above), words, f"value f{line.color}", "middle")
            else:  # the interval goes on into the station's name
                drawing.text((x + 9, y(difference.value) - 8), words, f"value f{line.color}")


def _whisker(drawing: Drawing, y: Scale, x: float, ends: tuple[float, float], class_: str) -> None:
    """With a cap at each end, or an arrow where it goes on beyond the axis."""
    low, high = (max(y.low, min(y.high, end)) for end in ends)
    drawing.line((x, y(low)), (x, y(high)), class_)
    for shown, end, way in ((low, ends[0], -1), (high, ends[1], 1)):
        if shown == end:
            drawing.line((x - 4, y(end)), (x + 4, y(end)), class_)
        else:
            drawing.polyline([(x - 4, y(shown) + 6 * way), (x, y(shown)), (x + 4, y(shown) + 6 * way)], class_)


def _draw_names(drawing: Drawing, y: Scale, lines: Sequence[Line], size: Format) -> None:
    """Each beside the last of its points, moved apart."""
    ends: list[tuple[float, Line]] = []
    for line in lines:
        last = [difference for difference in line.differences if difference is not None][-1]
        ends.append((y(last.value), line))
    ends.sort(key=lambda end: end[0])
    for place, (at, line) in zip(apart([at for at, _ in ends], 16.0, size.bottom), ends, strict=True):
        start: Point = (size.right - 10, at)
        drawing.line(start, (size.right + 6, place), f"lead s{line.color}")
        drawing.text(
            (size.right + 10, place + 4),
            shortened(line.name, size.longest),
            f"name f{line.color}{' focus' * line.focus}",
        )


def _words(name: str, metric: str, difference: Difference) -> str:
    words = f"{name}, {metric_names()[metric]}: {signed(difference.value)} points"
    if difference.interval:
        low, high = difference.interval
        words += f" ({CONFIDENCE * 100:.0f} %: {signed(low)} to {signed(high)})"
    return words


def _describe(lines: Sequence[Line], stations: Sequence[str], baseline: str) -> str:
    told = "; ".join(
        _words(line.name, metric, difference)
        for line in lines
        for metric, difference in zip(stations, line.differences, strict=True)
        if difference is not None
    )
    return f"Differences from {baseline}. {told}"
