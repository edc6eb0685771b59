"""A suite on this machine: every run that can begin is begun where there is room."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from backbones.runs.locks import Owner
from studies.suite.executors.board import BLOCKED, DONE, ELSEWHERE, FAILED, RUNNING, WAITING, Board, Status
from studies.suite.executors.process import ATTEMPTS, RunProcess, claim, last_words
from studies.suite.executors.slots import Slot
from studies.suite.planned_run import PlannedRun

SECONDS_BETWEEN_LOOKS = 0.2


class Reporter(Protocol):
    """What shows people how it goes."""

    def changed(self, status: Status, what: str) -> None:
        """A run's state is another one now."""

    def tick(self) -> None:
        """Time has passed."""


def run_here(runs: Sequence[PlannedRun], slots: Sequence[Slot], board: Board, reporter: Reporter) -> None:
    """Carry out all runs, or see that somebody else does; ``board`` has the outcome.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; what was at work has been stopped, and can be resumed.
    """
    execution = _Execution(slots, board, reporter)
    with _sigterm_as_interrupt():
        try:
            while not board.ended:
                execution.step()
                reporter.tick()
                if not board.ended:
                    time.sleep(SECONDS_BETWEEN_LOOKS)
        except BaseException:
            execution.stop()
            raise


class _Execution:
    def __init__(self, slots: Sequence[Slot], board: Board, reporter: Reporter) -> None:
        self._free = list(slots)
        self._working: dict[str, tuple[RunProcess, Slot]] = {}
        self._board = board
        self._reporter = reporter

    def step(self) -> None:
        """Take note of what has ended, and begin what can begin."""
        for name, (process, slot) in list(self._working.items()):
            if (code := process.poll()) is not None:
                del self._working[name]
                self._free.append(slot)
                self._ended(self._board.all[name], code)
        for status in self._board.unfinished():
            if status.state != RUNNING:
                self._consider(status)

    def stop(self) -> None:
        """Stop what works, all at once, and wait for it; at a second Ctrl-C no longer."""
        processes = [process for process, _ in self._working.values()]
        for process in processes:
            process.stop()
        try:
            for process in processes:
                process.wait_stopped()
        except KeyboardInterrupt:
            for process in processes:
                process.wait_stopped(0)

    def _consider(self, status: Status) -> None:
        if status.run.done:
            status.cached = status.state == WAITING and not status.attempts
            self._set(status, DONE, "done before" if status.cached else "done elsewhere")
            return
        needed = list(self._board.needed(status))
        if broken := [each for each in needed if each.state in (FAILED, BLOCKED)]:
            status.note = f"needs {broken[0].run.name}"
            self._set(status, BLOCKED, f"left out: {status.note}, which {broken[0].state}")
        elif self._free and all(each.state == DONE for each in needed):
            self._begin(status)

    def _begin(self, status: Status) -> None:
        lock = claim(status.run)
        if isinstance(lock, Owner):
            if status.state != ELSEWHERE:
                status.note = lock.name
                self._set(status, ELSEWHERE, f"another process works on it{lock}")
            return
        if status.run.done:  # by somebody else, between our look and our claim
            lock.close()
            return
        how = "continues" if status.run.begun else "begins"
        slot = self._free.pop(0)
        status.attempts += 1
        self._working[status.run.name] = RunProcess(status.run, lock, slot.environment), slot
        self._set(status, RUNNING, f"{how}: {status.run.printed}")

    def _ended(self, status: Status, code: int) -> None:
        if code == 0 and status.run.done:
            self._set(status, DONE, "done")
            return
        status.last_words = last_words(status.run.log)
        told = f"exit code {code}" if code else "no result, though the command said that all went well"
        if status.attempts < ATTEMPTS:
            self._set(status, WAITING, f"failed ({told}), and is tried once more")
            return
        status.note = told
        self._set(status, FAILED, f"FAILED ({told})")

    def _set(self, status: Status, state: str, what: str) -> None:
        status.state = state
        self._reporter.changed(status, what)


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """SIGINT too: a shell that starts the suite in the background has it ignore Ctrl-C, and all it starts with it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
