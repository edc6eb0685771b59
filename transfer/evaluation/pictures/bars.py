"""One bar per class, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backbones.reporting.drawing import Bar, draw_bar_panels

MOST_IN_A_PANEL = 40


def draw_all_bars(path: Path, bars: Sequence[Bar], measure: str, brackets: str) -> None:
    """All bars from the shortest to the longest, in as many panels of equal length as it takes; dashed: their mean.

    Args:
        path: The PNG.
        bars: One per class.
        measure: What their length is.
        brackets: What their values have in brackets.
    """
    ranked = sorted(bars, key=lambda bar: (bar.length, bar.label))
    mean = float(np.mean([bar.length for bar in ranked]))
    count = -(-len(ranked) // MOST_IN_A_PANEL)
    size = -(-len(ranked) // count)
    panels = {
        f"places {start + 1} to {start + size}": ranked[start : start + size] for start in range(0, len(ranked), size)
    }
    (_, first), *others = panels.items()
    title = f"{measure} of {len(ranked)} classes ({brackets}); dashed: mean {mean:.1f} %"
    draw_bar_panels(path, {title: first, **dict(others)}, mean)
