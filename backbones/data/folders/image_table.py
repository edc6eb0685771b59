"""Images for classification whose labels stand in tables: ``train.csv`` and ``val.csv``, and what others call them.

A CSV has the columns ``path`` and ``label``, below a heading that may call them otherwise; a text has lines PATH LABEL,
and Hugging Face's ``metadata.jsonl`` an object in each. Paths are relative to the table's folder. Labels are names or
numbers; numbers come in their order, names in the alphabet's.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from backbones.data.folders.image_split import IMAGE_SUFFIXES, ImageSplit, Listed
from backbones.data.folders.part_names import PART_WORDS, WHOLE, part_of
from backbones.data.folders.table_rows import TableRow, read_rows
from backbones.data.folders.tables import Table
from backbones.data.folders.verification import refuse_irregular
from backbones.errors import UserError
from backbones.machine.lacks import blame_machine

_MOST_NAMES = 10
Tables = Mapping[str, tuple[Table, Sequence[TableRow]]]


def read_tables(tables: Mapping[str, Table]) -> dict[str, tuple[Table, list[TableRow]]]:
    """The rows of each part. A table of all images is divided where it has a column called split, or where all paths
    begin with the name of a part's folder.

    Raises:
        UserError: A table cannot be read.
    """
    read = {part: (table, read_rows(table.path)) for part, table in tables.items()}
    if set(read) != {WHOLE}:
        return read
    table, rows = read[WHOLE]
    divided: dict[str, list[TableRow]] = {}
    for number, row in enumerate(rows, start=1):
        part = part_of(row.part) if row.part else _folder_of(row.name)
        if row.part and part is None:
            raise UserError(f"{table.path}, image {number}: {row.part[:40]!r} is no split; write train, val or test")
        divided.setdefault(part or WHOLE, []).append(row)
    if WHOLE in divided:
        return read
    return {part: (table, divided[part]) for part in PART_WORDS if part in divided}


def _folder_of(name: str) -> str | None:
    first, separator, _ = name.partition("/")
    return next((part for part, words in PART_WORDS.items() if separator and first in words), None)


def list_tables(root: Path, tables: Tables, parts: Iterable[str]) -> Listed:
    """List the images that the tables of some parts name; no image is opened.

    Args:
        root: The data set's folder.
        tables: Table and rows by part.
        parts: Those that are meant.

    Raises:
        UserError: The classes of one part are others; or lines are wrong, of which ten are named.
    """
    meant = {part: tables[part] for part in parts}
    classes = _classes(meant)
    digest = hashlib.sha256()
    splits = tuple(_split(root, part, *table, classes, digest) for part, table in meant.items())
    return Listed(tuple(classes), splits, digest.hexdigest()[:16])


def _classes(tables: Tables) -> list[str]:
    (first, (table, _)), *others = tables.items()
    found = {part: {row.label for row in each} for part, (_, each) in tables.items()}
    for other, (other_table, _) in others:
        pair = ((first, table, other_table, other), (other, other_table, table, first))
        for has, there, lacks_table, lacks in pair:
            if lacking := sorted(found[has] - found[lacks]):
                names = ", ".join(lacking[:_MOST_NAMES]) + (", ..." if len(lacking) > _MOST_NAMES else "")
                where = there.path.name if there.path != lacks_table.path else has
                raise UserError(f"{lacks_table.path} has no image of {names}, which {where} has; both need the same")
    if len(found[first]) < 2 or "" in found[first]:
        raise UserError(f"{table.path} has {len(found[first] - {''})} classes; a classifier needs two or more")
    numbers = all(label.isascii() and label.isdigit() for label in found[first])
    return sorted(found[first], key=int if numbers else None)


def _split(
    root: Path, part: str, table: Table, rows: Sequence[TableRow], classes: list[str], digest: hashlib._Hash
) -> ImageSplit:
    numbers = {name: number for number, name in enumerate(classes)}
    below = table.folder.relative_to(root).as_posix()
    wrong: list[str] = []
    seen: set[str] = set()
    files, labels, sizes, changed = [], [], [], []
    for row in rows:
        try:
            if row.name in seen:
                raise UserError(f"{row.name!r} is there twice")
            seen.add(row.name)
            status = _status(table.folder, row.name)
        except UserError as error:
            wrong.append(str(error))
            continue
        files.append(os.fsencode(row.name if below == "." else f"{below}/{row.name}"))
        labels.append(numbers[row.label])
        sizes.append(status.st_size)
        changed.append(status.st_ctime_ns)
        digest.update(b"%s %s %d %s\n" % (part.encode(), files[-1], status.st_size, row.label.encode()))
    if wrong:
        more = f"; and {len(wrong) - _MOST_NAMES} more" if len(wrong) > _MOST_NAMES else ""
        raise UserError(f"{table.path}: {'; '.join(wrong[:_MOST_NAMES])}{more}; correct these lines")
    return ImageSplit(root, np.array(files), np.array(labels), np.array(sizes), np.array(changed), name=part)


def _status(root: Path, name: str) -> os.stat_result:
    """Size and times of an image that a line names.

    Raises:
        UserError: It leads elsewhere, is not there, or is no image by its name.
    """
    path = PurePosixPath(name)
    if not name.isprintable() or path.is_absolute() or ".." in path.parts or path.as_posix() != name:
        raise UserError(f"{name[:80]!r} must be a plain path below {root}")
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise UserError(f"{name[:80]!r} is no image by its name")
    try:
        status = (root / name).stat()
    except OSError as error:
        blame_machine(error, f"{root / name} cannot be read")
        raise UserError(f"{name[:80]!r} is not there ({error.strerror})") from None
    refuse_irregular(root / name, status.st_mode)
    return status
