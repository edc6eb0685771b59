"""How the images of a folder for classification are laid out, whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from backbones.data.folders.image_folder import list_class_folders
from backbones.data.folders.image_split import IMAGE_SUFFIXES, Listed
from backbones.data.folders.image_table import list_tables, read_tables
from backbones.data.folders.part_names import TEST, TRAIN, VAL, WHOLE, part_folders
from backbones.data.folders.tables import METADATA, tables_of
from backbones.data.shards.split import WHAT, find_shards, list_shards

IMAGE_FOLDER = "ImageFolder"
_LOOKED_AT = 50  # folders and files of a folder


@dataclass(frozen=True)
class LabelledFolder:
    """A folder in a layout that is known.

    Attributes:
        root: The folder.
        what: Its layout, in words that follow "is".
        parts: ``train`` with ``val``, ``test`` or both; ``all`` where the data are not divided.
        read: Classes, images and fingerprint of some parts.
        expected: Where the part to measure on would be.
    """

    root: Path
    what: str
    parts: Mapping[str, object]
    read: Callable[[Sequence[str]], Listed]
    expected: Path

    @property
    def measured(self) -> str | None:
        """The part to measure on; None where there is none."""
        return next((part for part in (VAL, TEST) if part in self.parts), None)


def recognise_labelled(root: Path) -> LabelledFolder | None:
    """The folder in the first layout that it has the marks of; None where it has those of none.

    Raises:
        UserError: A table of labels cannot be read.
    """
    if not root.is_dir():
        return None
    return _with_tables(root) or _in_shards(root) or _divided(root) or _undivided(root)


def _with_tables(root: Path) -> LabelledFolder | None:
    tables = tables_of(root)
    if not tables:
        return None
    read = read_tables(tables)
    exported = any(table.path.name in METADATA for table in tables.values())
    folders = _class_folders(root / TRAIN)
    if exported and folders and folders == {row.label for row in read.get(TRAIN, (None, []))[1]}:
        return None  # what the metadata say is what the folders say
    what = "an imagefolder with metadata, as Hugging Face exports it" if exported else "images with tables of labels"
    first = next(iter(tables.values()))
    expected = root / VAL if exported else first.path.with_name(f"{VAL}{first.path.suffix}")
    return LabelledFolder(root, what, read, partial(list_tables, root, read), expected)


def _in_shards(root: Path) -> LabelledFolder | None:
    shards = find_shards(root)
    return LabelledFolder(root, WHAT, shards, partial(list_shards, root, shards), root / VAL) if shards else None


def _divided(root: Path) -> LabelledFolder | None:
    """Folders of class folders, called as torchvision's, Hugging Face's and TensorFlow Datasets' parts are."""
    folders = part_folders(root)
    if TRAIN not in folders:
        return None

    def read(parts: Sequence[str]) -> Listed:
        return list_class_folders({folders[part].name: folders[part] for part in parts})

    return LabelledFolder(root, IMAGE_FOLDER, folders, read, root / VAL)


def _undivided(root: Path) -> LabelledFolder | None:
    """Class folders and nothing else, directly in the folder."""
    names = _class_folders(root)
    if (
        len(names) < 2
        or part_folders(root)
        or not all(_holds_images(root / name) for name in sorted(names)[:_LOOKED_AT])
    ):
        return None
    what = "class folders without parts"
    return LabelledFolder(root, what, {WHOLE: root}, lambda parts: list_class_folders({WHOLE: root}), root / VAL)


def _class_folders(folder: Path) -> set[str]:
    return (
        {each.name for each in folder.iterdir() if each.is_dir() and each.name[0] != "."} if folder.is_dir() else set()
    )


def _holds_images(folder: Path) -> bool:
    return any(each.suffix.lower() in IMAGE_SUFFIXES for each in islice(folder.iterdir(), _LOOKED_AT))
