"""How the rows learnt: one line per row, from the ``metrics.jsonl`` of its first seed, thinned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from markupsafe import Markup

from backbones.errors import UserError
from backbones.text_files import LARGEST, open_regular
from studies.comparison.compare import Comparison
from studies.report.figures.labels import apart, shortened
from studies.report.figures.svg import Axes, Drawing, Point, Scale, span
from studies.report.forms.records import Records
from studies.report.words import label
from studies.results.metrics_log import METRICS_FILE, parse_records
from transfer.catalogue import TASKS

WIDTH, HEIGHT = 360, 280
LEFT, RIGHT, TOP, BOTTOM = 46, 268, 26, 232
LONGEST_NAME = 14
MOST_ROWS, MOST_POINTS, MOST_PARSED = 8, 100, 2000
LARGEST_NUMBER = 1e300  # a whole number may have more digits than any that can be drawn


class CurveFigure(NamedTuple):
    """A panel: task, the name of what is drawn, the picture, and why some rows are not in it."""

    task: str
    title: str
    picture: Markup
    left_out: str


def training_curves(comparison: Comparison, records: Records) -> list[CurveFigure]:
    """A panel per task and measure that some row has at least two points of."""
    figures = []
    for task, entry in TASKS.items():
        for kind, key, title in entry.curves:
            lines: dict[int, list[Point]] = {}
            names = {place + 1: label(row, comparison.rows) for place, row in enumerate(comparison.rows)}
            missing: list[str] = []
            for place, row in enumerate(comparison.rows):
                runs = records.of((row.recipe, row.network), task)
                if not runs:
                    continue
                points = (
                    read_curve(runs[0].run.path.with_name(METRICS_FILE), kind, key) if len(lines) < MOST_ROWS else []
                )
                if len(points) > 1:
                    lines[place + 1] = points
                else:
                    missing.append(label(row, comparison.rows))
            if lines:
                figures.append(CurveFigure(task, title, _draw(lines, names, title), ", ".join(missing)))
    return figures


def read_curve(path: Path, kind: str, key: str) -> list[Point]:
    """Steps and means of a measure over up to ``MOST_POINTS`` equal parts of a run; empty without the file.

    Of a step that is there twice, from a run that was continued, the later line counts.
    """
    lines = read_lines(path, kind, MOST_PARSED)
    found = {line["step"]: line[key] for line in lines if _is_number(line.get("step")) and _is_number(line.get(key))}
    end = max(found, default=0) or 1
    parts: dict[int, list[float]] = {}  # the last step of each, then its values
    for step in sorted(found, reverse=True):
        part = math.ceil(MOST_POINTS * step / end)
        parts.setdefault(part, [step]).append(found[step])
    return [(float(last), fmean(values)) for last, *values in reversed(parts.values())]


def read_lines(path: Path, kind: str, most: int) -> list[dict[str, Any]]:
    """Up to that many lines of a kind, evenly chosen, the last among them."""
    try:
        with open_regular(path) as stream:
            text = stream.read(LARGEST).decode("utf-8", errors="replace")
    except (OSError, UserError):  # a run folder without it still has its result
        return []
    lines = [line for line in text.splitlines() if f'"kind": "{kind}"' in line]
    every = -(-len(lines) // most) or 1
    return parse_records(lines[::-every][::-1])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST_NUMBER


def _axis(values: Sequence[float]) -> tuple[float, float]:
    """Not below 0 where no value is: neither a loss nor an accuracy is negative."""
    low, high = span(values)
    return (max(low, 0.0) if min(values) >= 0 else low), high


def _draw(lines: Mapping[int, Sequence[Point]], names: Mapping[int, str], title: str) -> Markup:
    drawing = Drawing(WIDTH, HEIGHT)
    steps, values = ([point[place] for points in lines.values() for point in points] for place in (0, 1))
    axes = Axes(drawing, Scale(0, max(steps), LEFT, RIGHT), Scale(*_axis(values), BOTTOM, TOP))
    axes.draw("step", "")
    ends = []
    for number, points in lines.items():
        style = (number - 1) % MOST_ROWS + 1  # a row has its color in every figure
        drawing.polyline([axes(*point) for point in points], f"series s{style}")
        ends.append((axes(*points[-1]), shortened(names[number], LONGEST_NAME), f"label f{style}"))
    ends.sort(key=lambda end: end[0][1])
    places = apart([y + 4 for (_, y), _, _ in ends], 12.0, BOTTOM + 4.0)
    for place, ((x, _), text, class_) in zip(places, ends, strict=True):
        drawing.text((x + 6, place), text, class_)
    words = "; ".join(f"{names[number]} ends at {points[-1][1]:.3g}" for number, points in lines.items())
    return drawing.render(f"{title} over steps. {words}")
