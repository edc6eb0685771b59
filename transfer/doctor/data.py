"""Folders of data, at a glance: is the layout recognised, and is there something in each of its parts?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from backbones.cli.shell import shell_word
from backbones.errors import UserError
from transfer.doctor.finding import Finding, full_check, ok, problem
from transfer.prepare.layouts import AnotherFolderIsMeant, Layout, recognise, years

PARTS = {
    Layout.IMAGE_FOLDER: ("train", "val"),
    Layout.ADE20K: ("images/training", "images/validation", "annotations/training", "annotations/validation"),
    Layout.INDEX_PNG: ("images", "annotations", "train.txt", "val.txt", "classes.txt"),
}
PARTS_OF_A_YEAR = ("JPEGImages", "Annotations", "ImageSets/Main")


def check_data(root: Path) -> Iterator[Finding]:
    """One folder; nothing but names is read."""
    subject = f"--data {root}"
    try:
        layout = recognise(root)
    except AnotherFolderIsMeant as error:
        yield problem(subject, error.what, f"give --data {shell_word(str(error.meant))}")
        return
    except UserError as error:
        yield problem(subject, str(error), "make a data set: python tools/prepare_data.py --help")
        return
    lacking = [part for part in _parts(root, layout) if not _has_something(root / part)]
    if lacking:
        yield problem(subject, f"{layout.value}, but missing or empty: {', '.join(lacking)}", full_check(root))
    else:
        yield ok(subject, f"{layout.value}; {_contents(root, layout)}; every file is read by: {full_check(root)}")


def _parts(root: Path, layout: Layout) -> list[str]:
    if layout is Layout.DEVKIT:
        return [f"{year}/{part}" for year in years(root) for part in PARTS_OF_A_YEAR]
    return list(PARTS.get(layout, ()))


def _has_something(path: Path) -> bool:
    """A folder with an entry, or a file with a byte; a data set's folder may hold a million, so only one is asked."""
    if not path.is_dir():
        return path.is_file() and path.stat().st_size > 0
    with os.scandir(path) as entries:
        return any(True for _ in islice(entries, 1))


def _contents(root: Path, layout: Layout) -> str:
    if layout is Layout.DEVKIT:
        return ", ".join(years(root))
    if layout is Layout.IMAGE_FOLDER:
        return f"{_folders(root / 'train')} classes in train, {_folders(root / 'val')} in val"
    return "all parts there" if layout in PARTS else "its parts are where the check finds them"


def _folders(path: Path) -> int:
    with os.scandir(path) as entries:
        return sum(entry.is_dir() for entry in entries)
