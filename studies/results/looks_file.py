"""``looks.json``: the plan of a study that adds seeds where a verdict is open, beside its run folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backbones.errors import MachineError, UserError
from backbones.files import read_json, write_json
from studies.statistics.group_sequential import SPENDING
from studies.statistics.looks import Looks

NAME = "looks.json"


def write_looks(folder: Path, looks: Looks) -> None:
    """Put the plan into a folder of runs, in one step."""
    write_json(folder / NAME, {"seeds": looks.seeds, "counts": looks.counts, "spending": looks.spending})


def check_plan(folder: Path, looks: Looks | None, copy: Path) -> None:
    """See that a study is gone on with by the plan that it was begun by; a new one may have any.

    Args:
        folder: Of the study.
        looks: The plan to go on by; None for fixed seeds.
        copy: Folder with another copy of the plan, which counts where the first is damaged or missing.

    Raises:
        UserError: Its seeds were added by results, and now they are to be fixed, or added by another plan; or both
            copies of the plan are damaged.
    """
    begun = _begun(folder, copy)
    if begun in (None, looks):
        return
    plan = f"--seeds {_words(begun.seeds)} --looks {_words(begun.counts)} --spending {begun.spending}" if begun else ""
    raise UserError(
        f"{folder} has a study that was begun with --adaptive {plan}; its seeds were added by what results said, so "
        "another plan would find differences where there are none: go on with these options, or name another --out"
    )


def _begun(folder: Path, copy: Path) -> Looks | None:
    try:
        return read_looks(folder) or read_looks(copy)
    except MachineError:
        raise
    except UserError as damaged:
        plans = [plan for plan in (_sound(folder), _sound(copy)) if plan is not None]
        if plans:
            return plans[0]
        raise UserError(
            f"{damaged}; there is no sound copy of it in {copy}: delete {NAME} in both, and repeat the command with "
            "the --seeds, --looks and --spending by which the study was begun, for another plan would find differences "
            "where there are none"
        ) from None


def _sound(folder: Path) -> Looks | None:
    try:
        return read_looks(folder)
    except UserError:
        return None


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
        f"{path} is no plan of looks: {what} (the suite's command restores it, if its other copy is sound)"
    )
