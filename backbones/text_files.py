"""Texts that someone else may have written: regular files of a bounded size, and JSON of a bounded depth."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NoReturn

from backbones.errors import UserError
from backbones.machine.lacks import blame_machine

LARGEST = 2**28  # bytes
_MOST = 1e300  # of a number in a record, so that a sum of some is finite, too


def open_regular(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a file to read its bytes. A pipe would keep the program waiting, and a device might never end.

    Raises:
        OSError: It cannot be opened.
        UserError: It is a folder, or no regular file.
    """
    stream = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise UserError(f"{path} is not a regular file; put the file itself there")
    return stream


def read_text(path: str | os.PathLike[str], largest: int = LARGEST) -> str:
    """What a file in UTF-8 holds.

    Args:
        path: The file.
        largest: Bytes; more are not read.

    Raises:
        OSError: It cannot be read.
        UnicodeDecodeError: It is no UTF-8.
        UserError: It is no regular file, or too large.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > largest:
            raise UserError(f"{path} has {size} bytes, more than {largest}; is it the right file?")
        return stream.read(size).decode("utf-8")  # memory for as much as is asked for is taken before anything is read


def parse_json(text: str, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """JSON as the standard has it: numbers are finite.

    Args:
        text: The document.
        object_hook: What to keep of each object, from the innermost on; all of it without.

    Raises:
        ValueError: It is none, a number is not finite or has thousands of digits, or it is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_hook=object_hook)
    except RecursionError:
        raise ValueError("sections in sections without end") from None


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a run's ``metrics.jsonl``; see ``is_record``.

    The last line is left out when a kill has cut it short.

    Raises:
        UserError: Another line is no such record; the message says which.
    """
    try:
        lines = read_text(path).split("\n")
    except (OSError, UnicodeDecodeError) as error:
        blame_machine(error, f"cannot read {path}")
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UserError(f"cannot read {path}: {reason}; restore it, or begin the run anew in another folder") from None
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = parse_json(line)
        except ValueError:
            record = None
        if is_record(record):
            records.append(record)
        elif number < len(lines) - (lines[-1] == ""):
            raise UserError(f"{path}, line {number}: no record of a run; delete this line, and the run goes on")
    return records


def is_record(value: Any) -> bool:
    """Whether it is an object with a word as "kind", a whole number as "step" and numbers as all else."""
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        return False
    step = value.get("step")
    numbers = (number for key, number in value.items() if key != "kind")
    return isinstance(step, int) and step >= 0 and all(map(_is_number, numbers))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _MOST


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is larger than any number here")
    return number
