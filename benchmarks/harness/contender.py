"""Contenders that are whole programs, each in a process of its own, stopped while it is not its turn.

A training step inside its real loop cannot be called: the loop calls it. So the contender runs as it would for a user,
with its own loader processes, threads and settings, and reports after every so many steps. Between its turns the
processes are stopped by signal, so that nothing is loaded ahead on another's time. Its peak of memory is its own, too.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import Tensor

from backbones.errors import not_none
from backbones.monitoring.memory import peak_host_bytes
from benchmarks.harness.interleaved import take_turns

_TOLD = 3000  # characters of its output when a contender fails


@dataclass(frozen=True)
class TurnReport:
    """What a contender says at the end of a turn. ``losses`` are those of its steps since the last one."""

    peak_bytes: int
    losses: tuple[float, ...] = ()


@dataclass
class TurnReporter:
    """The contender's end: tell it of each step; after every ``steps`` of them, a turn is over.

    Losses may be tensors. They are read at the end of a turn, which then waits for the device; no step does.
    """

    connection: Connection
    steps: int
    losses: list[float | Tensor] = field(default_factory=list)
    done: int = 0

    def begin(self, steps: int) -> None:
        """From here on it is other steps, and so many of them are a turn."""
        self.steps, self.done = steps, 0

    def step_done(self, loss: float | Tensor | None = None) -> None:
        """Another step."""
        if loss is not None:
            self.losses.append(loss)
        self.done += 1
        if self.done % self.steps == 0:
            self.connection.send(TurnReport(peak_host_bytes(), tuple(map(float, self.losses))))
            self.losses.clear()


class Contender:
    """A program and its turns. Leaving the context ends its processes.

    Args:
        program: Called in the new process with a ``TurnReporter`` and ``arguments``; a module's function.
        steps: To a turn.
        arguments: What pickles.
        log: File for what it prints.
    """

    def __init__(self, program: Callable[..., None], steps: int, arguments: Sequence[Any], log: Path) -> None:
        self.steps = steps
        self.log = log
        self.reports: list[TurnReport] = []
        self._program, self._arguments = program, arguments
        self._process: SpawnProcess | None = None

    def turn(self) -> None:
        """Have it run until its next report. It starts with its first turn.

        Raises:
            RuntimeError: It ended instead; the message has the last of what it printed.
        """
        if self._process is None:
            self._start()
        else:
            self._signal(signal.SIGCONT)
        try:
            self.reports.append(self._connection.recv())
        except EOFError:
            raise RuntimeError(f"a contender ended before its turn did: {self._last_words()}") from None
        self._signal(signal.SIGSTOP)

    @property
    def losses(self) -> list[float]:
        """Of all its steps so far."""
        return [loss for report in self.reports for loss in report.losses]

    @property
    def peak_bytes(self) -> int:
        """Of its main process so far."""
        return self.reports[-1].peak_bytes

    def __enter__(self) -> Contender:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):  # it has failed, and said so
                self._signal(signal.SIGKILL)
            self._process.join()
            self._connection.close()

    def _start(self) -> None:
        # Spawned: a fork would inherit what this process has imported, its threads' locks, and its peak of memory.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_run, args=(self._program, theirs, self.steps, self._arguments, str(self.log))
        )
        self._process.start()
        theirs.close()

    def _signal(self, number: signal.Signals) -> None:
        """To the process and all that it has started."""
        try:
            os.killpg(self._pid, number)
        except ProcessLookupError:  # it has not come as far as to lead a group, or has ended
            os.kill(self._pid, number)

    @property
    def _pid(self) -> int:
        return not_none(not_none(self._process).pid)

    def _last_words(self) -> str:
        not_none(self._process).join()
        return self.log.read_text(errors="replace")[-_TOLD:] if self.log.exists() else "it printed nothing"


def race(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[float]]:
    """Seconds on the wall of each contender in each round; the turn before the first round starts and warms up."""
    return take_turns({name: each.turn for name, each in contenders.items()}, rounds, time.perf_counter)


def _run(program: Callable[..., None], connection: Connection, steps: int, arguments: Sequence[Any], log: str) -> None:
    # A group of its own can be stopped as a whole. In the same session, the kernel ends it when it is stopped and the
    # parent has died.
    os.setpgid(0, 0)
    with open(log, "ab", buffering=0) as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    try:
        program(TurnReporter(connection, steps), *arguments)
    except BaseException:
        traceback.print_exc()
        raise SystemExit(1) from None
    finally:
        connection.close()
