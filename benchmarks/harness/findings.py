"""What a benchmark found: rates of contenders, ratios between them, and single figures."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Ratio:
    """Median, lowest and highest of the ratios of each round."""

    median: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Aim:
    """``contender`` is to be at least ``ratio`` times as fast as ``against``."""

    contender: str
    against: str
    ratio: float


@dataclass(frozen=True)
class SideBySide:
    """Contenders that did the same work in turn.

    ``rates`` are work per second, contender to one number per round; ``unit`` names them. The first contender is what
    the others are compared with.
    """

    title: str
    unit: str
    rates: dict[str, list[float]]
    aims: tuple[Aim, ...] = ()

    @property
    def reference(self) -> str:
        """The first contender."""
        return next(iter(self.rates))

    def ratio(self, contender: str, against: str) -> Ratio:
        """How many times as fast ``contender`` was."""
        pairs = zip(self.rates[contender], self.rates[against], strict=True)
        ratios = [one / other for one, other in pairs]
        return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def compare(
    title: str, unit: str, work: float, seconds: Mapping[str, list[float]], aims: tuple[Aim, ...] = ()
) -> SideBySide:
    """From the seconds that each turn took for ``work`` units."""
    rates = {name: [work / each for each in times] for name, times in seconds.items()}
    return SideBySide(title, unit, rates, aims)


@dataclass(frozen=True)
class Findings:
    """All that one benchmark found; ``figures`` are the lines of a table: name to numbers by column."""

    comparisons: tuple[SideBySide, ...] = ()
    figures: dict[str, dict[str, float]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For the file that the document is made of; ratios too, for those who read it by program."""
        content = asdict(self)
        for comparison, entry in zip(self.comparisons, content["comparisons"], strict=True):
            names = list(comparison.rates)
            entry["ratios"] = {name: asdict(comparison.ratio(name, comparison.reference)) for name in names}
        return content


def findings_from_json(content: Mapping[str, Any]) -> Findings:
    """What ``as_json`` wrote."""
    comparisons = tuple(
        SideBySide(each["title"], each["unit"], each["rates"], tuple(Aim(**aim) for aim in each["aims"]))
        for each in content["comparisons"]
    )
    return Findings(comparisons, content["figures"])
