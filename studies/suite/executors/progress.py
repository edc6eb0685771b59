"""How far a run is, from its ``metrics.jsonl``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backbones.errors import UserError
from backbones.runs.record import read_record
from studies.results.metrics_log import last_records
from studies.results.run_record import is_percentage
from studies.suite.planned_run import PlannedRun
from transfer.catalogue import CLASSIFICATION, TASKS, metric_names


@dataclass(frozen=True)
class RunProgress:
    """``share`` of the training that is done, 0 to 1, if that is known; ``metric`` as it is shown."""

    share: float | None = None
    metric: str = ""


def look(run: PlannedRun) -> RunProgress:
    """Where a run stands; of a finished one its main metric."""
    if run.done:
        return RunProgress(1.0, final_metric(run))
    record = next((each for each in reversed(last_records(run.folder)) if "step" in each), None)
    if record is None:
        return RunProgress()
    if run.kind != CLASSIFICATION:
        total = record.get("total_steps")
        return RunProgress(record["step"] / total if total else None, _shown("loss", record))
    epochs = (_read(run, "run.json").get("settings") or {}).get("epochs")
    share = record["epoch"] / epochs if epochs and "epoch" in record else None
    return RunProgress(share, _shown(TASKS[CLASSIFICATION].keys[0], record) or _shown("loss", record))


def final_metric(run: PlannedRun) -> str:
    """The main metric of a finished run, which its task is asked for; nothing of an import."""
    if run.kind not in TASKS:
        return ""
    return _shown(TASKS[run.kind].question or TASKS[run.kind].keys[0], metrics_of(run))


def metrics_of(run: PlannedRun) -> dict[str, float]:
    """The metrics of a finished run, in percent; empty for others."""
    metrics = _read(run, "result.json").get("metrics") or {}
    known = TASKS[run.kind].keys if run.kind in TASKS else ()
    return {name: metrics[name] for name in known if is_percentage(metrics.get(name))}


def _shown(name: str, values: dict[str, Any]) -> str:
    return f"{metric_names().get(name, name)} {values[name]:.4g}" if name in values else ""


def _read(run: PlannedRun, name: str) -> dict[str, Any]:
    try:
        return read_record(run.folder / name)
    except UserError:
        return {}
