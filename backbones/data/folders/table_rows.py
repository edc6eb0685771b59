"""The lines of a table of labels: CSV, text, or JSON by line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from backbones.data.folders.image_split import IMAGE_SUFFIXES
from backbones.errors import UserError
from backbones.text_files import parse_json, read_text

_PATHS = ("path", "file_name", "file", "filename", "filepath", "image", "image_path", "image_id", "name")
LABELS = ("label", "class", "target", "category", "class_name", "label_name", "y")
_PARTS = ("split", "part", "subset")


class TableRow(NamedTuple):
    """An image, its label, and the part that it is of where the table has such a column."""

    name: str
    label: str
    part: str = ""


class _Columns(NamedTuple):
    name: int
    label: int
    part: int | None = None


def names_labels(path: Path) -> bool:
    """Whether the first line of a table has, or heads, an image and a label; False for what cannot be read."""
    try:
        with path.open("rb") as stream:
            line = stream.readline(2**16).decode("utf-8-sig", "replace").strip()
        if path.suffix == ".jsonl":
            return len(list(_of_json(path, line))) > 0
        if path.suffix == ".txt":
            return len(line.split()) > 1
        words = next(csv.reader([line]), [])
        return len(words) > 1 and (words[0].lower().endswith(IMAGE_SUFFIXES) or bool(_columns(path, words)))
    except (OSError, csv.Error, UserError):
        return False


def read_rows(path: Path) -> list[TableRow]:
    """What a table says of each image; blank lines are passed over.

    Raises:
        UserError: It cannot be read, or lacks a column; or a line is wrong.
    """
    try:
        text = read_text(path).removeprefix("\ufeff")
        if path.suffix == ".jsonl":
            return list(_of_json(path, text))
        return list(
            _of_csv(path, list(csv.reader(io.StringIO(text)))) if path.suffix == ".csv" else _of_text(path, text)
        )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {path} ({getattr(error, 'strerror', None) or error}); give UTF-8 text") from None


def _of_csv(path: Path, lines: list[list[str]]) -> Iterator[TableRow]:
    columns = _Columns(0, -1)
    if lines and lines[0] and not lines[0][0].strip().lower().endswith(IMAGE_SUFFIXES):
        columns = _columns(path, lines[0])
        lines[0] = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        if len(line) <= max(1, columns.name, columns.label, columns.part or 0):
            raise UserError(f"{path}, line {number} is {' '.join(line)[:80]!r}; write a path and a label in each")
        part = "" if columns.part is None else line[columns.part].strip()
        yield TableRow(line[columns.name].strip(), line[columns.label].strip(), part)


def _columns(path: Path, heading: list[str]) -> _Columns:
    words = [word.strip().lower() for word in heading]
    names, labels, parts = (
        [words.index(name) for name in names if name in words] for names in (_PATHS, LABELS, _PARTS)
    )
    if not names or not labels:
        raise UserError(f"{path} has the heading {', '.join(heading)[:80]!r}; call its columns path and label")
    return _Columns(names[0], labels[0], parts[0] if parts else None)


def _of_text(path: Path, text: str) -> Iterator[TableRow]:
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split()
        if len(words) == 1:
            raise UserError(f"{path}, line {number} is {words[0][:80]!r}; write a path and a label in each")
        if words:
            yield TableRow(" ".join(words[:-1]), words[-1])


def _of_json(path: Path, text: str) -> Iterator[TableRow]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = parse_json(line)
        except ValueError as error:
            raise UserError(f"{path}, line {number} is no JSON ({error}); correct it") from None
        fields = {str(key).lower(): value for key, value in record.items()} if isinstance(record, dict) else {}
        name, label, part = (
            next((fields[key] for key in keys if key in fields), None) for keys in (_PATHS, LABELS, _PARTS)
        )
        if not isinstance(name, str) or not isinstance(label, (str, int)) or isinstance(label, bool):
            raise UserError(
                f"{path}, line {number} is {line[:80]!r}; write file_name, a text, and label, a text or a whole number"
            )
        yield TableRow(name.strip(), str(label).strip(), part if isinstance(part, str) else "")
