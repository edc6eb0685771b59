"""Looking at a study several times, at the error of looking once: alpha spending and sequential p values.

A difference tested after 3, 5 and 8 seeds, each time at 5 %, is found where there is none in far more than 5 % of
studies. A spending function says how much of the error may have been used up at each *information fraction*, which is
seeds now over seeds planned; from it follows, look by look, the nominal level at which a test may reject. The spending
functions are those of K. K. G. Lan and D. L. DeMets, Discrete sequential boundaries for clinical trials, Biometrika 70
(1983), near the boundaries of O'Brien and Fleming and of Pocock; the recursion behind the levels is that of
P. Armitage, C. K. McPherson and B. C. Rowe, Journal of the Royal Statistical Society A 132 (1969), by Gauss-Legendre
quadrature.

Levels are computed for normal statistics and applied to the p values of t tests (the significance-level approach;
C. Jennison and B. W. Turnbull, Group Sequential Methods, 2000, section 3.8). The *sequential p value* is the smallest
error at which one of the looks so far would have rejected; Holm's correction of sequential p values over rows holds the
family-wise error (E. Glimm, W. Maurer and F. Bretz, Statistics in Medicine 29, 2010). The t interval at a look's
nominal level is a repeated confidence interval (Jennison and Turnbull 2000, chapter 9). How well this holds with few
seeds: docs/simulations.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import e, log, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from backbones.errors import UserError, did_you_mean
from studies.statistics.seeds import SIGNIFICANCE

OBRIEN_FLEMING, POCOCK = "obrien-fleming", "pocock"
NODES = 96  # of the quadrature, between the boundaries of a look
# Errors between which sequential p values are told apart; beyond, they are rounded up.
LEAST_ERROR, MOST_ERROR = 1e-5, 0.5
ERRORS = 60
_FARTHEST = 12.0  # standard errors; no boundary lies beyond


def _spend_late(fraction: float, error: float) -> float:
    return 4 - 4 * float(ndtr(-ndtri(error / 4) / sqrt(fraction)))  # each side by itself


def _spend_evenly(fraction: float, error: float) -> float:
    return error * log(1 + (e - 1) * fraction)


SPENDING: Mapping[str, Callable[[float, float], float]] = {OBRIEN_FLEMING: _spend_late, POCOCK: _spend_evenly}


def nominal_levels(
    fractions: Sequence[float], error: float = SIGNIFICANCE, spending: str = POCOCK
) -> tuple[float, ...]:
    """Two-sided levels, one for each look, that together reject a true hypothesis with probability ``error``.

    Args:
        fractions: Information at each look, ascending, the last one 1 where the study ends as planned.
        error: Of all looks together.
        spending: Name of a function in ``SPENDING``.

    Raises:
        UserError: Fractions that do not rise from above 0 to at most 1, or an unknown name.
    """
    rising = all(low < high for low, high in zip((0.0, *fractions), fractions, strict=False))
    if not fractions or not rising or fractions[-1] > 1:
        raise UserError(f"information fractions {tuple(fractions)} do not rise from above 0 to at most 1")
    if spending not in SPENDING:
        raise UserError(
            f"no spending function {spending!r}; {did_you_mean(spending, SPENDING)}there are {', '.join(SPENDING)}"
        )
    return _levels(tuple(fractions), error, spending)


@lru_cache(maxsize=4096)
def _levels(fractions: tuple[float, ...], error: float, spending: str) -> tuple[float, ...]:
    spend = SPENDING[spending]
    x, weights = np.polynomial.legendre.leggauss(NODES)
    levels: list[float] = []
    nodes: NDArray = np.zeros(1)
    density: NDArray = np.ones(1)
    spent = before = 0.0
    for fraction in fractions:
        step = sqrt(fraction - before)
        now = spend(fraction, error)
        bound = _boundary(nodes, density, step, now - spent, sqrt(fraction))
        levels.append(2 * float(ndtr(-bound / sqrt(fraction))))
        # What goes on lies inside the boundary: its density there, with the weights of the next integral.
        inside = bound * x
        spread = np.exp(-0.5 * ((inside[:, None] - nodes) / step) ** 2) / (step * sqrt(2 * np.pi))
        density = (spread @ density) * weights * bound
        nodes, spent, before = inside, now, fraction
    return tuple(levels)


def _boundary(nodes: NDArray, density: NDArray, step: float, increment: float, scale: float) -> float:
    """Where a Brownian motion with this (weighted) density at ``nodes`` leaves with probability ``increment``."""

    def excess(bound: float) -> float:
        leaves = ndtr((nodes - bound) / step) + ndtr((-nodes - bound) / step)
        return float(leaves @ density) - increment

    farthest = _FARTHEST * scale
    return farthest if excess(farthest) > 0 else float(brentq(excess, 0.0, farthest, xtol=1e-10))


@lru_cache(maxsize=256)
def _table(fractions: tuple[float, ...], spending: str) -> tuple[NDArray, NDArray]:
    """Logarithms of errors, and of the nominal level of each look for each of them, (errors,) and (looks, errors)."""
    errors = np.geomspace(LEAST_ERROR, MOST_ERROR, ERRORS)
    levels = np.array([nominal_levels(fractions, float(error), spending) for error in errors]).T
    return np.log(errors), np.log(np.maximum(levels, np.finfo(float).tiny))


def sequential_p(p_values: ArrayLike, fractions: Sequence[float], spending: str = POCOCK) -> NDArray:
    """The smallest error at which one of the looks so far rejects.

    Args:
        p_values: (..., looks): two-sided, of each look so far; 1 where a look saw nothing to test.
        fractions: Of the looks so far, as in ``nominal_levels``.
        spending: Name of the spending function.

    Returns:
        (...): never below ``LEAST_ERROR``; 1 above ``MOST_ERROR``.
    """
    given = np.asarray(p_values, dtype=float)
    errors, levels = _table(tuple(fractions), spending)
    logarithms = np.log(np.maximum(given, np.finfo(float).tiny))
    by_look = [
        np.exp(np.interp(logarithms[..., look], levels[look], errors, left=errors[0], right=0.0))
        for look in range(len(levels))
    ]
    return np.min(by_look, axis=0)
