"""A few figures' worth of SVG: text stays text, colours and fonts come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """A linear map from values to places."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def span(values: Iterable[float], margin: float = 0.08, with_zero: bool = False) -> tuple[float, float]:
    """The range of some values with a margin on both sides; never empty."""
    known = [*values, *([0.0] if with_zero else [])]
    low, high = min(known), max(known)
    room = (high - low) * margin or max(abs(high) * margin, 0.5)
    return low - room, high + room


def possible(ends: tuple[float, float], least: float = 0.0, most: float = 100.0) -> tuple[float, float]:
    """A range without what no value can be; a percentage lies from 0 to 100."""
    return max(least, ends[0]), min(most, ends[1])


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers in a range: steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 10) + 0.0 for place in range(first, math.floor(high / step + 1e-9) + 1)]


def tick_label(value: float) -> str:
    """As short as it goes, thousands as k, with a true minus sign."""
    text = f"{value / 1000:g}k" if abs(value) >= 10000 else f"{value:g}"
    return text.replace("-", "\u2212")


@dataclass
class Drawing:
    """A figure of ``width`` x ``height`` units; on the page it is as wide as its place."""

    width: float
    height: float
    parts: list[Markup] = field(default_factory=list)

    def add(self, tag: str, content: str | Markup = "", **attributes: object) -> None:
        """An element; underscores in names of attributes become hyphens, numbers are rounded to a tenth."""
        written = Markup("").join(
            Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), _short(value))
            for name, value in attributes.items()
        )
        self.parts.append(Markup("<{0}{1}>{2}</{0}>").format(tag, written, content))

    def line(self, start: Point, end: Point, class_: str) -> None:
        """A straight line."""
        self.add("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=class_)

    def text(self, place: Point, words: str, class_: str = "", anchor: str = "start") -> None:
        """Words from, around or up to a place."""
        self.add("text", words, x=place[0], y=place[1], class_=class_, text_anchor=anchor)

    def circle(self, center: Point, radius: float, class_: str) -> None:
        """A disc."""
        self.add("circle", cx=center[0], cy=center[1], r=radius, class_=class_)

    def diamond(self, center: Point, radius: float, class_: str, content: str | Markup = "") -> None:
        """A square on its corner: the mark of the paper in every figure."""
        x, y = center
        self.add(
            "path",
            content,
            d=f"M{x:.1f} {y - radius:.1f}l{radius} {radius}l-{radius} {radius}l-{radius} -{radius}z",
            class_=class_,
        )

    def whisker(self, start: Point, end: Point, class_: str, cap: float = 3.5) -> None:
        """An interval with short lines across its ends."""
        self.line(start, end, class_)
        across = (0.0, cap) if start[1] == end[1] else (cap, 0.0)
        for x, y in (start, end):
            self.line((x - across[0], y - across[1]), (x + across[0], y + across[1]), class_)

    def polyline(self, points: Sequence[Point], class_: str) -> None:
        """Points joined by straight lines."""
        self.add("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=class_)

    def render(self, description: str, class_: str = "") -> Markup:
        """The whole element; ``description`` is what it says to those who do not see it."""
        named = Markup(' class="{}"').format(class_) if class_ else ""
        return Markup('<svg{} viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
            named, _short(self.width), _short(self.height), description, Markup("").join(self.parts)
        )


@dataclass(frozen=True)
class Axes:
    """A rectangle of a drawing with a scale each way."""

    drawing: Drawing
    x: Scale
    y: Scale

    def __call__(self, x: float, y: float) -> Point:
        return self.x(x), self.y(y)

    def draw(self, x_title: str, y_title: str) -> None:
        """Grid, tick labels and titles: that of x below, that of y on top, where it can be read without turning."""
        drawing, x, y = self.drawing, self.x, self.y
        for value in ticks(y.low, y.high, 4):
            drawing.line((x.start, y(value)), (x.end, y(value)), "grid")
            drawing.text((x.start - 6, y(value) + 3.5), tick_label(value), "tick", "end")
        for value in ticks(x.low, x.high, 5):
            drawing.line((x(value), y.start), (x(value), y.start + 4), "axis")
            drawing.text((x(value), y.start + 16), tick_label(value), "tick", "middle")
        drawing.line((x.start, y.start), (x.end, y.start), "axis")
        drawing.text(((x.start + x.end) / 2, y.start + 32), x_title, "title", "middle")
        drawing.text((4, y.end - 9), y_title, "title")


def _short(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value
