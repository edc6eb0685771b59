"""Reading ``metrics.jsonl``, the log of a run, also of one that is still written to or was cut short by a kill."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from backbones.errors import UserError
from backbones.text_files import is_record, open_regular, parse_json

METRICS_FILE = "metrics.jsonl"
TAIL_BYTES = 16384  # enough records for a median over the last steps, whatever the length of the log


def parse_records(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The records of the lines; what is none, such as a line that a kill cut short, is left out."""
    records = []
    for line in lines:
        try:
            records.append(parse_json(line))
        except ValueError:
            continue
    return [record for record in records if is_record(record)]


def last_records(folder: Path) -> list[dict[str, Any]]:
    """The records in the last ``TAIL_BYTES`` of a run's log; none of a run without a log."""
    try:
        with open_regular(folder / METRICS_FILE) as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except (OSError, UserError):
        return []
    return parse_records(text.splitlines())
