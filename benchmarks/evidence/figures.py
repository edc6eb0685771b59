"""Figures of a results section, as SVG: every seed as a point, means and intervals beside them."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.evidence.rows import Found

INK, POINTS, MEAN = "#333333", "#7a9cc6", "#c0392b"


def seeds_by_row(panels: Sequence[tuple[str, Sequence[Found]]]) -> Figure:
    """A panel for each metric: rows below each other, a point for every seed, a line at the mean.

    Args:
        panels: Name of the metric, and its rows from the least to the greatest.
    """
    figure, axes = _panels(len(panels), 3.2)
    for axis, (name, rows) in zip(axes, panels, strict=True):
        for place, row in enumerate(rows):
            axis.plot(row.values, [place] * len(row.values), "o", color=POINTS, alpha=0.8, markersize=6)
            axis.plot([row.mean] * 2, [place - 0.3, place + 0.3], color=MEAN, linewidth=2)
        axis.set_yticks(range(len(rows)), [row.name.replace(", ", ",\n") for row in rows])
        axis.set_xlabel(f"{name}, %")
        axis.set_ylim(-0.6, len(rows) - 0.4)
        axis.set_xlim(left=0)
    return figure


def against_top1(panels: Sequence[tuple[str, Sequence[Found]]]) -> Figure:
    """A panel for each metric: published top-1 of a row against its mean, with the interval of its seeds' spread."""
    figure, axes = _panels(len(panels), 3.2)
    for axis, (name, rows) in zip(axes, panels, strict=True):
        for row, top1 in [(row, row.top1) for row in rows if row.top1 is not None]:
            axis.plot([top1] * len(row.values), row.values, "o", color=POINTS, alpha=0.6, markersize=5)
            axis.plot(top1, row.mean, "_", color=MEAN, markersize=18, markeredgewidth=2)
            axis.annotate(row.name, (top1, row.mean), xytext=(10, 3), textcoords="offset points", color=INK)
        axis.set_xlabel("published top-1 on ImageNet, %")
        axis.set_ylabel(f"{name}, %")
        axis.margins(x=0.25, y=0.2)
    return figure


def differences(panels: Sequence[tuple[str, Sequence[Found]]], margin: float) -> Figure:
    """A panel for each metric: differences from the baseline with intervals, and the margin of "no difference"."""
    figure, axes = _panels(len(panels), 2.8)
    for axis, (name, rows) in zip(axes, panels, strict=True):
        shown = [(row.name, row.difference, row.interval) for row in rows if row.difference is not None]
        for place, (_, difference, interval) in enumerate(shown):
            if interval:
                axis.plot(interval, [place] * 2, color=POINTS, linewidth=3, solid_capstyle="butt")
            axis.plot(difference, place, "o", color=MEAN, markersize=6)
        axis.axvspan(-margin, margin, color="#eeeeee", zorder=0)
        axis.axvline(0, color=INK, linewidth=0.8)
        axis.set_yticks(range(len(shown)), [name.replace(", ", ",\n") for name, _, _ in shown])
        axis.set_ylim(-0.6, max(len(shown), 1) - 0.4)
        axis.set_xlabel(f"difference in {name}, points")
    return figure


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(9, height), layout="constrained")
    axes = figure.subplots(1, count, squeeze=False)[0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)
