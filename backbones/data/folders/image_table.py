"""Images for classification whose labels stand in tables: ``train.csv`` and ``val.csv``, or the same as ``.txt``.

A CSV has the columns ``path`` and ``label``, below a heading that may call them otherwise; a text has lines PATH LABEL.
Paths are relative to the folder. Labels are names or numbers; numbers come in their order, names in the alphabet's.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from backbones.data.folders.image_folder import IMAGE_SUFFIXES, ImageFolder, ImageSplit
from backbones.data.folders.verification import refuse_irregular
from backbones.errors import UserError
from backbones.text_files import read_text

_PATHS = ("path", "file", "filename", "file_name", "filepath", "image", "image_path", "image_id", "name")
_LABELS = ("label", "class", "target", "category", "class_name", "label_name", "y")
_MOST_NAMES = 10


def open_image_table(root: Path, tables: dict[str, Path]) -> ImageFolder:
    """List the images that tables name; no image is opened.

    Raises:
        UserError: A table cannot be read, there is none of ``val``, or its classes are others; or lines are wrong, of
            which ten are named.
    """
    if "val" not in tables:
        beside = tables["train"].with_name(f"val{tables['train'].suffix}")
        raise UserError(f"{beside} is not there; name the images to measure on in it")
    rows = {part: list(_rows(path)) for part, path in tables.items()}
    classes = _classes(tables, {part: {label for _, label in listed} for part, listed in rows.items()})
    digest = hashlib.sha256()
    train, val = (_split(root, part, tables[part], rows[part], classes, digest) for part in ("train", "val"))
    return ImageFolder(root, tuple(classes), train, val, digest.hexdigest()[:16])


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    """Path and label of each line."""
    try:
        text = read_text(path).removeprefix("\ufeff")
        lines = (
            list(csv.reader(io.StringIO(text)))
            if path.suffix == ".csv"
            else [each.split() for each in text.split("\n")]
        )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path} ({getattr(error, 'strerror', None) or error}); give UTF-8 text") from None
    columns = (0, -1)
    if path.suffix == ".csv" and lines and not lines[0][0].strip().lower().endswith(IMAGE_SUFFIXES):
        columns = _columns(path, lines[0])
        lines[0] = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        if len(line) < 2 or len(line) <= columns[1]:
            raise UserError(f"{path}, line {number} is {' '.join(line)[:80]!r}; write a path and a label in each")
        last = len(line) - 1 if columns[1] < 0 else columns[1]
        name = line[columns[0]] if path.suffix == ".csv" else " ".join(line[:-1])
        yield name.strip(), line[last].strip()


def _columns(path: Path, heading: list[str]) -> tuple[int, int]:
    words = [word.strip().lower() for word in heading]
    paths, labels = ([words.index(name) for name in names if name in words] for names in (_PATHS, _LABELS))
    if not paths or not labels:
        raise UserError(f"{path} has the heading {', '.join(heading)[:80]!r}; call its columns path and label")
    return paths[0], labels[0]


def _classes(tables: dict[str, Path], found: dict[str, set[str]]) -> list[str]:
    for part, other in (("train", "val"), ("val", "train")):
        lacking = sorted(found[part] - found[other])
        if lacking:
            names = ", ".join(lacking[:_MOST_NAMES]) + (", ..." if len(lacking) > _MOST_NAMES else "")
            raise UserError(
                f"{tables[other]} has no image of {names}, which {tables[part].name} has; both need the same"
            )
    if len(found["train"]) < 2 or "" in found["train"]:
        raise UserError(f"{tables['train']} has {len(found['train'] - {''})} classes; a classifier needs two or more")
    numbers = all(label.isascii() and label.isdigit() for label in found["train"])
    return sorted(found["train"], key=int if numbers else None)


def _split(
    root: Path, part: str, table: Path, rows: list[tuple[str, str]], classes: list[str], digest: hashlib._Hash
) -> ImageSplit:
    numbers = {name: number for number, name in enumerate(classes)}
    wrong: list[str] = []
    seen: set[str] = set()
    files, labels, sizes, changed = [], [], [], []
    for name, label in rows:
        try:
            if name in seen:
                raise UserError(f"{name!r} is there twice")
            seen.add(name)
            status = _status(root, name)
        except UserError as error:
            wrong.append(str(error))
            continue
        files.append(os.fsencode(name))
        labels.append(numbers[label])
        sizes.append(status.st_size)
        changed.append(status.st_ctime_ns)
        digest.update(b"%s %s %d %s\n" % (part.encode(), files[-1], status.st_size, label.encode()))
    if wrong:
        more = f"; and {len(wrong) - _MOST_NAMES} more" if len(wrong) > _MOST_NAMES else ""
        raise UserError(f"{table}: {'; '.join(wrong[:_MOST_NAMES])}{more}; correct these lines")
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
        raise UserError(f"{name[:80]!r} is not there ({error.strerror})") from None
    refuse_irregular(root / name, status.st_mode)
    return status
