"""Faults of a data set, gathered: told one per run, they would take as many runs, each of which decodes every file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from backbones.cli.shell import shell_word
from backbones.errors import UserError

MOST_NAMES = 10  # further ones are counted


class Fault(NamedTuple):
    """What is wrong with one file, and what to do about it; ``text`` names the file, too."""

    file: Path
    text: str


class Faults(UserError):
    """All that is wrong with a split. The message tells the first fault and names the files of the next nine."""

    def __init__(self, root: Path, faults: Sequence[Fault]) -> None:
        first, *others = faults
        super().__init__(first.text + (_name_others(root, others) if others else ""))
        self.texts = tuple(fault.text for fault in faults)


def texts(error: UserError) -> tuple[str, ...]:
    """Each fault that an error tells of, in full."""
    return error.texts if isinstance(error, Faults) else (str(error),)


def _name_others(root: Path, others: Sequence[Fault]) -> str:
    files = list(dict.fromkeys(_seen_from(root, fault.file) for fault in others))
    named, more = files[: MOST_NAMES - 1], len(files) - MOST_NAMES + 1
    names = ", ".join(named) + (f" and {more} more files" if more > 0 else "")
    command = f"python tools/prepare_data.py check {shell_word(str(root))}"
    return f" (and {len(others)} more fault{'s' * (len(others) > 1)}, in {names}; '{command}' tells each)"


def _seen_from(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
