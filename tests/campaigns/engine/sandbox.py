"""A folder with a sound input, in which one file is damaged for a trial; and whether anything else has changed."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Sandbox:
    """A folder for trials, made again from ``sound`` whenever a trial has left it in another state."""

    def __init__(self, sound: Path, folder: Path) -> None:
        self.folder = folder
        self._sound = sound
        self._restore()

    @contextmanager
    def damaged(self, victim: Path, content: bytes) -> Iterator[None]:
        """One file of the folder with other content, for as long as the trial lasts."""
        before = victim.read_bytes()
        victim.write_bytes(content)
        try:
            yield
        finally:
            if victim.is_file() and not victim.is_symlink():
                victim.write_bytes(before)

    def touched(self, may_write: tuple[str, ...] = ()) -> list[str]:
        """Names of what is not as it was, but for what a trial may write; all of it is put in order again."""
        there = state(self.folder)
        changed = sorted(name for name in there.keys() | self._state.keys() if there.get(name) != self._state.get(name))
        if changed:
            self._restore()
        return [name for name in changed if not any(Path(name).match(pattern) for pattern in may_write)]

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
