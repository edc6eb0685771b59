"""Test a trained classifier on a folder of images: figures, tables and pictures in one folder."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from backbones.bundles.bundle import Bundle
from backbones.bundles.contract import InputContract
from backbones.bundles.loading import class_order, find_bundle, trained_classifier
from backbones.data.image_folder import ImageSplit, open_image_folder
from backbones.data.loader import Batch, ImageBatches, ValidationRequests, load_batches
from backbones.errors import UserError
from backbones.evaluation.accuracy import predict
from backbones.evaluation.metrics import (
    Predictions,
    calibration_bins,
    class_table,
    collect_predictions,
    confusion_matrix,
    frequent_confusions,
    overall_metrics,
)
from backbones.evaluation.pictures import draw_class_accuracy, draw_confusion, draw_reliability
from backbones.files import emptied_on_error, sha256_file, write_bytes, write_json
from backbones.machine.precision import resolve_device, resolve_precision
from backbones.reporting.csv_text import csv_text
from backbones.runs.run_folder import command_line
from backbones.runs.versions import hardware, package_versions

FORMAT = 1
LISTED_CONFUSIONS = 20
VERSIONED = ("torch", "numpy", "pillow", "safetensors", "matplotlib")


@dataclass(frozen=True)
class EvaluationRequest:
    """What to test on what. ``image_size`` None: the size in pixels that the model's input contract names."""

    model: Path
    data: Path
    out: Path
    split: str = "val"
    image_size: int | None = None
    batch_size: int = 64
    workers: int = 0
    device: str = "auto"
    precision: str = "fp32"


def evaluate_bundle(request: EvaluationRequest) -> dict[str, Any]:
    """Test a classifier, write the report into ``request.out``, and return what ``evaluation.json`` holds.

    Every image is seen once, by its central crop (Section 2.2), in the model's own normalisation. ``evaluation.json``
    is written last: its presence means that the report is whole.

    Raises:
        UserError: No finished run or bundle with head, a data set with other classes, an unreadable image, or an
            ``out`` that holds something already.
    """
    if request.out.exists() and (not request.out.is_dir() or any(request.out.iterdir())):
        raise UserError(f"--out {request.out} is there and not empty; choose a new folder")
    device = resolve_device(request.device)
    precision = resolve_precision(request.precision, device)
    file = _finished_bundle(request.model)
    bundle, model = trained_classifier(file)
    data = open_image_folder(request.data)
    order = class_order(bundle, data.classes, "--model")
    size = request.image_size or bundle.input_contract.eval_size
    split: ImageSplit = getattr(data, request.split)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not declare memory_format
    with closing(_batches(split, size, request, device)) as batches:
        outputs = predict(model, batches, bundle.input_contract, device, precision)
        predictions = collect_predictions(((logits[:, order], labels) for logits, labels in outputs), str(file))
    facts = {
        "model": {"path": str(file.resolve()), "sha256": sha256_file(file), **_identity(bundle)},
        "data": {"root": str(data.root.resolve()), "fingerprint": data.fingerprint, "split": request.split},
        "protocol": _protocol(size, bundle.input_contract),
        "input": asdict(bundle.input_contract),
        "precision": precision,
        "versions": package_versions(VERSIONED),
        "hardware": hardware(device),
        "command": command_line(),
    }
    with emptied_on_error(request.out):
        return write_report(request.out, predictions, data.classes, facts)


def _finished_bundle(path: Path) -> Path:
    if (path / "run.json").is_file() and not (path / "result.json").is_file():
        raise UserError(f"--model {path} is an unfinished run; finish it with --resume, or name one of its bundles")
    return find_bundle(path, "--model")


def _batches(
    split: ImageSplit, size: int, request: EvaluationRequest, device: torch.device
) -> Generator[Batch, None, None]:
    """Every image once; on a terminal with a progress bar."""
    requests = ValidationRequests(len(split), request.batch_size)
    batches = load_batches(ImageBatches(split, size, seed=0), requests, request.workers, device)
    with closing(batches), tqdm(total=len(split), unit="image", delay=0.5, leave=False, disable=None) as bar:
        for batch in batches:
            yield batch
            bar.update(len(batch.labels))


def _protocol(size: int, contract: InputContract) -> str:
    text = f"{size} px, one central crop, bilinear"
    return text if contract.interpolation == "bilinear" else f"{text} (its training: {contract.interpolation})"


def _identity(bundle: Bundle) -> dict[str, Any]:
    """Which network it is and how it was trained, as far as the bundle says."""
    known = ("recipe", "seed", "epochs", "dataset", "fingerprint", "top1", "top5")
    return {"network": bundle.architecture, "training": {key: bundle.training.get(key) for key in known}}


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
