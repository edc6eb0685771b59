"""What the pictures of all reports share: a PNG without a window system, bars in percent, confusion matrices."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from PIL import Image

from backbones.files import atomic_path
from backbones.reporting.confusion import frequent_pairs

DPI = 100
BLUE, LIGHT_BLUE, ORANGE, GRAY = "#2f6ca3", "#a9c8e3", "#d9812e", "#707070"
DASHES = (0, (4, 3))
MOST_NAMED_CLASSES = 30  # with more, a matrix has no room for names and numbers
MOST_PAIRS = 20
LONGEST_NAME = 28
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture everywhere
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,  # a class may be called "$"
}


@contextmanager
def picture(path: Path, width: float, height: float, keep: Sequence[str] | None = None) -> Iterator[Figure]:
    """A figure of ``width`` x ``height`` pixels that becomes a PNG; no window system takes part.

    With ``keep`` the file has 256 colours, those "#rrggbb" and shades of gray among them: a figure with photographs
    takes a third of the room then.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        canvas = FigureCanvasAgg(figure)
        yield figure
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # of a name, which is a row of boxes then
            canvas.draw()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    if keep is not None:
        image = _reduce(image, keep)
    with atomic_path(path) as temporary:
        image.save(temporary, format="png", dpi=(DPI, DPI), optimize=keep is not None)


def _reduce(image: Image.Image, keep: Sequence[str]) -> Image.Image:
    """The image in 256 colours: a photograph's many shades must not crowd out what is drawn in thin lines."""
    fixed = [tuple(bytes.fromhex(color[1:])) for color in keep] + [(gray,) * 3 for gray in range(0, 256, 17)]
    found = image.quantize(256 - len(fixed), dither=Image.Dither.NONE).getpalette()
    palette = Image.new("P", (1, 1))
    palette.putpalette([*itertools.chain(*fixed), *found])  # type: ignore[misc]  # in 256 colours there is a palette
    places = np.array(image.quantize(palette=palette, dither=Image.Dither.NONE))
    pixels = np.asarray(image).astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    for place, (red, green, blue) in enumerate(fixed):  # which Pillow only comes near
        places[pixels == (red << 16) + (green << 8) + blue] = place
    reduced = Image.fromarray(places, "P")
    reduced.putpalette(palette.getpalette())  # type: ignore[arg-type]  # as above
    return reduced


def pixel_axes(figure: Figure, left: float, top: float, width: float, height: float, **options: Any) -> Axes:
    """Axes placed in pixels from the upper left corner."""
    whole_width, whole_height = (DPI * side for side in figure.get_size_inches())
    bottom = whole_height - top - height
    place = (left / whole_width, bottom / whole_height, width / whole_width, height / whole_height)
    return figure.add_axes(place, **options)


def short(name: str) -> str:
    """The name, or the beginning of one that is too long for a label."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


class Bar(NamedTuple):
    """``length`` in percent; ``value`` is written at its end."""

    label: str
    length: float
    value: str


def draw_bars(axes: Axes, bars: Sequence[Bar], color: str) -> None:
    """Horizontal bars, the first on top, each with its value at its end."""
    places = range(len(bars))
    axes.barh(places, [bar.length for bar in bars], height=0.72, color=color)
    axes.set_yticks(places, [short(bar.label) for bar in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)
    for place, bar in zip(places, bars, strict=True):
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}  # over the line of the mean
        axes.annotate(bar.value, (bar.length, place), (4, 0), textcoords="offset points", va="center", bbox=ground)


def draw_bar_panels(path: Path, panels: Mapping[str, Sequence[Bar]], mean: float) -> None:
    """Panels of bars side by side under their titles, with a dashed line at ``mean`` percent."""
    tallest = max(len(bars) for bars in panels.values())
    with picture(path, 640 * len(panels), 60 + 24 * tallest + 20) as figure:
        for number, (title, bars) in enumerate(panels.items()):
            axes = pixel_axes(figure, 640 * number + 210, 45, 320, 24 * len(bars))
            draw_bars(axes, bars, BLUE)
            axes.axvline(mean, color=GRAY, linewidth=1, linestyle=DASHES, zorder=0)
            axes.set_title(title)


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix and the words around it.

    Attributes:
        counts: Rows x columns, both in the order of their names; row: what is true, column: what was taken for it.
        rows: Names of the rows.
        columns: Names of the columns.
        title: First line of the title.
        explanation: What row, column and number are.
        row_axis: What the rows are when they are too many for names.
        column_axis: What the columns are then.
        total: A row's sum as it is written behind its name.
        pairs_title: Over the list of the pairs mixed up most.
    """

    counts: np.ndarray
    rows: Sequence[str]
    columns: Sequence[str]
    title: str
    explanation: str
    row_axis: str
    column_axis: str
    total: Callable[[int], str] = str
    pairs_title: str = "mixed up most: true → guess"

    @property
    def shares(self) -> np.ndarray:
        """Each row in percent of its sum; a row of zeros stays one."""
        return 100.0 * self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)


