"""How far a run is, from its ``metrics.jsonl``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from backbones.errors import UserError
from backbones.files import read_json
from transfer.result_file import METRICS
from transfer.suite.planned import PlannedRun

_TAIL_BYTES = 8192
_NAMES = {"top1": "top-1", "voc07_map": "mAP 07", "miou": "mIoU"}


@dataclass(frozen=True)
class Progress:
    """``share`` of the training that is done, 0 to 1, if that is known; ``metric`` as it is shown."""

    share: float | None = None
    metric: str = ""


def look(run: PlannedRun) -> Progress:
    """Where a run stands; of a finished one its main metric."""
    if run.done:
        return Progress(1.0, final_metric(run))
    record = _last_record(run)
    if record is None:
        return Progress()
    if run.kind != "classification":
        total = record.get("total_steps")
        return Progress(record["step"] / total if total else None, _shown("loss", record))
    epochs = (_read(run, "run.json").get("settings") or {}).get("epochs")
    share = record["epoch"] / epochs if epochs and "epoch" in record else None
    return Progress(share, _shown("top1", record) or _shown("loss", record))


def final_metric(run: PlannedRun) -> str:
    """The main metric of a finished run; nothing of an import."""
    metrics = metrics_of(run)
    return next((_shown(name, metrics) for name in _NAMES if name in metrics), "")


def metrics_of(run: PlannedRun) -> dict[str, float]:
    """The metrics of a finished run, in percent; empty for others."""
    metrics = _read(run, "result.json").get("metrics") or {}
    return {name: metrics[name] for name in METRICS.get(run.kind, ()) if name in metrics}


def _shown(name: str, values: dict[str, Any]) -> str:
    return f"{_NAMES.get(name, name)} {values[name]:.4g}" if name in values else ""


def _read(run: PlannedRun, name: str) -> dict[str, Any]:
    try:
        content = read_json(run.folder / name)
    except UserError:
        return {}
    return content if isinstance(content, dict) else {}


def _last_record(run: PlannedRun) -> dict[str, Any] | None:
    """The last whole record; the file may just be written to."""
    try:
        with open(run.folder / "metrics.jsonl", "rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict) and "step" in record:
            return record
    return None
