"""How time and memory grow, and what a second process gains.

Seconds of a training step and the peak of its process's memory, while one thing changes and the rest stays: the
classifier (ResNet-18-D; 64 pixels, batch 32 and 100 classes where they do not change) with image size, batch and
number of classes; the detector (R18-FPN, 320 x 240, batch 2) with the number of boxes in an image. "Growth" is how
much more a line takes than the first of its kind, beside how much more it is given: pixels, images, classes or boxes.
Memory has a part that does not grow: the libraries and the weights.

Two processes (gloo) share each batch, each with one thread that also loads its images. Efficiency is their images/s
by twice those of one. What they send each other, the gradients, does not depend on the batch.
"""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.harness.contender import Contender, race
from benchmarks.harness.findings import Findings, SideBySide, compare
from benchmarks.harness.growth import draw_growth, growth_lines
from benchmarks.harness.settings import Settings
from benchmarks.subjects.classification_loops import Classifying, ours, ours_in_processes, training_folder
from benchmarks.subjects.openmmlab_loops import Work
from benchmarks.subjects.openmmlab_loops import ours as our_iterations
from benchmarks.subjects.photographs import photographs
from benchmarks.subjects.scenes import write_voc

TITLE = "Scaling: image size, batch, classes, boxes, processes"
QUICK = True
NETWORK = "resnet18_d"
SIZE, BATCH, CLASSES = 64, 32, 100
# In the order of SIZE, BATCH and CLASSES; of the first, a side is given and its square told.
ROWS = (("pixels", (64, 96, 128, 192)), ("images in a batch", (16, 32, 64, 128)), ("classes", (10, 100, 1000)))
BOXES = (1, 8, 64)
SHARED = (32, 128)  # batches of two processes
GIB = 2**30
ONE, TWO = "one process", "two processes"


def measure(settings: Settings) -> Findings:
    """Two image sizes in a quick run, and the processes."""
    files = photographs(settings, 16)
    rounds = 2 if settings.quick else settings.rounds
    figures: dict[str, dict[str, float]] = {}
    for place, (what, values) in enumerate(ROWS[:1] if settings.quick else ROWS):
        values = values[: settings.amount(len(values), 2)]
        points = []
        for value in values:
            usual = [SIZE, BATCH, CLASSES]
            usual[place] = value
            points.append(_classifier(settings.scratch / f"{what} {value}", files, rounds, *usual))
        figures |= growth_lines(what, [value**2 for value in values] if place == 0 else values, points)
    if not settings.quick:
        points = [_detector(settings, rounds, count) for count in BOXES]
        figures |= growth_lines("boxes in an image", BOXES, points)
    comparisons = []
    for batch in SHARED[: settings.amount(len(SHARED), 1)]:
        comparisons.append(_processes(settings, files, rounds, batch))
        figures[f"{TWO}, batch {batch}"] = {"efficiency": comparisons[-1].ratio(TWO, ONE).median / 2}
    return Findings(tuple(comparisons), figures)


def draw(found: Findings) -> Figure:
    """The growth of each row beside the straight line of what grows as much as it is given."""
    return draw_growth(found.figures)


def _classifier(
    folder: Path, files: list[Path], rounds: int, size: int, batch: int, classes: int
) -> tuple[float, float]:
    steps = 2
    data = training_folder(folder / "data", files, max(batch * steps * (1 + rounds), classes), classes)
    work = Classifying(data, folder, size, batch, classes)
    return _alone(Contender(ours, steps, (work, NETWORK), folder / "log"), rounds)


def _detector(settings: Settings, rounds: int, boxes: int) -> tuple[float, float]:
    steps = 2
    folder = settings.scratch / f"boxes{boxes}"
    data = write_voc(folder / "data", 16, 1, boxes)
    work = Work("detection", 18, (320, 240), 2, data, folder, 1 + rounds, steps, 1)
    return _alone(Contender(our_iterations, steps, (work,), folder / "log"), rounds)


def _alone(contender: Contender, rounds: int) -> tuple[float, float]:
    """Median seconds of a step, and peak GiB; its first turn warms up."""
    seconds = []
    with contender:
        for _ in range(1 + rounds):
            start = time.perf_counter()
            contender.turn()
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds[1:]) / contender.steps, contender.peak_bytes / GIB


def _processes(settings: Settings, files: list[Path], rounds: int, batch: int) -> SideBySide:
    """The same batch in one process and in two, one thread each."""
    steps = settings.amount(6, 3)
    folder = settings.scratch / f"processes {batch}"
    data = training_folder(folder / "data", files, batch * steps * (1 + rounds), CLASSES)
    work = Classifying(data, folder, SIZE, batch, CLASSES)
    with ExitStack() as stack:
        contenders = {
            name: stack.enter_context(
                Contender(ours_in_processes, steps, (work, NETWORK, count), folder / f"{count}.log")
            )
            for count, name in enumerate((ONE, TWO), start=1)
        }
        seconds = race(contenders, rounds)
    return compare(f"ResNet-18-D, {SIZE} px, batch {batch}", "images/s", batch * steps, seconds)
