"""The state of every run of a suite while it works."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from studies.suite.executors.progress import RunProgress, look
from studies.suite.planned_run import PlannedRun

WAITING, RUNNING, ELSEWHERE = "waiting", "running", "elsewhere"
DONE, FAILED, BLOCKED = "done", "failed", "blocked"
ENDED = (DONE, FAILED, BLOCKED)


@dataclass
class Status:
    """Where one run stands.

    Attributes:
        state: One of the words above.
        note: Who has it, what it waits for, or what it said last.
        attempts: How often this suite has begun it.
        cached: It was done before this suite began.
    """

    run: PlannedRun
    state: str = WAITING
    note: str = ""
    attempts: int = 0
    cached: bool = False
    last_words: list[str] = field(default_factory=list)
    progress: RunProgress = field(default_factory=RunProgress)
    _first: tuple[float, float] | None = None  # time and share when it was first seen at work

    def watch(self) -> None:
        """See how far it is."""
        self.progress = look(self.run)
        if self._first is None and self.progress.share is not None:
            self._first = time.monotonic(), self.progress.share

    @property
    def seconds_left(self) -> float | None:
        """Of the training, at the pace since it was first seen."""
        if self._first is None or self.progress.share is None:
            return None
        (since, share), now = self._first, self.progress.share
        return (time.monotonic() - since) / (now - share) * (1 - now) if now > share else None


class Board:
    """The states of all runs, by name."""

    def __init__(self, runs: Sequence[PlannedRun]) -> None:
        self.all = {run.name: Status(run) for run in runs}

    def unfinished(self) -> list[Status]:
        """Those that have not ended, in order."""
        return [status for status in self.all.values() if status.state not in ENDED]

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return not self.unfinished()

    def needed(self, status: Status) -> Iterable[Status]:
        """What a run builds on."""
        return (self.all[name] for name in status.run.needs)

    def count(self, state: str) -> int:
        """Runs in a state."""
        return sum(status.state == state for status in self.all.values())

    def broken(self) -> list[Status]:
        """Runs that failed or could not begin."""
        return [status for status in self.all.values() if status.state in (FAILED, BLOCKED)]
