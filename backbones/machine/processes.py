"""Work spread over processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor

_MOST_LOADERS = 8  # more rarely help one training


def usable_cpus() -> int:
    """CPUs that this process may use: on Linux what the batch system granted, not what the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def loader_workers() -> int:
    """Loader processes if nobody says how many: one per usable CPU, up to 8."""
    return min(usable_cpus(), _MOST_LOADERS)


def process_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of new processes, which leave Ctrl-C to this one.

    Spawned: a fork would copy the locks of whatever threads torch has started, in whatever state they are.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts_to_the_parent)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
