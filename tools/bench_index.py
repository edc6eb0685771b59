"""Measure what a data set of ImageNet's size costs: listing, checking, memory. The tree is made of links."""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from backbones.command import CommandParser, run_command
from backbones.options import positive_int

if TYPE_CHECKING:
    from backbones.data.image_folder import ImageFolder
    from backbones.data.requests import Request

EXAMPLE = """examples:
  python tools/bench_index.py --json bench.json
  python tools/bench_index.py --images 200000 --workers 8 --out /network/file/system/scratch
"""
LINKS_PER_FILE = 60_000  # ext4 allows 65,000
VALIDATION_SHARE = 26  # ImageNet has 50,000 validation images for 1.28 million
BATCH_SIZE, IMAGE_SIZE, EPOCHS, BATCHES_PER_EPOCH = 64, 64, 3, 6
MIB = 1 << 20


def build_parser() -> CommandParser:
    """Options of this tool."""
    parser = CommandParser(description=__doc__, epilog=EXAMPLE)
    parser.add_argument("--images", type=positive_int, default=1_281_167, help="training images (%(default)s)")
    parser.add_argument("--classes", type=positive_int, default=1000, help="class folders (%(default)s)")
    parser.add_argument(
        "--decode", type=positive_int, default=2000, help="images to decode for the speed (%(default)s)"
    )
    parser.add_argument("--workers", type=positive_int, default=2, help="loader workers (%(default)s)")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", help="existing folder to build in; default: $TMPDIR")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the figures there, too")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the tree, measure, print a table, remove the tree."""
    options = build_parser().parse_args(arguments)
    from backbones.files import write_json

    with tempfile.TemporaryDirectory(prefix="bench_index.", dir=options.out) as scratch:
        figures = measure(pathlib.Path(scratch), options)
    print("| what | figure |\n| --- | ---: |")
    print("\n".join(f"| {name} | {value:,} |" for name, value in figures.items()))
    if options.json:
        write_json(options.json, figures)


def measure(scratch: pathlib.Path, options: argparse.Namespace) -> dict[str, Any]:
    """All figures, by name. Memory is that of the listing alone until the loader brings PyTorch in."""
    from backbones.data.image_folder import open_image_folder, verify_images

    os.environ["CARRYOVER_CACHE"] = str(scratch / "cache")
    seconds, _ = timed(lambda: build_tree(scratch, options.images, options.classes))
    figures: dict[str, Any] = {"links made, s": seconds}
    before = memory("VmRSS")
    figures["first listing, s"], folder = timed(lambda: open_image_folder(scratch / "data"))
    figures["second listing, s"], folder = timed(lambda: open_image_folder(scratch / "data"))
    figures |= {"training images": len(folder.train), "validation images": len(folder.val)}
    figures["mean file size, bytes"] = round(float(folder.train.sizes.mean()))
    figures["index in memory, MiB"] = sum(each.nbytes for each in arrays(folder)) // MIB
    figures["listing, resident memory it adds at its peak, MiB"] = memory("VmHWM") - before
    few = open_image_folder(link_some(scratch, options.decode))
    seconds, _ = timed(lambda: verify_images(few, workers=1))
    figures["decoding check on one core, images/s"] = round((len(few.train) + len(few.val)) / seconds)
    pretend_verified(folder)
    figures["second check of the whole set, s"], _ = timed(lambda: verify_images(folder))
    figures["record of the whole set, MiB"] = sum(file.stat().st_size for file in scratch.glob("cache/*/*")) // MIB
    figures["all of it, resident memory at its peak, MiB"] = memory("VmHWM")
    return figures | loader_memory(folder, options.workers)


def build_tree(scratch: pathlib.Path, images: int, classes: int) -> None:
    """``data/{train,val}/CLASS/IMAGE`` of hard links to a few photograph-like JPEGs in ``sources``."""
    validation = max(classes, images // VALIDATION_SHARE)
    sources = write_sources(scratch / "sources", -(-(images + validation) // LINKS_PER_FILE) + 8)
    made = 0
    for split, count in (("train", images), ("val", validation)):
        for label in range(classes):
            folder = scratch / "data" / split / f"n{label:08d}"
            folder.mkdir(parents=True)
            for number in range(label, count, classes):
                os.link(sources[made % len(sources)], f"{folder}/n{label:08d}_{number}.JPEG")
                made += 1


def write_sources(folder: pathlib.Path, count: int) -> list[str]:
    """JPEGs of 500 x 375 pixels and about the file size that ImageNet's have: gradients, blotches and grain."""
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    gradient = np.add.outer(np.linspace(0, 130, 375), np.linspace(0, 70, 500))[..., None]
    paths = []
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (94, 125, 3), dtype=np.uint8)).resize((500, 375))
        pixels = 0.4 * np.asarray(coarse) + gradient * random.uniform(0.3, 0.6, 3) + random.normal(0, 11, (375, 500, 3))
        paths.append(f"{folder}/{number}.jpg")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=90)
    return paths


