"""Contenders measured in turn, A B A B ..., so that what slows the machine slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

Clock = Callable[[], float]


def take_turns(
    contenders: Mapping[str, Callable[[], object]], rounds: int, clock: Clock = time.process_time
) -> dict[str, list[float]]:
    """Seconds of each contender in each round, after one turn for warming up.

    The default clock counts the processor time of this process: on a machine that others use too, it says what the
    work costs, where the clock on the wall says how often one was interrupted. It adds threads up, so it compares work
    of one thread only; whatever waits or uses several processors needs ``time.perf_counter``.
    """
    for contender in contenders.values():
        contender()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            start = clock()
            contender()
            seconds[name].append(clock() - start)
    return seconds
