"""What the runs of a row cost, as far as they recorded it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from backbones.errors import not_none
from backbones.recipes.recipe import RANDOM_RECIPE
from studies.comparison.compare import Comparison
from studies.comparison.rows import Row
from studies.report.forms.records import Record, Records, known
from studies.report.words import joined
from studies.results.metrics_log import last_records
from transfer.catalogue import TASKS, questions

NAMES_OF_PARTS = {"cpu": "CPU", "gpu": "GPU"}


@dataclass(frozen=True)
class Cost:
    """Of a row's finished runs on one task; what no run recorded is None.

    Attributes:
        place: Of the row in the comparison.
        task: Which.
        runs: How many.
        hours: Of all of them together, on their machines' clocks.
        device: What they ran on, each once.
        device_hours: The same times the processes of each run: GPU hours, or hours of a CPU's processes.
        images_per_second: Median over the last steps, then over runs.
        data_wait: Share of the time, from 0 to 1, likewise.
        peak_memory: GB, the largest.
        energy: kWh, of all, as far as it could be read.
        energy_of: The parts of the machines that it is of, and those that could not be read.
        hours_per_point: Hours of one seed, training of the backbone included, for each point gained on the baseline;
            None where the training's are not known, or the interval over seeds of the gain does not lie above 0. A
            teacher's are not in it.
    """

    place: int
    task: str
    runs: int
    hours: float | None
    device: str
    device_hours: float | None
    images_per_second: float | None
    data_wait: float | None
    peak_memory: float | None
    energy: float | None
    energy_of: str
    hours_per_point: float | None


def costs(comparison: Comparison, records: Records) -> list[Cost]:
    """A line per row and task that has finished runs."""
    found = []
    for place, row in enumerate(comparison.rows):
        hours = {}
        for task in TASKS:
            runs = records.of((row.recipe, row.network), task)
            if runs:
                hours[task] = _mean_hours(runs)
                found.append(_cost(place, row, task, runs, hours))
    return found


def _cost(place: int, row: Row, task: str, runs: Sequence[Record], hours: dict[str, float | None]) -> Cost:
    seconds = known(each.find("timings.total_seconds", float) for each in runs)
    memory = known(each.find("timings.peak_memory_bytes", float) for each in runs)
    energy, energy_of = _energy(runs)
    devices = known(each.find("hardware.name", str) or each.find("hardware.device", str) for each in runs)
    speeds = [_speed(each.run.path.parent) for each in runs]
    whole = len(seconds) == len(runs)
    return Cost(
        place=place,
        task=task,
        runs=len(runs),
        hours=sum(seconds) / 3600 if whole else None,
        device=", ".join(dict.fromkeys(devices)),
        device_hours=sum(map(_device_seconds, runs)) / 3600 if whole else None,
        images_per_second=_median(speed for speed, _ in speeds),
        data_wait=_median(wait for _, wait in speeds),
        peak_memory=max(memory) / 1e9 if memory else None,
        energy=energy,
        energy_of=energy_of,
        hours_per_point=_hours_per_point(row, task, hours),
    )


def _energy(runs: Sequence[Record]) -> tuple[float | None, str]:
    """kWh of all runs, of those parts that could be read in each of them, and which these are."""
    whole = [each.find("timings.kwh_of", dict) or _older(each) for each in runs]
    if not all(whole):
        return None, ""
    parts = [name for name in NAMES_OF_PARTS if any(name in each for each in whole)]
    read = [name for name in parts if all(isinstance(each.get(name), (int, float)) for each in whole)]
    lacking = [NAMES_OF_PARTS[name] for name in parts if name not in read]
    if not read:
        return None, f"{joined(lacking)} not readable"
    words = " + ".join(NAMES_OF_PARTS[name] for name in read)
    total = sum(each[name] for each in whole for name in read)
    return total, f"{words} alone, {joined(lacking)} not readable" if lacking else words


def _older(record: Record) -> dict[str, float]:
    """Runs before there were parts measured processors, of runs on these."""
    kwh = record.find("timings.kwh", float)
    return {} if kwh is None else {"cpu": kwh}


def _device_seconds(record: Record) -> float:
    return (record.find("hardware.processes", float) or 1.0) * not_none(record.find("timings.total_seconds", float))


def _mean_hours(runs: Sequence[Record]) -> float | None:
    seconds = known(each.find("timings.total_seconds", float) for each in runs)
    return fmean(seconds) / 3600 if seconds else None


def _hours_per_point(row: Row, task: str, hours: dict[str, float | None]) -> float | None:
    difference = row.cells[questions()[task]].difference if task in questions() else None
    training = 0.0 if row.recipe == RANDOM_RECIPE else hours.get("classification")
    transfer = hours[task]
    if difference is None or difference.interval is None or transfer is None or training is None:
        return None
    return (transfer + training) / difference.value if difference.interval[0] > 0 else None


def _speed(folder: Path) -> tuple[float | None, float | None]:
    """Images per second and the share of waiting for data, medians over the last steps of a run."""
    lines = [line for line in last_records(folder) if line.get("kind") == "step"]
    speed, wait = (_median(line.get(key) for line in lines) for key in ("images_per_second", "data_wait"))
    return speed, wait


def _median(values: Iterable[float | None]) -> float | None:
    found = known(values)
    return median(found) if found else None
