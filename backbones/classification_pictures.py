"""The pictures of a classification report: confusion matrix, reliability diagram, accuracy per class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from backbones.classification_report import CalibrationBin, frequent_confusions
from backbones.files import atomic_path

DPI = 100
BLUE, LIGHT_BLUE, ORANGE, GRAY = "#2f6ca3", "#a9c8e3", "#d9812e", "#707070"
DASHES = (0, (4, 3))
MOST_NAMED_CLASSES = 30  # with more, a matrix has no room for names and numbers
MOST_BARS = 20
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
def _picture(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of ``width`` x ``height`` pixels that becomes a PNG; no window system takes part."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        yield figure
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png")


def _axes(figure: Figure, left: float, top: float, width: float, height: float, **options: Any) -> Axes:
    """Axes placed in pixels from the upper left corner."""
    whole_width, whole_height = (DPI * side for side in figure.get_size_inches())
    bottom = whole_height - top - height
    place = (left / whole_width, bottom / whole_height, width / whole_width, height / whole_height)
    return figure.add_axes(place, **options)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def draw_confusion(path: Path, confusion: np.ndarray, classes: Sequence[str]) -> None:
    """Confusion matrix, each row as shares of its images.

    Up to 30 classes it carries names and numbers. Beyond that it has one or more whole pixels per class, and the pairs
    that are mixed up most are listed beside it.
    """
    counts = confusion.sum(axis=1, keepdims=True)
    shares = 100.0 * confusion / np.maximum(counts, 1)
    draw = _draw_named_confusion if len(classes) <= MOST_NAMED_CLASSES else _draw_dense_confusion
    draw(path, confusion, shares, classes)


def _draw_named_confusion(path: Path, confusion: np.ndarray, shares: np.ndarray, classes: Sequence[str]) -> None:
    cell, margin, foot = (56 if len(classes) <= 12 else 36), 230, 170
    side = cell * len(classes)
    with _picture(path, margin + max(side, 220) + 110, 50 + side + foot) as figure:
        axes = _axes(figure, margin, 50, side, side)
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        names = [_short(name) for name in classes]
        rows = [f"{name} ({count})" for name, count in zip(names, confusion.sum(axis=1), strict=True)]
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), rows)
        axes.set_title(f"{_confusion_title(confusion)}\nrow: true class (images), column: guess, % of the row")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        for row, column in zip(*np.nonzero(confusion), strict=True):
            share = shares[row, column]
            text = f"{share:.0f}" if share >= 0.5 else "<1"
            axes.text(column, row, text, ha="center", va="center", color="white" if share > 55 else "black")
        _color_scale(figure, image, margin + side + 20, 50, side)


def _draw_dense_confusion(path: Path, confusion: np.ndarray, shares: np.ndarray, classes: Sequence[str]) -> None:
    side = len(classes) * max(1, 900 // len(classes))  # whole pixels: no class is drawn wider than another, or lost
    margin, panel = 80, 760
    with _picture(path, margin + side + 100 + panel, 50 + side + 60) as figure:
        axes = _axes(figure, margin, 50, side, side)
        # A root of the share: one mistake in fifty images is to be seen.
        image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.35, 0, 100), interpolation="nearest")
        axes.set(xlabel="guessed: row of per_class.csv, from 0", ylabel="true: row of per_class.csv, from 0")
        axes.set_title(f"{_confusion_title(confusion)}; colour: % of the row")
        axes.spines[:].set(visible=True, color=GRAY, linewidth=0.72, position=("outward", 0.72))  # beside the cells
        _color_scale(figure, image, margin + side + 15, 50, side)
        pairs = frequent_confusions(confusion, classes, MOST_BARS)
        bars = _axes(figure, margin + side + 100 + 360, 50, panel - 450, 26 * max(len(pairs), 1))
        labels = [f"{_short(pair['true'])} → {_short(pair['guessed'])}" for pair in pairs]
        values = [f"{pair['share']:.0f} % ({pair['images']})" for pair in pairs]
        _draw_bars(bars, labels, [pair["share"] for pair in pairs], values, ORANGE)
        bars.set_title("mixed up most: true → guess", x=-0.03, loc="right")


def _confusion_title(confusion: np.ndarray) -> str:
    images = int(confusion.sum())
    return f"{100 * np.trace(confusion) / images:.2f} % of {images} images are right"


def _color_scale(figure: Figure, image: Any, left: float, top: float, height: float) -> None:
    scale = figure.colorbar(
        image, cax=_axes(figure, left, top, 12, height), format=PercentFormatter(decimals=0, symbol=" %")
    )
    scale.outline.set_visible(False)


def _draw_bars(axes: Axes, labels: Sequence[str], lengths: Sequence[float], values: Sequence[str], color: str) -> None:
    """Horizontal bars in percent, the first on top, each with its value at its end."""
    places = range(len(labels))
    axes.barh(places, lengths, height=0.72, color=color)
    axes.set_yticks(places, labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)
    for place, length, value in zip(places, lengths, values, strict=True):
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}  # over the line of the mean
        axes.annotate(value, (length, place), (4, 0), textcoords="offset points", va="center", bbox=ground)


def draw_class_accuracy(path: Path, table: Sequence[dict[str, Any]]) -> None:
    """Top-1 per class, from the worst to the best; of more than 40 classes the 20 worst and the 20 best."""
    ranked = sorted((row for row in table if row["images"]), key=lambda row: (row["top1"], row["class"]))
    mean = float(np.mean([row["top1"] for row in ranked]))
    if len(ranked) <= 2 * MOST_BARS:
        panels = {f"accuracy of {len(ranked)} classes; dashed: their mean, {mean:.1f} %": ranked}
    else:
        worst, best = ranked[:MOST_BARS], ranked[-MOST_BARS:]
        panels = {
            f"the {MOST_BARS} worst of {len(ranked)} classes; dashed: mean of all, {mean:.1f} %": worst,
            f"the {MOST_BARS} best": best,
        }
    tallest = max(len(rows) for rows in panels.values())
    with _picture(path, 640 * len(panels), 60 + 24 * tallest + 20) as figure:
        for number, (title, rows) in enumerate(panels.items()):
            axes = _axes(figure, 640 * number + 210, 45, 320, 24 * len(rows))
            values = [f"{row['top1']:.0f} % ({row['correct']}/{row['images']})" for row in rows]
            _draw_bars(axes, [_short(row["class"]) for row in rows], [row["top1"] for row in rows], values, BLUE)
            axes.axvline(mean, color=GRAY, linewidth=1, linestyle=DASHES, zorder=0)
            axes.set_title(title)


def draw_reliability(path: Path, bins: Sequence[CalibrationBin], metrics: dict[str, float]) -> None:
    """Accuracy over confidence, its distance from the mean confidence, and how many images have which confidence."""
    images = sum(part.images for part in bins)
    filled = [part for part in bins if part.images]
    centers = [(part.lower + part.upper) / 2 for part in filled]
    accuracies, confidences = ([getattr(part, name) for part in filled] for name in ("accuracy", "confidence"))
    width = 0.9 * (bins[0].upper - bins[0].lower)
    percent = PercentFormatter(decimals=0, symbol=" %")
    with _picture(path, 560, 720) as figure:
        top = _axes(figure, 70, 45, 460, 440)
        top.bar(centers, accuracies, width, color=LIGHT_BLUE, label="accuracy in the bin")
        top.plot([0, 100], [0, 100], color=GRAY, linewidth=1, linestyle=DASHES)
        top.vlines(centers, accuracies, confidences, color=ORANGE, linewidth=1.5)
        top.plot(centers, confidences, "o", color=ORANGE, markersize=4, label="mean confidence in the bin, and the gap")
        top.set(xlim=(0, 100), ylim=(0, 104))
        top.set_title(f"expected calibration error {metrics['expected_calibration_error']:.2f} % over {images} images")
        top.legend(loc="upper left", edgecolor="none")
        top.tick_params(labelbottom=False)
        bottom = _axes(figure, 70, 525, 460, 130, sharex=top)
        bottom.bar(centers, [100 * part.images / images for part in filled], width, color=LIGHT_BLUE)
        for name, label, color in (("top1", "accuracy", BLUE), ("mean_confidence", "mean confidence", ORANGE)):
            bottom.axvline(metrics[name], color=color, linewidth=1.5, label=f"{label} {metrics[name]:.1f} %")
        bottom.set(xlabel="confidence of the guess", ylabel="share of images")
        bottom.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.2)
        for axis in (top.xaxis, top.yaxis, bottom.yaxis):
            axis.set_major_formatter(percent)
