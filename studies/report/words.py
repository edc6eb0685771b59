"""Numbers as the page and the LaTeX tables write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup

from backbones.reporting import numbers
from backbones.reporting.markdown import MISSING
from studies.comparison.rows import Row

MINUS = "\u2212"


def plain(value: float, digits: int = 2) -> str:
    """To that many decimals, with a true minus sign."""
    return numbers.plain(value, digits).replace("-", MINUS)


def signed(value: float, digits: int = 2) -> str:
    """As ``plain``, with a plus too."""
    return numbers.signed(value, digits).replace("-", MINUS)


def number(value: float | None, source: str, kind: str = "plain", digits: int = 2) -> Markup:
    """A number as HTML that also holds its exact value, and where in ``comparison.json`` that stands.

    Args:
        value: None becomes a dash.
        source: Keys and places from the top of the file, with dots between.
        kind: "plain", "signed" or "p".
        digits: Decimals, for the first two.
    """
    if value is None:
        return Markup('<span class="none">{}</span>').format(MISSING)
    text = {"plain": plain, "signed": signed}[kind](value, digits) if kind != "p" else numbers.p_value(value)
    return Markup('<data value="{}" data-from="{}">{}</data>').format(repr(value), source, text)


def interval(ends: tuple[float, float] | None, source: str, kind: str = "plain") -> Markup:
    """Both ends in brackets; nothing without any."""
    if ends is None:
        return Markup("")
    low, high = (number(end, f"{source}.{place}", kind) for place, end in enumerate(ends))
    return Markup("[{}, {}]").format(low, high)


def label(row: Row, rows: Sequence[Row]) -> str:
    """A row's recipe, or its whole name where other rows have the same recipe on other networks, or it has its own."""
    own = not row.name.startswith(row.recipe)
    return row.name if own or sum(other.recipe == row.recipe for other in rows) > 1 else row.recipe


def headline(text: str) -> Markup:
    """A headline in which no line ends in the middle of a metric's name or of a number and its unit."""
    text = text.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")
    parts = re.split(r"(top-1|mAP 07|[+\u2212]?\d+\.\d+ points)", text)
    return Markup("").join(unbroken(part) if place % 2 else part for place, part in enumerate(parts))


def unbroken(name: str) -> Markup:
    """A name that no line ends in the middle of."""
    return Markup('<span class="nb">{}</span>').format(name)


def joined(words: list[str], last: str = "and") -> str:
    """ "a, b and c"."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
