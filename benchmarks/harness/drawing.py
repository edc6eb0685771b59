"""Figures as SVG."""

from __future__ import annotations

import io

import matplotlib
from matplotlib.figure import Figure


def svg(figure: Figure) -> bytes:
    """The same bytes for the same figure, whenever it is drawn; text stays text."""
    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": ""}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
