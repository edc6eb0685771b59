"""The resource campaign: commands that get too little of something, and then enough."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from campaigns.engine import commands
from campaigns.engine.records import Records
from campaigns.engine.trial import DIED, PASSING, REFUSED, Ending, Trial, classify_ending
from campaigns.engine.workloads import Inputs, Workload, outcome_of, workloads
from campaigns.starving.lacks import LACKS, Lack, has_namespaces

CAMPAIGN = "resources"
LAUNCHER = Path(__file__).with_name("starving") / "starve.py"
SECONDS_TO_END, SLOWER = 30.0, 4  # a busy machine, and one that swaps
_LONGEST_DETAIL = 3000


class Enough:
    """A workload with enough of everything: what it gives, and how long that takes."""

    def __init__(self, workload: Workload, folder: Path) -> None:
        """Run it.

        Raises:
            RuntimeError: It fails, so that no trial would mean anything.
        """
        started = time.monotonic()
        ending = finish(workload, folder, workload.seconds)
        if ending.code != 0:
            raise RuntimeError(f"{workload.name} fails by itself: {ending.errors}")
        self.workload = workload
        self.result = ending.result
        self.seconds = time.monotonic() - started


class Subject:
    """A workload and what it lacks."""

    def __init__(self, name: str, enough: Enough, lack: Lack, folder: Path) -> None:
        self.name = name
        self.workload = enough.workload
        self.lack = lack
        self._wanted = enough.result
        self._patience = min(enough.workload.seconds, SECONDS_TO_END + SLOWER * enough.seconds)
        self._folder = folder

    def try_seed(self, seed: int, commit: str) -> Trial:
        """Run it with too little, then with enough, and judge both."""
        value = self.lack.draw(Random(f"{self.name} {seed}"))
        folder = self._folder / str(seed)
        started = time.monotonic()
        ending = self._starve(folder, value)
        outcome, kind = classify_ending(ending, (self._wanted,), (str(folder), *self.lack.named))
        if outcome in PASSING:
            again = finish(self.workload, folder, self._patience)
            after, why = classify_ending(again, (self._wanted,), (str(folder),))
            if after not in PASSING or after == REFUSED:
                outcome, kind, ending = DIED, f"afterwards, with enough: {why or 'refused'}", again
        shutil.rmtree(folder, ignore_errors=True)
        detail = "" if outcome in PASSING else (ending.errors or ending.result)[-_LONGEST_DETAIL:]
        seconds = round(time.monotonic() - started, 1)
        what = f"{self.lack.name} {value}"
        return Trial(CAMPAIGN, self.name, seed, what, outcome, kind, detail, seconds, commit)

    def _starve(self, folder: Path, value: int | str) -> Ending:
        folder.mkdir(parents=True, exist_ok=True)
        words, prefix = self.workload.words(folder), self.lack.prefix(folder, value)
        if not prefix:
            words = [str(LAUNCHER), json.dumps({self.lack.name: value}), *words]
        return outcome_of(self.workload, folder, commands.run(words, self._patience, prefix))


def finish(workload: Workload, folder: Path, seconds: float) -> Ending:
    """Run a workload with enough of everything."""
    return outcome_of(workload, folder, commands.run(workload.words(folder), seconds))


def name_of(workload: str, lack: Lack) -> str:
    """A subject's."""
    return f"{workload}-{lack.name.replace(' ', '-')}"


def subjects() -> list[str]:
    """Every workload with everything that it can lack on this machine."""
    lacks = [lack for lack in LACKS if has_namespaces() or not lack.needs_namespaces]
    return [name_of(workload, lack) for lack in lacks for workload in lack.workloads]


def run(
    names: Sequence[str], seeds: Iterable[int], folder: Path, records: Records, go_on: Callable[[], bool]
) -> Iterator[Trial]:
    """Try subjects by name with one seed after the other; what the records have is left out."""
    known = workloads(Inputs(folder / "inputs"))
    chosen = {
        name: (known[workload], lack)
        for lack in LACKS
        for workload in lack.workloads
        if (name := name_of(workload, lack)) in names
    }
    yield from try_lacks(chosen, seeds, folder, records, go_on)


def try_lacks(
    chosen: Mapping[str, tuple[Workload, Lack]],
    seeds: Iterable[int],
    folder: Path,
    records: Records,
    go_on: Callable[[], bool] = lambda: True,
) -> Iterator[Trial]:
    """As ``run`` does, with workloads of one's own."""
    known: dict[str, Enough] = {}
    for seed in seeds:
        for name, (workload, lack) in chosen.items():
            if (CAMPAIGN, name, seed) in records:
                continue
            if not go_on():
                return
            if workload.name not in known:
                known[workload.name] = Enough(workload, folder / "enough" / workload.name)
            trial = Subject(name, known[workload.name], lack, folder / name).try_seed(seed, records.commit)
            records.add(trial)
            yield trial
