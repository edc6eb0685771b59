"""Per row and task: that the backbone arrived, tensor by tensor, and computed what it computed in the classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from studies.comparison.compare import Comparison
from studies.report.forms.records import Record, Records
from transfer.catalogue import CLASSIFICATION, TASKS


@dataclass(frozen=True)
class ProofLine:
    """What the runs of a row on a task have proven; words where their numbers differ from run to run.

    Attributes:
        place: Of the row in the comparison.
        task: Which.
        runs: How many.
        ledger: Tensors mapped and dropped of those in the bundle.
        features: Stages whose features are equal, and in which geometry.
        moved: Tensors of the trunk that training has moved.
        digest: Beginning of the ledger's checksum.
    """

    place: int
    task: str
    runs: int
    ledger: str
    features: str
    moved: str
    digest: str


def proofs(comparison: Comparison, records: Records) -> list[ProofLine]:
    """A line per row and transfer task that has finished runs."""
    lines = []
    for place, row in enumerate(comparison.rows):
        for task in (each for each in TASKS if each != CLASSIFICATION):
            runs = records.of((row.recipe, row.network), task)
            if runs:
                columns = (_each(runs, tell) for tell in (_ledger, _features, _moved, _digest))
                lines.append(ProofLine(place, task, len(runs), *columns))
    return lines


def _each(runs: Sequence[Record], tell: Callable[[Record], str]) -> str:
    return "; ".join(dict.fromkeys(tell(each) for each in runs))


def _ledger(record: Record) -> str:
    source, mapped = (record.find(f"proof.ledger.{key}", int) for key in ("source_tensors", "mapped"))
    if source is None or mapped is None:
        return "not recorded"
    dropped = record.find("proof.ledger.dropped", dict) or {}
    why = ", ".join(f"{len(names)} {fate.removeprefix('dropped: ')}" for fate, names in dropped.items())
    return f"{mapped} of {source} arrived" + (f"; dropped: {why}" if why else "")


def _features(record: Record) -> str:
    stages = record.find("proof.features.stages", list)
    if not stages:
        return "equal, bit for bit"  # without that no run is compared
    stride = record.find("proof.features.dense_output_stride", int)
    built = f"; built at output stride {stride}" if stride else ""
    return f"{len(stages)} stages equal, bit for bit{built}"


def _moved(record: Record) -> str:
    stages = record.find("proof.after_training.stages", list) or []
    counts: list[tuple[Any, Any]] = [
        (stage.get("moved"), stage.get("tensors")) for stage in stages if isinstance(stage, dict)
    ]
    if not counts or not all(isinstance(value, int) for pair in counts for value in pair):
        return "not recorded"
    return f"{sum(moved for moved, _ in counts)} of {sum(tensors for _, tensors in counts)}"


def _digest(record: Record) -> str:
    return (record.find("proof.ledger.digest", str) or "")[:12]


def seal(records: Records) -> str:
    """All proofs in a line: "all 132 tensors arrived, in all 30 transfers"; nothing without a transfer."""
    runs = [each for each in records.finished if each.run.task != CLASSIFICATION]
    if not runs:
        return ""
    counts = sorted({mapped for each in runs if (mapped := each.find("proof.ledger.mapped", int)) is not None})
    tensors = f"all {counts[0]} tensors" if len(counts) == 1 else "all tensors"
    return f"{tensors} arrived, in {'the one transfer' if len(runs) == 1 else f'all {len(runs)} transfers'}"
