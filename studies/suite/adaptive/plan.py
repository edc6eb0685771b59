"""The looks of an adaptive suite: which seeds there may be, and after how many of them verdicts are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backbones.errors import UserError, did_you_mean
from studies.statistics.group_sequential import POCOCK, SPENDING
from studies.statistics.looks import Looks
from studies.suite.definition import Suite

FIRST = 3  # two seeds of a row find next to nothing (docs/simulations.md)
GROWTH = 1.5  # of the seeds from look to look: more looks would each cost power, fewer would come late


def plan_looks(
    suite: Suite, seeds: Sequence[int] | None = None, counts: Sequence[int] | None = None, spending: str | None = None
) -> Looks:
    """The looks of a suite.

    Args:
        suite: As its file has it.
        seeds: The most that a row may get, in their order; None takes the longest list of the suite.
        counts: Seeds at each look; None takes ``FIRST`` and half as many again until all are there.
        spending: Name of the spending function; None takes Pocock's.

    Raises:
        UserError: Fewer seeds than two looks need, counts that do not rise to at most all seeds, or an unknown name.
    """
    seeds = tuple(seeds or max((row.seeds or suite.seeds for row in suite.rows), key=len))
    if spending is not None and spending not in SPENDING:
        raise UserError(
            f"--spending {spending}: {did_you_mean(spending, SPENDING)}there are {', '.join(sorted(SPENDING))}"
        )
    chosen = tuple(counts) if counts else default_counts(len(seeds))
    if len(seeds) <= chosen[0] and not counts:
        raise UserError(
            f"--adaptive: {suite.path} has {len(seeds)} seed{'s' * (len(seeds) > 1)}, so there is one look and nothing "
            "to adapt; give more, the most that a row may get, with --seeds"
        )
    if list(chosen) != sorted(set(chosen)) or chosen[0] < 2 or chosen[-1] > len(seeds):
        raise UserError(
            f"--looks {' '.join(map(str, chosen))}: give rising numbers of seeds from 2 to {len(seeds)}, which is how "
            f"many {suite.path} has; more with --seeds"
        )
    if chosen[-1] < len(seeds):
        chosen = (*chosen, len(seeds))
    if len(chosen) < 2:
        raise UserError(f"--looks {chosen[0]}: that is all seeds of {suite.path}, and one look; give fewer, or --seeds")
    return Looks(seeds, chosen, spending or POCOCK)


def default_counts(seeds: int) -> tuple[int, ...]:
    """3, 5, 8, 12, 18, ... up to all seeds."""
    counts = []
    count = FIRST
    while count < seeds:
        counts.append(count)
        count = int(count * GROWTH + 0.5)
    return (*counts, seeds)


def with_looks(suite: Suite, looks: Looks) -> Suite:
    """The suite with every row at all seeds of the plan."""
    return replace(suite, seeds=looks.seeds, rows=tuple(replace(row, seeds=None) for row in suite.rows))