def link_some(scratch: pathlib.Path, count: int) -> pathlib.Path:
    """A small data set of ``count`` of the same images."""
    sources = sorted((scratch / "sources").iterdir())
    for number in range(count):
        split = "val" if number % 10 == 0 else "train"
        folder = scratch / "few" / split / f"class{number // 10 % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(sources[number % len(sources)], folder / f"{number}.jpg")
    return scratch / "few"


def pretend_verified(folder: ImageFolder) -> None:
    """Record all images as good; decoding them would take an hour."""
    from backbones.data.known_images import KnownImages

    for split in (folder.train, folder.val):
        KnownImages.of(split.root).remember(split.files, split.sizes, split.changed)


def loader_memory(folder: ImageFolder, workers: int) -> dict[str, Any]:
    """Resident and proportional memory of the largest worker within each of some short epochs; torch is part of it."""
    import multiprocessing

    import torch

    from backbones.data.loader import ImageBatches, load_batches

    figures: dict[str, Any] = {}
    dataset = ImageBatches(folder.train, IMAGE_SIZE, 0)
    requests = short_epochs(len(folder.train))
    with closing(load_batches(dataset, requests, workers, torch.device("cpu"))) as batches:
        for number, _ in enumerate(batches):
            epoch, batch = divmod(number, BATCHES_PER_EPOCH)
            if batch == BATCHES_PER_EPOCH // 2:
                children = [child.pid for child in multiprocessing.active_children()]
                for kind, name in (("Rss", "resident"), ("Pss", "proportional")):
                    figures[f"epoch {epoch}: loader worker, {name}, MiB"] = max(memory(kind, pid) for pid in children)
                figures[f"epoch {epoch}: main process, resident, MiB"] = memory("VmRSS")
    return figures


def short_epochs(images: int) -> Iterator[Request]:
    """The first batches of each epoch; the order of all images is drawn for every one."""
    from backbones.data.loader import TrainingRequests

    for epoch in range(EPOCHS):
        first = epoch * (images // BATCH_SIZE)
        yield from TrainingRequests(images, BATCH_SIZE, 0, first, first + BATCHES_PER_EPOCH)


def arrays(folder: ImageFolder) -> list[Any]:
    """Everything that grows with the number of images."""
    return [
        array
        for split in (folder.train, folder.val)
        for array in (split.files, split.labels, split.sizes, split.changed)
    ]


def memory(kind: str, pid: int | str = "self") -> int:
    """A line of the kernel's account of a process, in MiB."""
    file = "status" if kind.startswith("Vm") else "smaps_rollup"
    lines = pathlib.Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) // 1024


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that it took, and what it returned."""
    start = time.perf_counter()
    result = work()
    return round(time.perf_counter() - start, 2), result


if __name__ == "__main__":
    run_command(main)
