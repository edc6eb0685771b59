"""How time and memory grow with what is given: lines of a table, and their picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from backbones.reporting.drawing import DASHES, GRAY

GIVEN, SECONDS, MEMORY = "times the first", "seconds of a step", "peak memory, GiB"
GROWTH = {"time": "growth of seconds", "memory": "growth of memory"}


def growth_lines(
    what: str, given: Sequence[float], points: Sequence[tuple[float, float]]
) -> dict[str, dict[str, float]]:
    """Seconds and GiB at each point, and how many times those of the first they are.

    Args:
        what: Of which there is more from point to point.
        given: How much of it.
        points: Seconds and GiB.
    """
    return {
        f"{what}: {units:,}": {
            GIVEN: units / given[0],
            SECONDS: seconds,
            GROWTH["time"]: seconds / points[0][0],
            MEMORY: memory,
            GROWTH["memory"]: memory / points[0][1],
        }
        for units, (seconds, memory) in zip(given, points, strict=True)
    }


def draw_growth(figures: Mapping[str, Mapping[str, float]]) -> Figure:
    """A panel for time and one for memory; both axes double from tick to tick. Other lines are left out."""
    rows: dict[str, list[Mapping[str, float]]] = {}
    for name, line in figures.items():
        if GIVEN in line:
            rows.setdefault(name.partition(":")[0], []).append(line)
    most = max(line[GIVEN] for lines in rows.values() for line in lines)
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    for axes, (title, key) in zip(figure.subplots(1, 2, sharex=True, sharey=True), GROWTH.items(), strict=True):
        axes.plot([1, most], [1, most], color=GRAY, linestyle=DASHES, label="as much as given")
        for what, lines in rows.items():
            axes.plot([line[GIVEN] for line in lines], [line[key] for line in lines], marker="o", label=what)
        axes.set(title=title, xlabel="given, times the first", ylabel="taken, times the first")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:g}")
    figure.axes[0].legend(frameon=False)
    return figure