def draw_confusion_matrix(path: Path, confusion: Confusion) -> None:
    """Confusion matrix, each row as shares of its sum.

    Up to 30 rows it carries names and numbers. Beyond that it has one or more whole pixels per class, and the pairs
    that are mixed up most are listed beside it.
    """
    named = len(confusion.rows) <= MOST_NAMED_CLASSES
    (_draw_named_matrix if named else _draw_dense_matrix)(path, confusion)


def _draw_named_matrix(path: Path, confusion: Confusion) -> None:
    counts, shares = confusion.counts, confusion.shares
    cell, margin, foot = (56 if len(counts) <= 12 else 36), 230, 170
    side = cell * len(counts)
    with picture(path, margin + max(side, 340) + 110, 50 + side + foot) as figure:
        axes = pixel_axes(figure, margin, 50, side, side)
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        totals = [confusion.total(int(count)) for count in counts.sum(axis=1)]
        rows = [f"{short(name)} ({total})" for name, total in zip(confusion.rows, totals, strict=True)]
        columns = [short(name) for name in confusion.columns]
        axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(rows)), rows)
        axes.set_title(f"{confusion.title}\n{confusion.explanation}")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        for row, column in itertools.product(*map(range, counts.shape)):
            if counts[row, column]:
                share = shares[row, column]
                text = f"{share:.0f}" if share >= 0.5 else "<1"
                axes.text(column, row, text, ha="center", va="center", color="white" if share > 55 else "black")
        _draw_color_scale(figure, image, margin + side + 20, 50, side)


def _draw_dense_matrix(path: Path, confusion: Confusion) -> None:
    classes = len(confusion.rows)
    side = classes * max(1, 900 // classes)  # whole pixels: no class is drawn wider than another, or lost
    margin, panel = 80, 760
    with picture(path, margin + side + 100 + panel, 50 + side + 60) as figure:
        axes = pixel_axes(figure, margin, 50, side, side)
        # A root of the share: one error in fifty images must be visible.
        image = axes.imshow(confusion.shares, cmap="Blues", norm=PowerNorm(0.35, 0, 100), interpolation="nearest")
        axes.set(xlabel=confusion.column_axis, ylabel=confusion.row_axis)
        axes.set_title(f"{confusion.title}; colour: % of the row")
        axes.spines[:].set(visible=True, color=GRAY, linewidth=0.72, position=("outward", 0.72))  # beside the cells
        _draw_color_scale(figure, image, margin + side + 15, 50, side)
        pairs = frequent_pairs(confusion.counts, MOST_PAIRS)
        bars = pixel_axes(figure, margin + side + 100 + 360, 50, panel - 450, 26 * max(len(pairs), 1))
        labels = [f"{short(confusion.rows[pair.row])} → {short(confusion.columns[pair.column])}" for pair in pairs]
        values = [f"{pair.share:.0f} % ({confusion.total(pair.count)})" for pair in pairs]
        draw_bars(bars, [Bar(*one) for one in zip(labels, [pair.share for pair in pairs], values, strict=True)], ORANGE)
        bars.set_yticks(range(len(pairs)), labels)  # two names are longer than one
        bars.set_title(confusion.pairs_title, x=-0.03, loc="right")


def _draw_color_scale(figure: Figure, image: Any, left: float, top: float, height: float) -> None:
    scale = figure.colorbar(
        image, cax=pixel_axes(figure, left, top, 12, height), format=PercentFormatter(decimals=0, symbol=" %")
    )
    scale.outline.set_visible(False)  # type: ignore[operator]  # matplotlib declares an item of its spines
