"""Looking more than once: how small p must be at each look, so that all looks together err as often as one test does.

A study is looked at when it has n1 < n2 < ... < nK seeds; look k has the share t = nk / nK of all its information. A
spending function says how much of the error may be used up to t. With an error of a for both sides, each side spends

    O'Brien-Fleming type   2 · (1 - Φ(z(1 - a/4) / √t))
    Pocock type            a/2 · ln(1 + (e - 1) · t)

K. K. G. Lan, D. L. DeMets, Discrete sequential boundaries for clinical trials, Biometrika 70 (1983). The boundary of
look k is where the probability of crossing for the first time there is what is newly spent, by the recursive
integration of P. Armitage, C. K. McPherson, B. C. Rowe, Repeated significance tests on accumulating data, JRSS A 132
(1969). It is used as a *nominal level*, its two-sided normal p, for the p value of look k, of a t test as well
(C. Jennison, B. W. Turnbull, Group Sequential Methods with Applications to Clinical Trials (2000), section 3.8);
docs/simulations.md has how often that errs with few seeds.

The **sequential p value** of a hypothesis is the smallest error a at which some look up to now would have rejected it
(Q. Liu, K. M. Anderson, On adaptive extensions of group sequential trials for clinical investigations, JASA 103
(2008)). It is at most x in a share x of studies without a difference, whatever made one stop: all planned looks are
accounted for, taken or not. So Holm's correction may be applied to it as to any other p value (W. Maurer, F. Bretz,
Multiple testing in group sequential trials using graphical approaches, Statistics in Biopharmaceutical Research 5
(2013)).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, stdtrit

from studies.statistics.seeds import LEAST_SPREAD

OBRIEN_FLEMING, POCOCK = "obrien-fleming", "pocock"
NODES = 96  # of the integration, in each continuation region
FARTHEST = 37.0  # beyond it a normal probability is 0 in double precision
LEAST_CHANCE = 0.1  # below it, further seeds up to the last look are not worth their hours
# Levels for which boundaries are computed; sequential p values in between are interpolated in the logarithms.
LEVELS = np.geomspace(1e-10, 0.5, 60)

Spending = Callable[[float, float], float]


def _obrien_fleming(level: float, share: float) -> float:
    return 4 * float(ndtr(ndtri(level / 4) / math.sqrt(share)))


def _pocock(level: float, share: float) -> float:
    return level * math.log1p((math.e - 1) * share)


SPENDING: Mapping[str, Spending] = MappingProxyType({OBRIEN_FLEMING: _obrien_fleming, POCOCK: _pocock})


def boundaries(looks: Sequence[int], spending: str, level: float) -> NDArray:
    """c_k for each look, in standard errors: |difference| / error from there on rejects.

    Args:
        looks: Numbers of seeds, ascending; the last is the most that there will be.
        spending: Of ``SPENDING``.
        level: The error, both sides together, above 0 and below 1.
    """
    shares = np.asarray(looks, dtype=float) / looks[-1]
    spent = [min(level, SPENDING[spending](level, share)) for share in shares]
    newly = np.diff(spent, prepend=0.0)
    found = [float(-ndtri(newly[0] / 2))]
    points, mass = _first(found[0], shares[0])
    for place in range(1, len(shares)):
        step, scale = math.sqrt(shares[place] - shares[place - 1]), math.sqrt(shares[place])

        def excess(
            bound: float,
            points: NDArray = points,
            mass: NDArray = mass,
            step: float = step,
            scale: float = scale,
            wanted: float = newly[place],
        ) -> float:
            return 2 * float(mass @ ndtr((points - bound * scale) / step)) - wanted

        found.append(float(brentq(excess, 0.0, FARTHEST)) if excess(0.0) > 0 else 0.0)
        points, mass = _next(points, mass, found[-1] * scale, step)
    return np.array(found)


_legendre = cache(np.polynomial.legendre.leggauss)


def _nodes(half_width: float) -> tuple[NDArray, NDArray]:
    nodes, weights = _legendre(NODES)
    return nodes * half_width, weights * half_width


def _normal(values: NDArray) -> NDArray:
    return np.exp(-(values**2) / 2) / math.sqrt(2 * math.pi)


def _first(bound: float, share: float) -> tuple[NDArray, NDArray]:
    """Nodes of the score in the first continuation region, and the probability that each stands for."""
    scale = math.sqrt(share)
    points, weights = _nodes(bound * scale)
    return points, weights * _normal(points / scale) / scale


def _next(points: NDArray, mass: NDArray, half_width: float, step: float) -> tuple[NDArray, NDArray]:
    """The same of the next look, which adds a normal step with standard deviation ``step``."""
    further, weights = _nodes(half_width)
    return further, weights * (_normal((further[:, None] - points) / step) / step @ mass)


def nominal_levels(looks: Sequence[int], spending: str, level: float) -> NDArray:
    """How small p must be at each look; see ``boundaries``."""
    return 2 * ndtr(-boundaries(looks, spending, level))


@cache
def _nominal_table(looks: tuple[int, ...], spending: str) -> NDArray:
    """(levels, looks) nominal levels of ``LEVELS``, none above that of a larger error, so that an inverse exists."""
    table = np.array([nominal_levels(looks, spending, level) for level in LEVELS])
    return np.minimum.accumulate(table[::-1])[::-1]


def sequential_p(p_values: ArrayLike, looks: Sequence[int], spending: str) -> NDArray:
    """Sequential p values after each look.

    Args:
        p_values: (..., looks taken) p values of the first looks, two-sided; NaN where a look has none.
        looks: All that are planned, in numbers of seeds.
        spending: Of ``SPENDING``.

    Returns:
        The same shape: after each look the smallest error at which one of the looks so far would have rejected; 1 above
        the largest of ``LEVELS``.
    """
    values = np.nan_to_num(np.asarray(p_values, dtype=float), nan=1.0)
    table, found = _nominal_table(tuple(looks), spending), np.empty_like(values)
    for place in range(values.shape[-1]):
        found[..., place] = _level_of(values[..., place], table[:, place])
    return np.minimum.accumulate(found, axis=-1)


def _level_of(p_values: NDArray, nominal: NDArray) -> NDArray:
    """The error whose nominal level is p."""
    known = nominal > 0  # O'Brien and Fleming spend less than a double holds at an early look
    if not known.any():
        return np.ones_like(p_values)
    logs = np.log(np.maximum(p_values, np.finfo(float).tiny))
    found = np.exp(np.interp(logs, np.log(nominal[known]), np.log(LEVELS[known])))
    return np.where(p_values > nominal[-1], 1.0, found)


def chance_to_close(value: ArrayLike, spread: ArrayLike, most: int, nominal: float, margin: ArrayLike) -> NDArray:
    """How likely the last look decides, if difference and spread are those seen: a reason to stop that spends nothing.

    Args:
        value: Difference, in points.
        spread: Its standard error times the root of the number of seeds.
        most: Seeds at the last look.
        nominal: Level of the last look.
        margin: Of no difference, in points.

    Returns:
        The larger of the probabilities of telling it from 0 and of an interval inside the margin (normal values).
    """
    error = np.maximum(np.asarray(spread, dtype=float), LEAST_SPREAD) / math.sqrt(most)
    needed = float(-stdtrit(most - 1, nominal / 2))
    size = np.abs(np.asarray(value, dtype=float))
    return np.maximum(ndtr(size / error - needed), ndtr((np.asarray(margin) - size) / error - needed))
