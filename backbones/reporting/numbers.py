"""How every report writes its numbers, in ASCII; a dash for what is not there. The page alone has a true minus sign."""

from __future__ import annotations

from backbones.reporting.markdown import MISSING


def plain(value: float | None, digits: int = 2) -> str:
    """To that many decimals; what is rounded to 0 has no sign."""
    return MISSING if value is None else f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0 takes the minus of -0.0


def signed(value: float | None, digits: int = 2) -> str:
    """As ``plain``, with a plus too."""
    return MISSING if value is None else f"{round(value, digits) + 0.0:+.{digits}f}"


def half_width(interval: tuple[float, float] | None, digits: int = 2) -> str:
    """Half of an interval's width: what stands behind ±."""
    return MISSING if interval is None else f"{(interval[1] - interval[0]) / 2:.{digits}f}"


def p_value(value: float | None) -> str:
    """To three decimals, or that it is smaller than those can tell."""
    return MISSING if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def two_digits(value: float) -> str:
    """Rounded to two significant digits, which is more than an estimate knows.

    >>> [two_digits(value) for value in (0, 0.5244, 0.996, 9.96, 59.2, 5198)]
    ['0', '0.52', '1.0', '10', '59', '5,200']
    """
    if not value:
        return "0"
    rounded = float(f"{value:.1e}")
    places = max(0, 1 - int(f"{rounded:e}".partition("e")[2]))
    return f"{rounded:,.{places}f}"
