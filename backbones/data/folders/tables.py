"""Where tables of labels stand in place of class folders; ``backbones.data.folders.image_table`` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from backbones.data.folders.part_names import PART_WORDS, TRAIN, WHOLE, part_folders
from backbones.data.folders.table_rows import names_labels

METADATA = ("metadata.csv", "metadata.jsonl")  # Hugging Face's, in the folder of the images that it names
_WHOLE = (*METADATA, "labels.csv")
_SUFFIXES = (".csv", ".txt")


class Table(NamedTuple):
    """A table of labels, and the folder below which it names images."""

    path: Path
    folder: Path


def tables_of(root: Path) -> dict[str, Table]:
    """The tables of each part, or one of all images; empty where there is none to train with.

    A folder of class folders called ``train`` goes before ``train.csv`` beside it.
    """
    if exported := _beside_images(root):
        return exported
    if (root / TRAIN).is_dir() and any(each.is_dir() for each in (root / TRAIN).iterdir()):
        return {}
    found = {}
    for part, words in PART_WORDS.items():
        names = [f"{word}{suffix}" for word in words for suffix in _SUFFIXES]
        if path := next((root / name for name in names if (root / name).is_file()), None):
            found[part] = Table(path, root)
    if TRAIN in found:
        return found if _has_labels(found[TRAIN].path) else {}
    whole = next((root / name for name in _WHOLE if (root / name).is_file()), None)
    return {WHOLE: Table(whole, root)} if whole and names_labels(whole) else {}


def _beside_images(root: Path) -> dict[str, Table]:
    """Metadata in the folder of each part; what has class folders needs none that names no labels."""
    found = {}
    for part, folder in part_folders(root).items():
        path = next((folder / name for name in METADATA if (folder / name).is_file()), None)
        if path and (names_labels(path) or not any(each.is_dir() for each in folder.iterdir())):
            found[part] = Table(path, folder)
    return found if TRAIN in found else {}


def _has_labels(path: Path) -> bool:
    """Whether a table's first line has two columns: lists of names, as segmentation has them, have one."""
    try:
        with path.open("rb") as stream:
            line = stream.readline(2**16).decode("utf-8-sig", "replace")
    except OSError:
        return False
    return len(line.split()) > 1 if path.suffix == ".txt" else "," in line
