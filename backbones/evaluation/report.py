"""Test a trained classifier on a folder of images: figures, tables and pictures in one folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from backbones.data.folders.image_folder import ImageSplit
from backbones.errors import UserError
from backbones.evaluation.images import images_to_test
from backbones.evaluation.members import OPTION, Member, open_members, predict_members
from backbones.evaluation.metrics import (
    Predictions,
    calibration_bins,
    class_table,
    confusion_matrix,
    frequent_confusions,
    overall_metrics,
)
from backbones.evaluation.pictures import draw_class_accuracy, draw_confusion, draw_reliability
from backbones.external.classifiers import joint_record
from backbones.files import emptied_on_error, write_bytes, write_json
from backbones.machine.precision import resolve_device, resolve_precision
from backbones.machine.versions import hardware, package_versions
from backbones.reporting.csv_text import csv_text
from backbones.runs.run_folder import command_line

FORMAT = 1
LISTED_CONFUSIONS = 20
VERSIONED = ("torch", "numpy", "pillow", "safetensors", "matplotlib")


@dataclass(frozen=True)
class EvaluationRequest:
    """What to test on what. ``image_size`` None: the size in pixels that the model's input contract names.

    Several models are tested together: the mean of their probabilities is.
    """

    model: Path | Sequence[Path]
    data: Path
    out: Path
    split: str = "val"
    image_size: int | None = None
    batch_size: int = 64
    workers: int = 0
    device: str = "auto"
    precision: str = "fp32"

    @property
    def models(self) -> tuple[Path, ...]:
        """All of them, in their order."""
        return (self.model,) if isinstance(self.model, (str, Path)) else tuple(self.model)


def evaluate_bundle(request: EvaluationRequest) -> dict[str, Any]:
    """Test a classifier, write the report into ``request.out``, and return what ``evaluation.json`` holds.

    Every image is seen once, by its central crop (Section 2.2), in the model's own normalisation. Several models see
    it each in its own size and normalisation; the report is then that of the mean of their probabilities, with the
    figures of each beside (``model.members``). ``evaluation.json`` is written last: its presence means that the report
    is whole.

    Raises:
        UserError: No finished run or weights with a head, a data set with other classes, the same weights twice, an
            unreadable image, or an ``out`` that holds something already.
    """
    if request.out.exists() and (not request.out.is_dir() or any(request.out.iterdir())):
        raise UserError(f"--out {request.out} is there and not empty; choose a new folder")
    device = resolve_device(request.device)
    precision = resolve_precision(request.precision, device)
    data, held_out = images_to_test(request.models, OPTION, request.data)
    members = open_members(request.models, data.classes, request.image_size, device)
    for line in [line for member in members for line in member.known.opened.told]:
        print(line)
    split: ImageSplit = getattr(data, request.split)
    # On a terminal with a progress bar.
    with tqdm(total=len(split), unit="image", delay=0.5, leave=False, disable=None) as bar:
        each, predictions = predict_members(members, split, request.batch_size, request.workers, precision, bar.update)
    facts = {
        **_describe_models(members, each),
        "data": {
            "root": str(data.root.resolve()),
            "fingerprint": data.fingerprint,
            "split": request.split,
            **({} if held_out is None else {"held_out": held_out._asdict()}),
            **({"layout": data.layout, "measured": data.measured} if data.layout else {}),
        },
        "precision": precision,
        "versions": package_versions(VERSIONED),
        "hardware": hardware(device),
        "command": command_line(),
    }
    with emptied_on_error(request.out):
        return write_report(request.out, predictions, data.classes, facts)


def _describe_models(members: Sequence[Member], each: Sequence[Predictions]) -> dict[str, Any]:
    """What was tested and how; of several also what each one reaches alone, with its calibration."""
    protocol = "; ".join(dict.fromkeys(member.protocol for member in members))
    if len(members) == 1:
        return {"model": members[0].record(), "protocol": protocol, "input": asdict(members[0].contract)}
    records = [
        {
            **member.record(),
            "protocol": member.protocol,
            "input": asdict(member.contract),
            "metrics": overall_metrics(alone),
            "calibration": [asdict(part) for part in calibration_bins(alone)],
        }
        for member, alone in zip(members, each, strict=True)
    ]
    return {"model": joint_record(records), "protocol": protocol}


def write_report(
    folder: Path, predictions: Predictions, classes: Sequence[str], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Write tables and pictures of predictions for ``classes``, then ``evaluation.json``, which is returned.

    ``facts`` go into ``evaluation.json`` as they are.
    """
    confusion = confusion_matrix(predictions, len(classes))
    bins = calibration_bins(predictions)
    table = class_table(predictions, classes)
    metrics = overall_metrics(predictions)
    _write_rows(folder / "per_class.csv", table)
    _write_rows(folder / "calibration.csv", [asdict(part) for part in bins])
    _write_csv(folder / "confusion.csv", ["true / guessed", *classes], _confusion_rows(confusion, classes))
    draw_confusion(folder / "confusion.png", confusion, classes)
    draw_class_accuracy(folder / "per_class.png", table)
    draw_reliability(folder / "calibration.png", bins, metrics)
    whole = {
        "format": FORMAT,
        "task": "classification report",
        **facts,
        "images": len(predictions),
        "metrics": metrics,
        "confusions": frequent_confusions(confusion, classes, LISTED_CONFUSIONS),
        "calibration": [asdict(part) for part in bins],
        "per_class": table,
    }
    write_json(folder / "evaluation.json", whole)
    return whole


def _confusion_rows(confusion: np.ndarray, classes: Sequence[str]) -> list[list[Any]]:
    return [[name, *counts] for name, counts in zip(classes, confusion.tolist(), strict=True)]


def _write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    _write_csv(path, list(rows[0]), [list(row.values()) for row in rows])


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """None is an empty cell."""
    write_bytes(path, csv_text(header, rows).encode())
