"""Whether the runs of an ablation are alike: those that are there, and those that are about to be trained.

Compared is what ``run.json`` records, not the commands: "auto" and a file's name may mean one thing today and another
tomorrow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbones.data.folders.folder_parts import open_parts
from backbones.data.folders.image_split import ImageFolder
from backbones.errors import UserError
from backbones.external.sources import open_source
from backbones.machine.distributed import ALONE
from backbones.runs.record import read_record
from backbones.runs.run_folder import PLUGIN, flatten, with_former_settings
from backbones.training.plan import held_out, settle_machine, settle_training
from backbones.training.request import ClassificationRequest
from studies.ablation.rows import Ablation, AblationRow

ReadRequest = Callable[[Sequence[str]], ClassificationRequest]
ORIGINS = ("teacher.sha256", "init_from.sha256", PLUGIN)


@dataclass(frozen=True)
class _Run:
    """A run as it is recorded, or as it is about to be trained here."""

    row: AblationRow
    name: str
    facts: Mapping[str, Any]


def check_comparable(ablation: Ablation, read_request: ReadRequest) -> None:
    """Refuse to count runs, finished or not, that are not those asked for, or that another kind of machine trained.

    Args:
        ablation: What is asked.
        read_request: The request that the options of ``tools/train_cls.py`` make.

    Raises:
        UserError: Runs are not alike; the message names the two, and what differs.
    """
    records = {key: ablation.folder(*key) / "run.json" for key in ablation.runs()}
    if not any(path.exists() for path in records.values()):
        return
    drawn: dict[tuple[Any, ...], ImageFolder] = {}
    checksums: dict[Path, str] = {}
    runs = []
    for (row, seed), path in records.items():
        request = read_request(ablation.command(row, seed)[1:])
        if path.exists():
            record = _read(path)
            key = (held_out(request), request.fraction)
            if key not in drawn:
                drawn[key] = open_parts(ablation.data, *key)
            asked = _asked(request, row, drawn[key], checksums)
            _compare(path.parent, record, asked)
            runs.append(_Run(row, str(path.parent), _machine(path, record)))
        else:
            _, device, precision = settle_machine(request, ALONE)
            facts = {"precision": precision, "parts": request.accumulate, "device": device.type}
            runs.append(_Run(row, f"{path.parent}, which is about to be trained,", facts))
    _compare_machines(runs)


def _read(path: Path) -> dict[str, Any]:
    return flatten(with_former_settings(read_record(path)))


def _asked(
    request: ClassificationRequest, row: AblationRow, data: ImageFolder, checksums: dict[Path, str]
) -> dict[str, Any]:
    """What ``run.json`` would say of a run, as far as it does not depend on the machine; ``checksums`` is a memory."""
    training = settle_training(request, row.settled, data)
    # How the rate is worked out is told in words, which may change; the rates themselves are in the schedule.
    settings = {key: value for key, value in training.settings().items() if key != "learning_rate"}
    if request.precision != "auto":
        settings["precision"] = request.precision
    whole: dict[str, Any] = {
        "network": request.network,
        "recipe": row.settled.name,
        "seed": request.seed,
        "data": {"fingerprint": data.fingerprint},
        "settings": settings,
    }
    for name, path in (("teacher", request.teacher), ("init_from", request.init_from)):
        if isinstance(path, Path):  # an ablation has one teacher
            if path not in checksums:
                opened = open_source(path, f"--{name.replace('_', '-')}", request.seed, training.data.classes)
                checksums[path] = opened.sha256
            whole[name] = {"sha256": checksums[path]}
    return {**flatten(whole), "accumulate": request.accumulate}


def _compare(folder: Path, record: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    there = {**record, "accumulate": (record.get("settings.parts") or 1) // (record.get("hardware.processes") or 1)}
    for key in dict.fromkeys((*asked, *ORIGINS)):
        if there.get(key) != asked.get(key):
            raise UserError(
                f"{folder} was run with {key} {there.get(key)!r}, and is asked for with {asked.get(key)!r}; choose "
                "another --out, or move the folder away"
            )


def _machine(path: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Where and in which pieces a recorded run was computed; processes count as parts."""
    keys = {
        "precision": "settings.precision",
        "parts": "settings.parts",
        "device": "hardware.device",
    }
    if missing := [key for key in keys.values() if record.get(key) is None]:
        raise UserError(f"{path} does not say its {missing[0]}; move the folder away")
    facts = {name: record[key] for name, key in keys.items()}
    return {**facts, "device": str(facts["device"]).partition(":")[0]}


def _compare_machines(runs: Sequence[_Run]) -> None:
    for key in runs[0].facts:
        # A row that is about the precision sets it itself.
        compared = [run for run in runs if key != "precision" or run.row.settled.low_precision is None]
        for run in compared[1:]:
            first = compared[0]
            if run.facts[key] != first.facts[key]:
                raise UserError(
                    f"{first.name} has {key} {first.facts[key]} and {run.name} has {key} {run.facts[key]}: their "
                    "difference would not be that of the tricks alone; choose another --out"
                )
