"""Work spread over processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from backbones.errors import MachineError
from backbones.machine.siblings import Siblings

_MOST_LOADERS = 8  # more rarely help one training


def usable_cpus() -> int:
    """CPUs that this process may use: on Linux what the batch system granted, not what the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def loader_workers() -> int:
    """Loader processes if nobody says how many: one per usable CPU, up to 8."""
    return min(usable_cpus(), _MOST_LOADERS)


@contextmanager
def process_pool(workers: int, what: str) -> Iterator[ProcessPoolExecutor]:
    """A pool of new processes, which leave Ctrl-C to this one.

    Spawned: a fork would copy the locks of whatever threads torch has started, in whatever state they are.

    Args:
        workers: How many processes.
        what: They do, for the message.

    Raises:
        MachineError: A process died.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts_to_the_parent)
    try:
        for _ in range(workers):
            pool.submit(_begin)  # a process starts with a task that finds none idle
        Siblings(*_watched(pool))
        yield pool
    except BrokenProcessPool:
        raise MachineError(
            f"{what}: a process died, most likely because memory ran out; free some, or allow fewer CPUs "
            "('taskset -c 0,1 python ...')"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _watched(pool: Any) -> tuple[list[BaseProcess], Callable[[], None]]:
    """A pool's processes, and what frees its thread, when all are dead, of waiting for the rest of a message."""
    return list(pool._processes.values()), pool._result_queue._writer.close


def _begin() -> None:
    pass


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
