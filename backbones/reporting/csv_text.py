"""Tables as comma-separated values that a spreadsheet shows and does not calculate."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from backbones.reporting.printable import printable

_FORMULA = ("=", "+", "-", "@")
_PLAIN = re.compile(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?|\+ [a-z-]+")  # a number; "+ mixup", a row of an ablation


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """The text of a file; None is an empty cell.

    Names in it come from files of others. A cell that a spreadsheet would take for a formula gets a ``'`` before it,
    which spreadsheets hide; what cannot be seen is written out.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in (header, *rows))
    return stream.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = printable(value)
    risky = text.lstrip().startswith(_FORMULA) and not _PLAIN.fullmatch(text)
    return f"'{text}" if risky else text
