"""The mutation campaign: files damaged in one place, read as the program reads them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from campaigns.engine import commands, forked
from campaigns.engine.records import Records
from campaigns.engine.sandbox import Sandbox
from campaigns.engine.trial import PASSING, REFUSED, SAME, SILENT, TOUCHED, Ending, Trial, classify_ending
from campaigns.formats import all_formats, light_formats
from campaigns.formats.format import Format
from campaigns.mutators.entries import change_entry

CAMPAIGN = "mutation"
COMMAND_SEEDS = 50  # one of so many trials goes through the real command
ENTRIES = 0.08  # share of trials in which another thing is in the file's place
_LONGEST_DETAIL = 600


class Subject:
    """A format with its sandbox and what undamaged files give."""

    def __init__(self, form: Format, folder: Path) -> None:
        self.format = form
        sound = folder / f"{form.name}-sound"
        sound.mkdir(parents=True)
        form.build(sound)
        self._sandbox = Sandbox(sound, folder / form.name)
        # In this process, so that what is imported for it need not be imported in each trial.
        self._sandbox.run(lambda: Ending(0, repr(form.read(self._sandbox.folder))))
        self._wanted: dict[bool, str] = {}

    def try_seed(self, seed: int, commit: str) -> Trial:
        """Damage one file, read, and judge."""
        random = Random(f"{self.format.name} {seed}")
        by_command = self.format.command is not None and seed % COMMAND_SEEDS == COMMAND_SEEDS - 1
        wanted = self._read_sound(by_command)
        victim = random.choice(self.format.find_victims(self._sandbox.folder))
        damage = Damage(self.format, self._sandbox.folder, victim, random)
        started = time.monotonic()
        ending, touched = self._sandbox.run(self._trial(by_command), damage.do, self.format.may_write)
        seconds = round(time.monotonic() - started, 3)
        named = (victim.name, victim.stem, *self.format.named, *damage.named)
        outcome, kind = classify_ending(ending, (wanted,), named, damage.may_differ)
        if touched and outcome in (SAME, REFUSED):
            outcome, kind = TOUCHED, "files that a reader has no business with"
            ending = Ending(ending.code, "", f"{ending.errors}\ntouched: {', '.join(touched[:5])}")
        what = f"{victim.relative_to(self._sandbox.folder)}: {damage.what}{' (command)' if by_command else ''}"
        detail = ending.errors if outcome != SILENT else f"{ending.result[:280]}\ninstead of\n{wanted[:280]}"
        detail = "" if outcome in PASSING else detail[-_LONGEST_DETAIL:]
        return Trial(CAMPAIGN, self.format.name, seed, what, outcome, kind, detail, seconds, commit)

    def _read_sound(self, by_command: bool) -> str:
        """The result of undamaged files.

        Raises:
            RuntimeError: They are refused, so that no trial would mean anything.
        """
        if by_command not in self._wanted:
            ending, _ = self._sandbox.run(self._trial(by_command))
            if ending.code != 0:
                raise RuntimeError(f"{self.format.name}: sound files are refused: {ending.errors}")
            self._wanted[by_command] = ending.result
        return self._wanted[by_command]

    def _trial(self, by_command: bool) -> Callable[[], Ending]:
        folder, command = self._sandbox.folder, self.format.command
        if by_command and command is not None:
            return lambda: commands.run(command(folder))
        return lambda: forked.call(lambda: self.format.read(folder))


class Damage:
    """What is done to a file of a format, drawn when it is done.

    Attributes:
        what: It, in words.
        may_differ: Whether it may have made another valid input.
        named: What a message may name besides the file.
    """

    def __init__(self, form: Format, folder: Path, victim: Path, random: Random) -> None:
        self._format, self._folder, self._victim, self._random = form, folder, victim, random
        self.what, self.may_differ = "", False
        self.named: tuple[str, ...] = ()

    def do(self) -> None:
        """Do it, and know what it was."""
        if self._random.random() < ENTRIES:
            self.what, self.may_differ = change_entry(self._victim, self._random, self._folder), True
            self.named = (str(self._folder),)  # what is missing or strange there may be any other name
            return
        mutation = self._random.choice(self._format.mutators)(self._victim.read_bytes(), self._random)
        self._victim.write_bytes(mutation.content)
        self.what, self.may_differ = mutation.what, mutation.damage in self._format.free


def subjects() -> list[str]:
    """Names of the formats."""
    return list(all_formats())


def run(
    names: Sequence[str], seeds: Iterable[int], folder: Path, records: Records, go_on: Callable[[], bool]
) -> Iterator[Trial]:
    """Try formats by name, as ``try_formats`` does."""
    formats = light_formats()
    if not formats.keys() >= set(names):
        formats = all_formats()  # which imports OpenMMLab
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
            trial = subject.try_seed(seed, records.commit)
            records.add(trial)
            yield trial
