"""Faults of a data set, gathered: told one per run, they would take as many runs, each of which decodes every file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from backbones.cli.shell import shell_word
from backbones.errors import UserError

Item = TypeVar("Item")
Value = TypeVar("Value")

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


def read_each(root: Path, path: Path, noun: str, items: Iterable[Item], read: Callable[[Item], Value]) -> list[Value]:
    """What ``read`` makes of each item of a file; all that it refuses is told at once, by number.

    Args:
        root: The data set's folder.
        path: The file.
        noun: What an item is.
        items: Counted from 1.
        read: Raises ``ValueError`` with what is wrong.

    Raises:
        Faults: Some are refused.
    """
    faults, found = [], []
    for number, item in enumerate(items, start=1):
        try:
            found.append(read(item))
        except ValueError as error:
            faults.append(Fault(path, f"{path}, {noun} {number}: {error}"))
    if faults:
        raise Faults(root, faults)
    return found


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
