"""What a mutation campaign has to know of a kind of file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backbones.errors import UserError
from campaigns.engine.forked import SoundBeforeError
from campaigns.mutators.mutation import MISSING, VALUE, WORDS, Mutator


@dataclass(frozen=True)
class Format:
    """A kind of file that a user can have.

    Attributes:
        name: Of the subject in the records.
        build: Writes a sound input into an empty folder.
        victims: Glob patterns, in that folder, of the files that are damaged.
        read: Reads the folder as the program does, and gives what comes out of it, by ``repr``.
        mutators: What damages a victim; each is as probable as the others.
        free: Damage after which another result is right, because the file may have become another valid one.
        command: The words of a real command, beginning with the tool, that reads the folder; None: there is none.
        named: Texts in a message that point at the culprit as well as the file's name does.
        may_write: Glob patterns of what a reader may write into the folder.
    """

    name: str
    build: Callable[[Path], None]
    victims: tuple[str, ...]
    read: Callable[[Path], Any]
    mutators: tuple[Mutator, ...]
    free: Collection[str] = (VALUE, MISSING, WORDS)
    command: Callable[[Path], Sequence[str]] | None = None
    named: tuple[str, ...] = ()
    may_write: tuple[str, ...] = ()

    def find_victims(self, folder: Path) -> list[Path]:
        """The files that are damaged, in order."""
        return sorted(path for pattern in self.victims for path in folder.glob(pattern))


def used_after_check(check: Callable[[], Any], use: Callable[[], Any]) -> Any:
    """What ``use`` gives of what ``check`` has found sound.

    Raises:
        UserError: The check has found a fault.
        SoundBeforeError: It has not, and the use has.
    """
    check()
    try:
        return use()
    except UserError as error:
        raise SoundBeforeError(str(error)) from error


def digest(*arrays: np.ndarray) -> str:
    """SHA-256 of arrays: types, shapes and values."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
