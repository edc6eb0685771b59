"""What a run folder holds, read as a comparison and a resumed run read it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backbones.files import as_bytes
from backbones.runs.run_folder import RunFolder
from campaigns.formats.format import Format, digest
from campaigns.mutators.arrays import array_field, zipped_map
from campaigns.mutators.damage import DAMAGE
from campaigns.mutators.fields import json_field, json_line
from campaigns.mutators.mutation import BYTES, MISSING, TYPE, VALUE, WORDS
from campaigns.mutators.words import JSON, with_words
from studies.comparison.compare import compare_runs
from studies.report.forms.text import as_json, as_text
from studies.report.page import read_studies, render
from studies.results.metrics_log import last_records
from studies.statistics.bootstrap import measure
from transfer.evaluation.files import read_detections, read_segmentations, write_evaluation
from transfer.evaluation.per_image import DetectionEvaluation, EvaluatedImage, SegmentationEvaluation, SegmentedImage
from transfer.evaluation.pictures.predictions import read_predictions, write_predictions

IMAGES = 12
_DATA = {"root": "/data", "fingerprint": "f1", "train_images": 8, "test_images": IMAGES}
_SETTINGS = {
    "epochs": 2,
    "batch_size": 8,
    "image_size": 32,
    "parts": 1,
    "batch_norm_images": 8,
    "recipe": {"epochs": 2, "mixup": 0.2},
}
_TRANSFER = {
    **{"protocol": "detection_demo", "config_hash": "0123456789ab", "fixed_hash": "ba9876543210"},
    **{"backbone": {"sha256": "a" * 64, "seed": 0, "top1": 50.0, "path": "x"}, "ops": "bridge"},
    **{"training": {"total_batch": 8, "batch_norm_images": 8, "epochs": 2}, "proof": {"features": {"equal": True}}},
}


def _asked(task: str, recipe: str, seed: int) -> dict[str, Any]:
    asked = {"format": 1, "task": task, "recipe": recipe, "network": "resnet18_d", "seed": seed, "data": _DATA}
    context = {"command": "python tool", "started": "2026-01-01T00:00:00Z", "versions": {"torch": "2"}}
    own = {"settings": _SETTINGS} if task == "classification" else _TRANSFER
    return {**asked, **context, **own, "hardware": {"name": "cpu", "processes": 1}}


def detections(seed: int) -> DetectionEvaluation:
    """Images with one object and one detection, which is right in most of them."""
    draw = np.random.default_rng(seed)
    box = np.array([[0, 0, 20, 20]], np.float32)
    images = []
    for score in draw.random(IMAGES):
        found = box + np.float32(0 if draw.random() < 0.7 else 40)
        images.append(EvaluatedImage(box, np.zeros(1, int), np.zeros(1, bool), found, np.zeros(1, int), score[None]))
    return DetectionEvaluation(("cat",), tuple(f"{number}.jpg" for number in range(IMAGES)), images)


def segmentations(seed: int) -> SegmentationEvaluation:
    """Images of two classes with some confusion."""
    right = np.random.default_rng(seed).integers(30, 90, IMAGES)
    images = [SegmentedImage(np.array([0, 1, 3]), np.array([one, 100 - one, 50])) for one in right]
    return SegmentationEvaluation(("sky", "sea"), tuple(f"{number}.jpg" for number in range(IMAGES)), images)


def build_runs(folder: Path) -> None:
    """Two rows with a classification, a detection and a segmentation each, all finished, and one that is not."""
    for recipe, seed in (("b-standard", 0), ("d-smooth", 1)):
        _finished(folder / f"{recipe}-cls", _asked("classification", recipe, 0), {"top1": 50.0, "top5": 90.0 + seed})
        evaluations: dict[str, Any] = {"detection": detections(seed), "segmentation": segmentations(seed)}
        for task, evaluation in evaluations.items():
            measured = measure(evaluation, np.ones((1, IMAGES), np.int32))
            run = folder / f"{recipe}-{task}"
            _finished(run, _asked(task, recipe, 0), {name: float(values[0]) for name, values in measured.items()})
            write_evaluation(run / "evaluation.npz", evaluation)
            if task == "segmentation":
                (run / "pictures").mkdir()
                write_predictions(run / "pictures" / "predictions.zip", evaluation.names, _prediction)
    unfinished = folder / "d-mixup-cls"
    unfinished.mkdir()
    (unfinished / "run.json").write_text(json.dumps(_asked("classification", "d-mixup", 0)))


def _prediction(name: str) -> np.ndarray:
    return (np.add.outer(np.arange(30), np.arange(40)) // (3 + len(name)) % 2).astype(np.uint8)


def _finished(run: Path, asked: dict[str, Any], metrics: dict[str, float]) -> None:
    run.mkdir()
    (run / "run.json").write_text(json.dumps({**asked, "sittings": [{"command": "a", "started": "b"}]}))
    timings = {"train_seconds": 1.0, "total_seconds": 2.0, "peak_memory_bytes": 10}
    per_class = {"cat": {"voc_ap": 50.0}} if asked["task"] == "detection" else {}
    result = {
        **asked,
        "metrics": metrics,
        "timings": timings,
        "per_class": per_class,
        "best": {"top1": 50.0, "epoch": 2},
    }
    (run / "result.json").write_text(json.dumps(result))
    lines = [{"kind": "step", "step": step, "epoch": 1, "loss": 2.0 / step, "lr": 0.1} for step in range(1, 9)]
    epochs = [{"kind": "epoch", "step": 4 * epoch, "epoch": epoch, "loss": 1.0, "top1": 50.0} for epoch in (1, 2)]
    (run / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in (*lines, *epochs)))


_MADE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC|<span>\d+ [A-Z][a-z]+ \d{4}</span>")  # when a page was made


def _compare(folder: Path) -> Any:
    """The comparison in all its forms."""
    comparison = compare_runs(folder)
    page = as_bytes(_MADE.sub("", render(read_studies([comparison]), "A title")))
    return as_text(comparison), json.dumps(as_json(comparison)), digest(np.frombuffer(page, np.uint8))


def _continue(folder: Path) -> Any:
    """What a resumed run reads of its folder; the folder is a copy, which may be written to."""
    run = RunFolder.open(folder / "d-smooth-cls", _asked("classification", "d-smooth", 0), resume=True)
    run.forget_after(4, 4)
    run.note("data.extra", 1)
    log = run.metrics.read_text() if run.metrics.exists() else None
    return run.sessions, log, last_records(run.path)


_WORDS = with_words(*JSON)
# Numbers and names may have become other valid ones; a value of another type never is one.
_FREE = (BYTES, VALUE, MISSING, WORDS)
_ANY = (*_FREE, TYPE)
_COMMAND: dict[str, Any] = dict(
    command=lambda folder: ["tools/compare.py", str(folder), "--out", str(folder / "report")],
    may_write=("report", "report/*"),
)
_JSON = (*DAMAGE, *[_WORDS] * 5, *[json_field] * 8)
RESULT = Format(
    "result.json", build_runs, ("*/result.json",), _compare, _JSON, free=_FREE, named=("--baseline",), **_COMMAND
)
UNFINISHED = Format("run.json-compared", build_runs, ("d-mixup-cls/run.json",), _compare, _JSON, free=_FREE)
CONTINUED = Format(
    "run.json-resumed",
    build_runs,
    ("d-smooth-cls/run.json",),
    _continue,
    _JSON,
    free=_ANY,
    may_write=("d-smooth-cls/*",),
)
_LOG = (*DAMAGE, *[_WORDS] * 5, *[json_line] * 8)
CURVES = Format("metrics.jsonl-drawn", build_runs, ("*/metrics.jsonl",), _compare, _LOG, free=_ANY, **_COMMAND)
LOG = Format(
    "metrics.jsonl-resumed",
    build_runs,
    ("d-smooth-cls/metrics.jsonl",),
    _continue,
    _LOG,
    free=_ANY,
    may_write=("d-smooth-cls/*",),
)


def _evaluations(folder: Path) -> Any:
    read: dict[str, Callable[[Path], Any]] = {"detection": read_detections, "segmentation": read_segmentations}
    found = []
    for task, reader in read.items():
        evaluation = reader(folder / f"d-smooth-{task}" / "evaluation.npz")
        arrays = [np.asarray(field) for image in evaluation.images for field in image]
        measured = measure(evaluation, np.ones((1, len(evaluation.names)), np.int32))
        found.append(
            (evaluation.classes, evaluation.names, digest(*arrays), {k: v.tolist() for k, v in measured.items()})
        )
    return found


_PATTERN = ("d-smooth-*/evaluation.npz",)
NPZ_BYTES = Format("evaluation.npz-bytes", build_runs, _PATTERN, _evaluations, DAMAGE)
NPZ_ARRAYS = Format("evaluation.npz-arrays", build_runs, _PATTERN, _evaluations, (array_field,), free=(VALUE, MISSING))
NPZ_COMPARED = Format(
    "evaluation.npz-compared",
    build_runs,
    _PATTERN,
    _compare,
    (*DAMAGE, *[array_field] * 6),
    free=(VALUE,),
    **_COMMAND,
)
MAPS = Format(
    "predictions.zip",
    build_runs,
    ("d-smooth-segmentation/pictures/predictions.zip",),
    lambda folder: {
        name: digest(found)
        for name, found in read_predictions(folder / "d-smooth-segmentation/pictures/predictions.zip").items()
    },
    (*DAMAGE, zipped_map, zipped_map),
)
MAPS_DRAWN = Format(
    "predictions.zip-drawn",
    build_runs,
    ("*/pictures/predictions.zip",),
    _compare,
    (*DAMAGE, *[zipped_map] * 6),
    free=_ANY,  # maps are there to be looked at: the page goes without, or shows others
    **_COMMAND,
)
