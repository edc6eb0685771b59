"""Names of classes, in the order of their labels: from a file, or a benchmark's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backbones.errors import UserError
from transfer.data.text_file import read_lines

OWN_NAMES = "classes.txt"


def choose_classes(root: Path, names: Path | None, default: Callable[[], tuple[str, ...]] | None) -> tuple[str, ...]:
    """Classes from the file that was named (``--classes``), else from ``classes.txt`` in the data, else the default.

    Raises:
        UserError: A file that cannot be used, or none where there is no default.
    """
    if names is not None:
        return read_classes(names)
    if (root / OWN_NAMES).exists():
        return read_classes(root / OWN_NAMES)
    if default is None:
        raise UserError(f"{root / OWN_NAMES} does not exist; write one class name per line, or give --classes FILE")
    return default()


def read_classes(path: Path) -> tuple[str, ...]:
    """Read class names, one per line, in the order of their labels; ``UserError`` if none, a blank or one twice."""
    names = read_lines(path, "class names")
    while names and not names[-1]:
        names.pop()
    if not names:
        raise UserError(f"{path} names no class; write one class name per line")
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name:
            raise UserError(f"{path}, line {number} is blank; write one class name per line")
        if name in seen:
            raise UserError(f"{path}, line {number}: class {name!r} is already on line {seen[name]}; remove one")
        seen[name] = number
    return tuple(names)


def ade20k_classes() -> tuple[str, ...]:
    """The 150 classes of ADE20K's scene parsing benchmark, label 1 first."""
    from mmseg.datasets import ADE20KDataset

    return tuple(ADE20KDataset.METAINFO["classes"])
