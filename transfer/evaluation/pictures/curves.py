"""Precision over recall."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from backbones.reporting.drawing import BLUE, GRAY, LIGHT_BLUE, picture, pixel_axes, short
from transfer.evaluation.voc_ap import IOU_THRESHOLD, VocCurve

MOST_CURVES = 60
COLUMNS, CELL = 5, 200
LINES = ("#0077bb", "#ee7733", "#772211", "#7700ff")  # of the palette's colours those that stand out from white
STYLES = ("solid", (0, (5, 2)))
MOST_IN_ONE = len(LINES) * len(STYLES)
TITLE = (
    f"precision over recall at IoU {IOU_THRESHOLD}: highest precision from each recall on; AP by 11 points / by area"
)


def draw_curves(path: Path, curves: Mapping[str, VocCurve]) -> None:
    """The curves of up to 8 classes in one picture, of more one picture each; beyond 60 those with the most objects.

    Lines are the falling curves that the area is measured under; where each class has its own axes, the precision
    itself is drawn in gray.
    """
    if len(curves) <= MOST_IN_ONE:
        _draw_together(path, curves)
        return
    most = sorted(curves, key=lambda name: -curves[name].objects)[:MOST_CURVES]
    _draw_apart(path, {name: curve for name, curve in curves.items() if name in most}, len(curves))


def _draw_together(path: Path, curves: Mapping[str, VocCurve]) -> None:
    with picture(path, 860, 560) as figure:
        axes = pixel_axes(figure, 60, 50, 460, 450)
        for place, (name, curve) in enumerate(curves.items()):
            recall, precision = outline(curve)
            style: dict[str, Any] = {"color": LINES[place % len(LINES)], "linestyle": STYLES[place // len(LINES)]}
            axes.plot(recall, precision, linewidth=1.8, label=f"{short(name)}  {_averages(curve)}", **style)
        _prepare(axes)
        axes.set(xlabel="recall", ylabel="precision")
        axes.set_title(TITLE)
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, handlelength=3)


def _draw_apart(path: Path, curves: Mapping[str, VocCurve], of: int) -> None:
    rows = -(-len(curves) // COLUMNS)
    with picture(path, 50 + (CELL + 40) * COLUMNS, 90 + (CELL + 45) * rows) as figure:
        left_out = f" ({len(curves)} of {of} classes: those with the most objects)" if of > len(curves) else ""
        figure.text(50 / figure.bbox.width, 1 - 14 / figure.bbox.height, TITLE + left_out, va="top", fontsize=10)
        for place, (name, curve) in enumerate(curves.items()):
            row, column = divmod(place, COLUMNS)
            axes = pixel_axes(figure, 50 + (CELL + 40) * column, 75 + (CELL + 45) * row, CELL, CELL)
            axes.plot(curve.recall, curve.precision, color=GRAY, linewidth=0.7)
            recall, precision = outline(curve)
            axes.fill_between(recall, precision, color=LIGHT_BLUE, alpha=0.5, linewidth=0)
            axes.plot(recall, precision, color=BLUE, linewidth=1.5)
            _prepare(axes)
            axes.set_title(f"{short(name)}\n{_averages(curve)} ({curve.objects})", fontsize=9)
            axes.tick_params(labelleft=column == 0, labelbottom=row == rows - 1 or place + COLUMNS >= len(curves))


def outline(curve: VocCurve) -> tuple[np.ndarray, np.ndarray]:
    """Corners (recall, precision) of the falling curve as stairs, from recall 0 to the last recall, and down to 0."""
    gains = np.flatnonzero(np.diff(curve.found, prepend=0))
    recall, precision = curve.recall[gains], curve.falling[gains]
    across = np.repeat(np.append(0.0, recall), 2)[1:]
    return across, np.append(np.repeat(precision, 2), 0.0)


def _averages(curve: VocCurve) -> str:
    average = curve.average_precision()
    return f"{100 * average.eleven_points:.1f} / {100 * average.area:.1f} %"


def _prepare(axes: Axes) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.03), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    axes.grid(color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
