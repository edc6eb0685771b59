"""The line below the headline: data, protocols, networks, seeds and the day, as the runs have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import PurePath, PureWindowsPath

from studies.comparison.compare import Comparison
from studies.report.forms.records import Record, Records
from studies.report.words import joined
from transfer.catalogue import CLASSIFICATION, TASKS

MOST_NETWORKS = 3


def dateline(comparison: Comparison, records: Records, now: datetime) -> list[str]:
    """Its parts, each a few words."""
    parts = [text for task in TASKS if (text := measured_on(records.finished, task))]
    return [*parts, _networks(comparison), _seeds(comparison), f"{now.day} {now:%B %Y}"]


def measured_on(records: Iterable[Record], task: str, brief: bool = False) -> str:
    """ "detection on VOCdevkit (faster_rcnn_c4_voc07, 4,952 test images)"; nothing where no run of the task is there.

    ``brief`` leaves the number of images out.
    """
    runs = [each for each in records if each.run.task == task]
    if not runs:
        return ""
    what = "top-1" if task == CLASSIFICATION else task
    details = [] if task == CLASSIFICATION else _each(each.run.protocol for each in runs)
    images = (
        [] if brief else _each(each.find("data.test_images", int) or each.find("data.val_images", int) for each in runs)
    )
    if images:
        details.append(f"{' and '.join(f'{int(count):,}' for count in images)} test images")
    on = f" on {joined(names)}" if (names := data_names(runs)) else ""
    return f"{what}{on}" + (f" ({', '.join(details)})" if details else "")


def data_names(records: Iterable[Record]) -> list[str]:
    """The folders of the images, by their own names: nobody else has said what is in them."""
    roots = _each(each.find("data.root", str) for each in records)
    return list(dict.fromkeys(name for root in roots if (name := _last(root))))


def _last(root: str) -> str:
    return PureWindowsPath(root).name if "\\" in root else PurePath(root).name


def _each(values: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values if value is not None))


def _networks(comparison: Comparison) -> str:
    names: Sequence[str] = list(dict.fromkeys(row.network for row in comparison.rows))
    return joined(list(names)) if len(names) <= MOST_NETWORKS else f"{len(names)} networks"


def _seeds(comparison: Comparison) -> str:
    counts = [cell.n for row in comparison.rows for cell in row.cells.values() if cell.n]
    if not counts:
        return "no seed"
    least, most = min(counts), max(counts)
    return f"{most} seed{'s' * (most != 1)}" if least == most else f"{least} to {most} seeds"
