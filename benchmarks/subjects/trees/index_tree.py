"""What a data set of ImageNet's size costs: listing, checking, memory. The tree is made of hard links."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbones.data.decoded_images import KnownImages
from backbones.data.decoding import what_is_wrong
from backbones.data.folders.image_folder import ImageFolder, open_image_folder, verify_images
from backbones.data.randomness import Purpose, keyed_generator
from backbones.data.sampling import Request, TrainingRequests
from backbones.errors import not_none
from benchmarks.subjects.photographs import write_made_up

LINKS_PER_FILE = 60_000  # ext4 allows 65,000
VALIDATION_SHARE = 26  # ImageNet has 50,000 validation images for 1.28 million
BATCH_SIZE, IMAGE_SIZE, EPOCHS, BATCHES_PER_EPOCH = 64, 64, 3, 6
MIB = 1 << 20


@dataclass(frozen=True)
class IndexRequest:
    """A tree of ``images`` training images in ``classes`` folders, ``decode`` of them decoded for the speed."""

    images: int
    classes: int
    decode: int
    workers: int


def measure_index(scratch: Path, request: IndexRequest) -> dict[str, Any]:
    """All figures, by name. Memory is that of the process, which should be a new one.

    ``scratch`` is an empty folder; what is built stays there. The cache folder should be ``scratch / "cache"``.
    """
    seconds, _ = _timed(lambda: build_tree(scratch, request.images, request.classes))
    figures: dict[str, Any] = {"links made, s": seconds}
    before = _memory("VmRSS")
    figures["first listing, s"], folder = _timed(lambda: open_image_folder(scratch / "data"))
    figures["second listing, s"], folder = _timed(lambda: open_image_folder(scratch / "data"))
    # The least that any index must do which is not to believe something stale: a file can be written over without a
    # trace in its folder.
    figures["asking for the state of each file, s"], _ = _timed(lambda: _ask_for_each(folder))
    order = keyed_generator(Purpose.ORDER, 0, 0)
    figures["order of an epoch, s"], _ = _timed(lambda: order.permutation(len(folder.train)))
    figures |= {"training images": len(folder.train), "validation images": len(folder.val)}
    figures["mean file size, bytes"] = round(float(folder.train.sizes.mean()))
    figures["index in memory, MiB"] = sum(each.nbytes for each in _arrays(folder)) // MIB
    figures["listing, resident memory it adds at its peak, MiB"] = _memory("VmHWM") - before
    few = open_image_folder(_copy_some(scratch, request.decode))
    what_is_wrong(few.train.path(0))  # imports torchvision, which is not what is measured
    seconds, _ = _timed(lambda: verify_images(few, workers=1))
    figures["decoding check on one core, images/s"] = round((len(few.train) + len(few.val)) / seconds)
    _pretend_verified(folder)
    figures["second check of the whole set, s"], _ = _timed(lambda: verify_images(folder))
    figures["record of the whole set, MiB"] = sum(file.stat().st_size for file in scratch.glob("cache/*/*")) // MIB
    figures["all of it, resident memory at its peak, MiB"] = _memory("VmHWM")
    return figures | _loader_memory(folder, request.workers)


def build_tree(scratch: Path, images: int, classes: int) -> None:
    """``data/{train,val}/CLASS/IMAGE`` of hard links to a few photograph-like JPEGs in ``sources``."""
    validation = max(classes, images // VALIDATION_SHARE)
    sources = write_made_up(scratch / "sources", -(-(images + validation) // LINKS_PER_FILE) + 8)
    made = 0
    for split, count in (("train", images), ("val", validation)):
        for label in range(classes):
            folder = scratch / "data" / split / f"n{label:08d}"
            folder.mkdir(parents=True)
            for number in range(label, count, classes):
                os.link(sources[made % len(sources)], f"{folder}/n{label:08d}_{number}.JPEG")
                made += 1


def _ask_for_each(folder: ImageFolder) -> None:
    for split in (folder.train, folder.val):
        root = os.fsencode(split.root)
        for file in split.files.tolist():
            os.stat(root + b"/" + file)


def _copy_some(scratch: Path, count: int) -> Path:
    """A small data set of ``count`` of the same images."""
    sources = sorted((scratch / "sources").iterdir())
    for number in range(count):
        split = "val" if number % 10 == 0 else "train"
        folder = scratch / "few" / split / f"class{number // 10 % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(sources[number % len(sources)], folder / f"{number}.jpg")
    return scratch / "few"


def _pretend_verified(folder: ImageFolder) -> None:
    """Record all images as good; decoding them would take an hour."""
    for split in (folder.train, folder.val):
        KnownImages.of(split.root).remember(split.files, split.sizes, split.changed)


def _loader_memory(folder: ImageFolder, workers: int) -> dict[str, Any]:
    """Resident and proportional memory of the largest worker within each of some short epochs; torch is part of it."""
    import torch

    from backbones.data.loader import ImageBatches, load_batches

    figures: dict[str, Any] = {}
    dataset = ImageBatches(folder.train, IMAGE_SIZE, 0)
    requests = _short_epochs(len(folder.train))
    with closing(load_batches(dataset, requests, workers, torch.device("cpu"))) as batches:
        for number, _ in enumerate(batches):
            epoch, batch = divmod(number, BATCHES_PER_EPOCH)
            if batch == BATCHES_PER_EPOCH // 2:
                children = [not_none(child.pid) for child in multiprocessing.active_children()]
                for kind, name in (("Rss", "resident"), ("Pss", "proportional")):
                    figures[f"epoch {epoch}: loader worker, {name}, MiB"] = max(_memory(kind, pid) for pid in children)
                figures[f"epoch {epoch}: main process, resident, MiB"] = _memory("VmRSS")
    return figures


def _short_epochs(images: int) -> Iterator[Request]:
    """The first batches of each epoch; the order of all images is drawn for every one."""
    for epoch in range(EPOCHS):
        first = epoch * (images // BATCH_SIZE)
        yield from TrainingRequests(images, BATCH_SIZE, 0, first, first + BATCHES_PER_EPOCH)


def _arrays(folder: ImageFolder) -> list[Any]:
    """Everything that grows with the number of images."""
    return [
        array
        for split in (folder.train, folder.val)
        for array in (split.files, split.labels, split.sizes, split.changed)
    ]


def _memory(kind: str, pid: int | str = "self") -> int:
    """A line of the kernel's account of a process, in MiB."""
    file = "status" if kind.startswith("Vm") else "smaps_rollup"
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) // 1024


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that it took, and what it returned."""
    start = time.perf_counter()
    result = work()
    return round(time.perf_counter() - start, 4), result
