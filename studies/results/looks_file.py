"""``looks.json``: the plan of a study that adds seeds where a verdict is open, beside its run folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backbones.errors import UserError
from backbones.files import read_json, write_json
from studies.statistics.group_sequential import SPENDING
from studies.statistics.looks import Looks

NAME = "looks.json"


def write_looks(folder: Path, looks: Looks) -> None:
    """Put the plan into a folder of runs, in one step."""
    write_json(folder / NAME, {"seeds": looks.seeds, "counts": looks.counts, "spending": looks.spending})


def check_plan(folder: Path, looks: Looks | None) -> None:
    """See that a study is gone on with by the plan that it was begun by; a new one may have any.

    Raises:
        UserError: Its seeds were added by results, and now they are to be fixed, or added by another plan.
    """
    begun = read_looks(folder)
    if begun in (None, looks):
        return
    plan = f"--seeds {_words(begun.seeds)} --looks {_words(begun.counts)} --spending {begun.spending}" if begun else ""
    raise UserError(
        f"{folder} has a study that was begun with --adaptive {plan}; its seeds were added by what results said, so "
        "another plan would find differences where there are none: go on with these options, or name another --out"
    )


def _words(numbers: tuple[int, ...]) -> str:
    return " ".join(map(str, numbers))


def read_looks(folder: Path) -> Looks | None:
    """The plan in a folder of runs; None where there is none.

    Raises:
        UserError: It is no such plan; the message names the file and what is wrong.
    """
    path = folder / NAME
    if not path.exists():
        return None
    record = read_json(path)
    record = record if isinstance(record, dict) else {}
    seeds, counts = (_whole_numbers(path, record, key) for key in ("seeds", "counts"))
    if len(set(seeds)) < len(seeds) or list(counts) != sorted(set(counts)) or counts[0] < 1 or counts[-1] != len(seeds):
        raise _wrong(path, "counts must rise to the number of seeds, and no seed stand there twice")
    spending = str(record.get("spending"))
    if spending not in SPENDING:
        raise _wrong(path, f"spending must be one of {', '.join(SPENDING)}")
    return Looks(seeds, counts, spending)


def _whole_numbers(path: Path, record: dict[str, Any], key: str) -> tuple[int, ...]:
    value = record.get(key)
    if not isinstance(value, list) or not value or not all(type(each) is int for each in value):
        raise _wrong(path, f"{key} must be a list of whole numbers")
    return tuple(value)


def _wrong(path: Path, what: str) -> UserError:
    return UserError(
        f"{path} is no plan of looks: {what}; restore it (the suite's folder and compared/ in it have the same one)"
    )
