"""The kill campaign: commands ended at random moments, and then finished."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from campaigns.engine import commands
from campaigns.engine.commands import Command
from campaigns.engine.records import Records
from campaigns.engine.trial import DIED, HANG, PASSING, REFUSED, SAME, Ending, Trial, classify_ending
from campaigns.engine.workloads import Inputs, Workload, outcome_of, workloads

CAMPAIGN = "kill"
SUBJECTS = ("train_cls", "transfer_det", "transfer_seg", "run_suite")
SLOWER = 4  # times as long as alone: the machine may be busy
SECONDS_TO_END = 30.0  # after a signal, for the command and for all that it has started
EARLIEST = 1.0  # seconds; before, Python itself is starting, and nobody can say how that ends
_MOST = 3
_LONGEST_DETAIL = 3000

# Who is hit by which signal, in words.
KILL_ALL, KILL_MAIN, KILL_CHILD, TERMINATE, CTRL_C = (
    *("SIGKILL to all", "SIGKILL to the first process", "SIGKILL to one of its children"),
    *("SIGTERM to the first process", "Ctrl-C"),
)
WAYS = (KILL_ALL, KILL_MAIN, KILL_CHILD, TERMINATE, CTRL_C)


class Subject:
    """A workload, with what it gives when it is left alone and how long that takes."""

    def __init__(self, workload: Workload, folder: Path) -> None:
        """Run it undisturbed.

        Raises:
            RuntimeError: It fails, so that no trial would mean anything.
        """
        self.workload = workload
        self._folder = folder / workload.name
        self._patience = workload.seconds
        started = time.monotonic()
        ending = self._finish(self._folder / "alone")
        if ending.code != 0:
            raise RuntimeError(f"{workload.name} fails by itself: {ending.errors}")
        self.seconds = time.monotonic() - started
        self._patience = min(workload.seconds, SECONDS_TO_END + SLOWER * self.seconds)
        self.wanted = ending.result

    def try_seed(self, seed: int, commit: str) -> Trial:
        """Interrupt it up to three times, then let it finish, and judge."""
        random = Random(f"{self.workload.name} {seed}")
        folder = self._folder / str(seed)
        started, told = time.monotonic(), []
        for _ in range(random.randint(1, _MOST)):
            way, moment = random.choice(WAYS), EARLIEST + random.random() * max(0.0, self.seconds - EARLIEST)
            told.append(f"{way} after {moment:.1f} s")
            outcome, kind, detail = self._interrupt(folder, way, moment, random)
            if outcome not in PASSING:
                break
        else:
            ending = self._finish(folder)
            outcome, kind = classify_ending(ending, (self.wanted,), (str(folder),))
            if outcome == REFUSED:
                outcome, kind = DIED, "cannot be continued"
            detail = ending.errors or f"{ending.result[:280]}\ninstead of\n{self.wanted[:280]}"
        shutil.rmtree(folder, ignore_errors=True)
        seconds, what = round(time.monotonic() - started, 1), "; ".join(told)
        detail = "" if outcome in PASSING else detail[-_LONGEST_DETAIL:]
        return Trial(CAMPAIGN, self.workload.name, seed, what, outcome, kind, detail, seconds, commit)

    def _finish(self, folder: Path) -> Ending:
        ending = commands.run(self.workload.words(folder), self._patience)
        return outcome_of(self.workload, folder, ending)

    def _interrupt(self, folder: Path, way: str, moment: float, random: Random) -> tuple[str, str, str]:
        """Start it, end it, and see that it ends as it should, with everything that it has started."""
        command = Command(self.workload.words(folder))
        if not command.ends_within(moment):
            _send(command, way, random)
        patience = self._patience if way == KILL_CHILD else SECONDS_TO_END  # it may do without the child
        ending = command.finish(patience)
        if ending.code is None:
            return HANG, f"does not end after {way}", ending.errors
        if not command.leaves_nothing(SECONDS_TO_END):
            return DIED, f"leaves processes behind after {way}", ending.errors
        if ending.code in (-signal.SIGKILL, -signal.SIGTERM) and way != KILL_CHILD:
            return SAME, "", ""
        if ending.code == 0:
            return SAME, "", ""
        return *classify_ending(ending, (), (str(folder), "process", "memory", "worker")), ending.errors


def _send(command: Command, way: str, random: Random) -> None:
    if way == KILL_ALL:
        command.send_to_all(signal.SIGKILL)
    elif way == CTRL_C:
        command.send_to_all(signal.SIGINT)  # as a terminal does
    elif way == KILL_CHILD:
        if children := command.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(random.choice(children), signal.SIGKILL)
    else:
        command.process.send_signal(signal.SIGKILL if way == KILL_MAIN else signal.SIGTERM)


def subjects() -> list[str]:
    """Names of the commands."""
    return list(SUBJECTS)


def run(
    names: Sequence[str], seeds: Iterable[int], folder: Path, records: Records, go_on: Callable[[], bool]
) -> Iterator[Trial]:
    """Try commands by name with one seed after the other; what the records have is left out."""
    known = workloads(Inputs(folder / "inputs"))
    yield from try_workloads({name: known[name] for name in names}, seeds, folder, records, go_on)


def try_workloads(
    chosen: Mapping[str, Workload],
    seeds: Iterable[int],
    folder: Path,
    records: Records,
    go_on: Callable[[], bool] = lambda: True,
) -> Iterator[Trial]:
    """As ``run`` does, with workloads of one's own."""
    made: dict[str, Subject] = {}
    for seed in seeds:
        for name, workload in chosen.items():
            if (CAMPAIGN, name, seed) in records:
                continue
            if not go_on():
                return
            subject = made[name] = made.get(name) or Subject(workload, folder)
            trial = subject.try_seed(seed, records.commit)
            records.add(trial)
            yield trial
