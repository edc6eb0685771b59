"""The looks of a study that adds seeds where a verdict is open, and differences tested at them.

A look at n seeds is about the first n of the plan, whatever else is there by now: so the same runs always give the same
looks, and nothing but the plan has to be remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from studies.statistics.group_sequential import POCOCK, chance_to_close, nominal_levels, sequential_p
from studies.statistics.seeds import SIGNIFICANCE, Difference, Seed, subtract, t_interval

TRANSFER_STEP = 1000  # between the seeds of the transfers of one training: s, s + 1000, s + 2000, ...


def training_seeds(seeds: Iterable[int]) -> set[int]:
    """Those of trainings among seeds of runs: without those of the further transfers of one."""
    found = set(seeds)
    return {seed for seed in found if seed - TRANSFER_STEP not in found}


@dataclass(frozen=True)
class Looks:
    """The plan of a study.

    Attributes:
        seeds: In the order in which they are added.
        counts: How many of them there are at each look, ascending; the last is all of them.
        spending: Name of the spending function.
    """

    seeds: tuple[int, ...]
    counts: tuple[int, ...]
    spending: str = POCOCK

    @property
    def levels(self) -> tuple[float, ...]:
        """How small p must be at each look."""
        return tuple(nominal_levels(self.counts, self.spending, SIGNIFICANCE).tolist())

    def reached(self, row: Mapping[Seed, float], baseline: Mapping[Seed, float]) -> int:
        """How many looks there are at two rows: all seeds of a look are there in both."""
        both = row.keys() & baseline.keys()
        return sum(both.issuperset(self.seeds[:count]) for count in self.counts)

    def at(self, row: Mapping[Seed, float], look: int) -> dict[Seed, float]:
        """A row's values at a look, counted from 1: of its seeds, and of the further transfers that they were given.

        A random trunk and public weights have no training, and so a value for each transfer.
        """
        seeds = set(self.seeds[: self.counts[look - 1]])
        others = set(self.seeds) - seeds
        return {seed: value for seed, value in row.items() if _planned(seed, seeds, others)}


def _planned(seed: int | None, seeds: set[int], others: set[int]) -> bool:
    while seed is not None and seed >= 0 and seed not in others:
        if seed in seeds:
            return True
        seed -= TRANSFER_STEP
    return False


def subtract_at_looks(row: Mapping[Seed, float], baseline: Mapping[Seed, float], looks: Looks) -> Difference | None:
    """Row minus baseline at the last look, its p value that of all looks so far, its interval a repeated one.

    Before the first look there is a value and no test. None when one is empty.
    """
    reached = looks.reached(row, baseline)
    if not reached:
        bare = subtract(row, baseline)
        return bare and Difference(bare.value, bare.pairs, bare.n, bare.test)
    found = [_at(row, baseline, looks, look) for look in range(1, reached + 1)]
    last = found[-1]
    if last.error is None or last.freedom is None:
        return last
    # A look that rejected on the other side says nothing for the sign that is reported.
    p_values = [1.0 if each.p_value is None or each.value * last.value < 0 else each.p_value for each in found]
    level = looks.levels[reached - 1]
    return replace(
        last,
        p_value=float(sequential_p(p_values, looks.counts, looks.spending)[-1]),
        interval=t_interval(last.value, last.error, last.freedom, error_rate=level),
        error_rate=level,
    )


def chance(difference: Difference, margin: float, looks: Looks) -> float | None:
    """How likely the last look decides, if difference and spread are those seen; None where nothing was tested."""
    if difference.error is None:
        return None
    spread = difference.error * min(difference.n) ** 0.5
    return float(chance_to_close(difference.value, spread, len(looks.seeds), looks.levels[-1], margin))


def _at(row: Mapping[Seed, float], baseline: Mapping[Seed, float], looks: Looks, look: int) -> Difference:
    difference = subtract(looks.at(row, look), looks.at(baseline, look))
    assert difference is not None  # a look has seeds of both
    return difference
