"""Detectors and segmentors at full size: ours, and what mmdetection and mmsegmentation ship, as it is and tuned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.gpu.step import Figures, Found, Place
from benchmarks.gpu.steps.whole_loops import TURNS, rate
from benchmarks.subjects.openmmlab_loops import Work, ours, stock, tuned_stock
from benchmarks.subjects.scenes import write_ade20k, write_voc

C4 = "det_configs/faster_rcnn_c4_voc0712.py"
RATE = "images/s"
BOXES, FILES = 3, 64
Program = Callable[..., None]


def detector(place: Place) -> Found:
    """Our FPN protocol and mmdetection's."""
    return _compared(place, _detection(place), {"stock": stock, "stock, tuned": tuned_stock, "ours": ours})


def detector_c4(place: Place) -> Found:
    """Ours alone: mmdetection's C4 is of another network, Caffe's."""
    return _compared(place, replace(_detection(place), protocol=C4), {"ours": ours})


def segmentor(place: Place) -> Found:
    """Our FCN protocol and mmsegmentation's."""
    data = write_ade20k(_empty(place) / "data", place.amount(FILES, 4), 2)
    side, batch = place.amount(512, 64), place.amount(4, 2)
    work = _work(place, "segmentation", (side, side), batch, data)
    return _compared(place, work, {"stock": stock, "stock, tuned": tuned_stock, "ours": ours})


def _detection(place: Place) -> Work:
    data = write_voc(_empty(place) / "data", place.amount(FILES, 4), 2, BOXES)
    return _work(place, "detection", (1000, 600) if not place.tiny else (96, 64), place.amount(4, 2), data)


def _work(place: Place, task: str, size: tuple[int, int], batch: int, data: Path) -> Work:
    depth = 18 if place.tiny and task == "detection" else 50
    return Work(task, depth, size, batch, data, data.parent, TURNS + 1, place.amount(20, 1), 2)


def _compared(place: Place, work: Work, programs: dict[str, Program]) -> Found:
    """One after the other: each has the card to itself."""
    figures: Figures = {}
    for name, program in programs.items():
        log = work.folder / f"{name}.log"
        figures[name] = {RATE: rate(program, (work,), work.steps, work.batch, log)}
    sides = " x ".join(map(str, work.size))
    return Found(figures, (f"ResNet-{work.depth}, {sides} px, batch {work.batch}, by the configurations' loaders",))


def _empty(place: Place) -> Path:
    """A folder that no earlier round has left anything in."""
    number = sum(1 for _ in place.scratch.glob("round*"))
    folder = place.scratch / f"round{number}"
    folder.mkdir(parents=True)
    return folder
