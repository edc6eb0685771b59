"""Whole training loops on JPEG files: ours, and torchvision's and timm's as they come and tuned."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backbones.machine.processes import loader_workers
from benchmarks.gpu.step import Figures, Found, Place
from benchmarks.harness.contender import Contender
from benchmarks.harness.settings import Settings
from benchmarks.subjects.classification_loops import Classifying, ours, training_folder
from benchmarks.subjects.photographs import photographs
from benchmarks.subjects.tuned_loops import tuned_timm_loop, tuned_torchvision_loop

RATE = "images/s"
DIFFERENT, CLASSES = 512, 100
TURNS = 3


def measure(place: Place) -> Found:
    """One after the other: each has the card to itself."""
    steps, batch, side = place.amount(20, 1), place.amount(128, 2), place.amount(224, 32)
    work = whole_loop_work(place, batch * steps * (TURNS + 1), side, batch)
    resnet, device = ("resnet18" if place.tiny else "resnet50"), place.device
    programs: dict[str, tuple[Callable[..., None], tuple[Any, ...]]] = {
        "torchvision": (tuned_torchvision_loop, (resnet, device)),
        "timm, D": (tuned_timm_loop, (f"{resnet}d", device)),
        "ours, D": (ours, (f"{resnet}_d",)),
        "ours, of torchvision's network": (ours, (f"{resnet}_b",)),
    }
    figures: Figures = {}
    for number, (name, (program, arguments)) in enumerate(programs.items()):
        figures[name] = {RATE: rate(program, (work, *arguments), steps, batch, work.folder / f"{number}.log")}
    return Found(figures, (f"batch {batch}, {side} px, {loader_workers()} loader processes",))


def rate(program: Callable[..., None], arguments: tuple[Any, ...], steps: int, batch: int, log: Path) -> float:
    """Images per second from the end of the first turn to the end of the last one."""
    with Contender(program, steps, arguments, log) as contender:
        contender.turn()
        started = time.perf_counter()
        for _ in range(TURNS):
            contender.turn()
        return TURNS * steps * batch / (time.perf_counter() - started)


def whole_loop_work(place: Place, images: int, side: int, batch: int) -> Classifying:
    """A folder of links to photographs, made anew for each round."""
    folder = place.scratch / f"data{time.time_ns()}"
    settings = Settings(folder, photographs=place.photographs)
    files = photographs(settings, place.amount(DIFFERENT, 4))
    classes = place.amount(CLASSES, 2)
    data = training_folder(folder / "data", files, images, classes)
    return Classifying(data, folder, side, batch, classes)
