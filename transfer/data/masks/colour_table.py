"""Tables of colours: ``colors.txt``, and what CamVid, CVAT and Roboflow call it."""

from __future__ import annotations

import re
from pathlib import Path

from backbones.errors import UserError
from transfer.data.masks.coding import COLOURS, VALUES, VOID, Colour, MaskCoding
from transfer.data.text_file import read_lines

FILES = ("colors.txt", "colours.txt", "class_dict.csv", "labelmap.txt", "label_colors.txt")
VALUE_FILE = "_classes.csv"  # Roboflow's, of values and not of colours
VOID_NAMES = ("void", "unlabeled", "unlabelled", "ignore")


def read_colours(path: Path) -> tuple[tuple[str, ...], MaskCoding]:
    """Names of the classes in the order of the lines, and what the colours mean.

    A line is NAME R G B or R G B NAME, with blanks, commas, colons or tabs between; one called void, unlabelled or
    ignore is no class. A heading and lines that begin with # are passed over.

    Raises:
        UserError: A line is none, or a colour or a name is there twice.
    """
    names: list[str] = []
    labels: dict[int | Colour | str, int] = {}
    for number, line in enumerate(read_lines(path, "colours"), start=1):
        if not line or line.startswith("#") or (number == 1 and not re.search(r"\d", line)):
            continue
        name, colour = _parsed(path, number, line)
        if colour in labels:
            raise UserError(
                f"{path}, line {number}: the colour {' '.join(map(str, colour))} is there twice; correct one"
            )
        if name.lower() in VOID_NAMES:
            labels[colour] = VOID
        elif name in names:
            raise UserError(f"{path}, line {number}: class {name!r} is there twice; remove one")
        else:
            labels[colour] = len(names)
            names.append(name)
    if not names or len(names) > VOID:
        raise UserError(f"{path} names {len(names)} classes; a mask has 1 to {VOID}")
    return tuple(names), MaskCoding(COLOURS, labels)


def _parsed(path: Path, number: int, line: str) -> tuple[str, Colour]:
    words = [word for word in re.split(r"[\s,:;]+", line) if word]
    for numbers, name in ((words[-3:], words[:-3]), (words[:3], words[3:])):
        values = [value for word in numbers if (value := _value(word)) is not None and value < 256]
        if len(values) == 3 and name:
            return " ".join(name), (values[0], values[1], values[2])
    raise UserError(f"{path}, line {number} is {line[:60]!r}; write NAME R G B, each number from 0 to 255")


def _value(text: str) -> int | None:
    """A number of at most nine digits; Python refuses to make one of thousands."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def read_values(path: Path) -> tuple[tuple[str, ...], MaskCoding]:
    """The same of Roboflow's table, whose lines are VALUE, NAME below a heading.

    Raises:
        UserError: A line is none, or a value is there twice.
    """
    names: list[str] = []
    labels: dict[int | Colour | str, int] = {VOID: VOID}
    for number, line in enumerate(read_lines(path, "values")[1:], start=2):
        text, _, name = (part.strip() for part in line.partition(","))
        value = _value(text)
        if value is None or value >= VOID or value in labels or not name:
            raise UserError(f"{path}, line {number} is {line[:60]!r}; write VALUE, NAME, each value from 0 to 254 once")
        labels[value] = VOID if name.lower() in VOID_NAMES else len(names)
        names += [] if name.lower() in VOID_NAMES else [name]
    if not names:
        raise UserError(f"{path} names no class; write VALUE, NAME below a heading")
    return tuple(names), MaskCoding(VALUES, labels)
