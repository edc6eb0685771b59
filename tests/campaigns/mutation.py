"""The mutation campaign: files damaged in one place, read as the program reads them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from campaigns.engine import commands, forked
from campaigns.engine.records import Records
from campaigns.engine.sandbox import Sandbox
from campaigns.engine.trial import REFUSED, SAME, SILENT, TOUCHED, Ending, Trial, judge
from campaigns.formats import all_formats
from campaigns.formats.format import Format

CAMPAIGN = "mutation"
COMMAND_SEEDS = 50  # one of so many trials goes through the real command
_LONGEST_DETAIL = 600


class Subject:
    """A format with its sandbox and what undamaged files give."""

    def __init__(self, form: Format, folder: Path) -> None:
        self.format = form
        sound = folder / f"{form.name}-sound"
        sound.mkdir(parents=True)
        form.build(sound)
        self.sandbox = Sandbox(sound, folder / form.name)
        form.read(self.sandbox.folder)  # here, so that what it imports need not be imported in each trial
        self.sandbox.touched()
        self._wanted: dict[bool, str] = {}

    def wanted(self, by_command: bool) -> str:
        """The result of undamaged files.

        Raises:
            RuntimeError: They are refused, so that no trial would mean anything.
        """
        if by_command not in self._wanted:
            ending = self._run(by_command)
            if ending.code != 0:
                raise RuntimeError(f"{self.format.name}: sound files are refused: {ending.errors}")
            self.sandbox.touched()
            self._wanted[by_command] = ending.result
        return self._wanted[by_command]

    def try_seed(self, seed: int, commit: str, by_command: bool = False) -> Trial:
        """Damage one file, read, and judge."""
        random = Random(f"{self.format.name} {seed}")
        wanted = self.wanted(by_command)
        victim = random.choice(self.format.find_victims(self.sandbox.folder))
        mutation = random.choice(self.format.mutators)(victim.read_bytes(), random)
        name = victim.relative_to(self.sandbox.folder).as_posix()
        started = time.monotonic()
        with self.sandbox.damaged(victim, mutation.content):
            ending = self._run(by_command)
        seconds = time.monotonic() - started
        may_differ = mutation.damage in self.format.free
        named = (victim.name, victim.stem, *self.format.named)
        outcome, kind = judge(ending, (wanted, *self.format.equal), named, may_differ)
        touched = self.sandbox.touched(self.format.may_write)
        if touched and outcome in (SAME, REFUSED):
            outcome, kind = TOUCHED, "files that a reader has no business with"
            ending = Ending(ending.code, "", f"{ending.errors}\ntouched: {', '.join(touched[:5])}")
        what = f"{name}: {mutation.what}{' (command)' if by_command else ''}"
        detail = ending.errors if outcome != SILENT else f"{ending.result[:280]}\ninstead of\n{wanted[:280]}"
        detail = detail[-_LONGEST_DETAIL:]
        return Trial(CAMPAIGN, self.format.name, seed, what, outcome, kind, detail, round(seconds, 3), commit)

    def _run(self, by_command: bool) -> Ending:
        if by_command and self.format.command is not None:
            return commands.run(self.format.command(self.sandbox.folder))
        return forked.call(lambda: self.format.read(self.sandbox.folder))


def subjects() -> list[str]:
    """Names of the formats."""
    return list(all_formats())


def run(
    names: Sequence[str], seeds: Iterable[int], folder: Path, records: Records, go_on: Callable[[], bool]
) -> Iterator[Trial]:
    """Try formats by name, as ``try_formats`` does."""
    formats = all_formats()
    yield from try_formats({name: formats[name] for name in names}, seeds, folder, records, go_on)


def try_formats(
    formats: Mapping[str, Format],
    seeds: Iterable[int],
    folder: Path,
    records: Records,
    go_on: Callable[[], bool] = lambda: True,
) -> Iterator[Trial]:
    """Try every format with one seed after the other; what the records have is left out.

    Args:
        formats: By name.
        seeds: Of the trials; one of ``COMMAND_SEEDS`` goes through the real command, where the format has one.
        folder: For the files; does not exist yet.
        records: Where trials are written.
        go_on: Asked before each trial.
    """
    made = {name: Subject(form, folder) for name, form in formats.items()}
    for seed in seeds:
        for name, subject in made.items():
            if (CAMPAIGN, name, seed) in records:
                continue
            if not go_on():
                return
            by_command = seed % COMMAND_SEEDS == COMMAND_SEEDS - 1 and subject.format.command is not None
            trial = subject.try_seed(seed, records.commit, by_command)
            records.add(trial)
            yield trial
