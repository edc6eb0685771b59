"""Processes that work for one reader: when one of them dies, the others end too, and the reader's waiting with them.

A process that is killed while it sends leaves part of a message and a lock behind. The reader waits for the rest of the
message, and the other processes for the lock, for ever: all of them hold the pipe open, the reader included.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Lock

SECONDS_TO_BE_GONE = 2.0  # between the end of what a process sent and its own: the system is busy at most


class Siblings:
    """Watches processes in a thread, from now until all have ended.

    Attributes:
        processes: They.
        first: How the one died that died first, an exit status or the negative number of a signal; None if none has.
    """

    def __init__(self, processes: Iterable[BaseProcess], when_one_dies: Callable[[], None]) -> None:
        """Kill all of them as soon as one has ended with another status than 0, then call ``when_one_dies``.

        Raises:
            RuntimeError: No thread can be started; the processes are killed.
        """
        self.first: int | None = None
        self.processes = tuple(processes)
        self._when_one_dies = when_one_dies
        self._dead = threading.Event()
        try:
            threading.Thread(target=self._watch, name="siblings", daemon=True).start()
        except RuntimeError:
            self._kill()
            raise

    def died(self) -> bool:
        """Whether one has died, to be asked where something that they send breaks off."""
        if self.processes and wait([process.sentinel for process in self.processes], SECONDS_TO_BE_GONE):
            self._dead.wait(SECONDS_TO_BE_GONE)
        return self.first is not None

    def _kill(self) -> None:
        for process in self.processes:
            process.kill()

    def _watch(self) -> None:
        alive = {process.sentinel: process for process in self.processes}
        while alive and self.first is None:
            for sentinel in wait(list(alive)):
                code = _status(alive.pop(sentinel))  # type: ignore[arg-type]
                self.first = self.first or code or None
        if self.first is not None:
            self._kill()
            self._when_one_dies()
        self._dead.set()


def _status(process: BaseProcess) -> int:
    """How a process has ended, or is about to: its end of the pipe is closed a moment before.

    Only one of two threads that ask at once is told at once.
    """
    until = time.monotonic() + SECONDS_TO_BE_GONE
    while process.exitcode is None and time.monotonic() < until:
        time.sleep(0.01)
    return process.exitcode or 0


def free(lock: Lock) -> None:
    """Release a lock that a process has taken into its grave, if one has: nobody who lives holds it for so long."""
    lock.acquire(timeout=SECONDS_TO_BE_GONE)
    lock.release()
