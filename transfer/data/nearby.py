"""What lies beside a file that does not exist: mostly it is there, under almost that name."""

from __future__ import annotations

import os
from pathlib import Path

_MOST_NAMES = 3


class Neighbours:
    """Names of files by folder; each folder is listed once, however many files it lacks."""

    def __init__(self) -> None:
        self._by_stem: dict[Path, dict[str, list[str]]] = {}

    def of(self, path: Path) -> list[str]:
        """Names in the same folder that differ in suffix or case alone, as "a.JPG" and "a.png" do from "a.jpg"."""
        names = self._folder(path.parent).get(path.stem.casefold(), [])
        return sorted(name for name in names if name != path.name)[:_MOST_NAMES]

    def remedy(self, path: Path, otherwise: str, also: str = "") -> str:
        """What to do about a missing file: rename such a neighbour (or what ``also`` says), else ``otherwise``."""
        there = self.of(path)
        return f"there is {' and '.join(there)}: rename it to {path.name}{also}" if there else otherwise

    def _folder(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._by_stem:
            stems: dict[str, list[str]] = {}
            for name in names_in(folder):
                stems.setdefault(Path(name).stem.casefold(), []).append(name)
            self._by_stem[folder] = stems
        return self._by_stem[folder]


def names_in(folder: Path) -> list[str]:
    """Names of all that a folder holds, sorted; none of a folder that cannot be listed."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def lists_beside(path: Path) -> str:
    """Words on the other lists in the folder of one that is missing; none if there are none."""
    return _beside([name for name in names_in(path.parent) if name.endswith(path.suffix) and name != path.name])


def folders_beside(path: Path) -> str:
    """The same of a folder that is missing."""
    return _beside([name for name in names_in(path.parent) if (path.parent / name).is_dir()])


def _beside(others: list[str]) -> str:
    if not others:
        return ""
    more = ", ..." if len(others) > _MOST_NAMES else ""
    return f"; beside it there is {', '.join(others[:_MOST_NAMES])}{more}: rename or copy the one that is meant"
