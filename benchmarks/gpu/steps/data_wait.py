"""How long the GPU waits for images, by loader processes: from files, and from the resize cache."""

from __future__ import annotations

import json
from pathlib import Path

from backbones.machine.processes import usable_cpus
from backbones.training.request import ClassificationRequest
from backbones.training.run import run_classification
from benchmarks.gpu.step import Figures, Found, Place
from benchmarks.gpu.steps.whole_loops import whole_loop_work
from benchmarks.subjects.classification_loops import Classifying
from benchmarks.subjects.photographs import write_made_up
from transfer.prepare.resize_cache import make_resize_cache

WORKERS = (4, 8, 16)
SHORT_SIDE = 256


def files(place: Place) -> Found:
    """ImageNet's usual size."""
    steps, batch, side = _lengths(place)
    work = whole_loop_work(place, steps * batch, side, batch)
    figures = {f"{workers} processes": train(place, work, workers) for workers in place.amount(1, 0) * WORKERS or (0,)}
    return Found(figures, (f"batch {batch}, {side} px, {usable_cpus()} CPUs",))


def cache(place: Place) -> Found:
    """Photographs three times as wide and high."""
    steps, batch, side = _lengths(place)
    work = whole_loop_work(place, steps * batch, side, batch)
    large = write_made_up(work.folder / "large", place.amount(64, 2), scale=3)
    _link_anew(work.data, large)
    made = work.folder / "cache"
    make_resize_cache(work.data, made, SHORT_SIDE)
    figures: Figures = {}
    workers = place.amount(8, 0)
    for name, data in (("files", work.data), ("resize cache", made)):
        figures[f"{name}, {workers} processes"] = train(place, Classifying(data, work.folder, side, batch, 0), workers)
    return Found(figures, (f"batch {batch}, {side} px, short side {SHORT_SIDE} in the cache, {usable_cpus()} CPUs",))


def train(place: Place, work: Classifying, workers: int) -> dict[str, float]:
    """An epoch of ``tools/train_cls.py``; what its record of the epoch says."""
    out = work.folder / f"run_{work.data.name}_{workers}"
    request = ClassificationRequest(
        data=work.data,
        network="mobilenet_v1_025" if place.tiny else "resnet50_d",
        recipe="smooth" if place.tiny else "d-smooth",
        out=out,
        epochs=1,
        batch_size=work.batch,
        image_size=work.size,
        workers=workers,
        device=place.device,
        allow_shared_images=True,  # both splits link to the same few photographs
    )
    run_classification(request)
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    (epoch,) = (record for record in records if record["kind"] == "epoch")
    return {"images/s": epoch["images_per_second"], "data wait": epoch["data_wait"]}


def _lengths(place: Place) -> tuple[int, int, int]:
    """Steps, batch, side in pixels."""
    return place.amount(100, 2), place.amount(128, 4), place.amount(224, 32)


def _link_anew(root: Path, files: list[Path]) -> None:
    for number, link in enumerate(sorted(root.rglob("*.jpg"))):
        link.unlink()
        link.symlink_to(files[number % len(files)].resolve())
