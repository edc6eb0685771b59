"""A folder with a sound input that is damaged for a trial; and whether the trial changes anything by itself."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from campaigns.engine.trial import Ending


class Sandbox:
    """A folder for trials, made again from ``sound`` before each trial that does not find it so."""

    def __init__(self, sound: Path, folder: Path) -> None:
        self.folder = folder
        self._sound = sound
        self._restore()

    def run(
        self, trial: Callable[[], Ending], damage: Callable[[], None] | None = None, may_write: Sequence[str] = ()
    ) -> tuple[Ending, list[str]]:
        """Do damage, run a trial, and put everything in order again.

        Args:
            trial: What is run.
            damage: What is done to the folder before.
            may_write: Glob patterns of what the trial may write.

        Returns:
            How the trial ended, and the names of what it has changed besides.
        """
        if damage is not None:
            damage()
        before = self._state if damage is None else state(self.folder)
        ending = trial()
        after = state(self.folder)
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        if after != self._state:
            self._restore()
        return ending, [name for name in changed if not any(Path(name).match(pattern) for pattern in may_write)]

    def _restore(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self._sound, self.folder, symlinks=True)
        self._state = state(self.folder)


def state(folder: Path) -> dict[str, str]:
    """What a folder holds: kind and content of every entry, by name."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink():
                content = f"link to {os.readlink(path)}"
            elif path.is_file():
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                content = "folder" if path.is_dir() else "special"
            found[path.relative_to(folder).as_posix()] = content
    return found
